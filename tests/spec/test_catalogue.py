"""Xinference's whole catalogue, as it is published, goes through the language."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from venvkit.spec.model import load_specs
from venvkit.spec.request import Choice, build_request, spec_engines

pytestmark = pytest.mark.network

HOST = {
    "torch": "2.13.0+cpu",
    "torchvision": "0.28.0+cpu",
    "torchaudio": "2.11.0+cpu",
    "numpy": "2.2.6",
    "pandas": "2.3.3",
    "huggingface-hub": "1.23.0",
}


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    """Return the folder of an unpacked wheel: the one VENVKIT_TEST_CATALOGUE names, else a downloaded one."""
    if given := os.environ.get("VENVKIT_TEST_CATALOGUE"):
        return Path(given)
    folder = tmp_path_factory.mktemp("catalogue")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "xinference==4.1.0", "-d", str(folder)]
    subprocess.run(command, check=True, timeout=300)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def specs(catalogue):
    files = []
    for path in sorted((catalogue / "xinference" / "model").rglob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        objects = document if isinstance(document, list) else [document]
        if any(isinstance(one, dict) and one.get("virtualenv") for one in objects):
            files.append(path)
    return [spec for path in files for spec in load_specs(path)]


def test_every_spec_parses(specs):
    assert len(specs) == 434
    assert len({text for spec in specs for text in spec.packages}) == 575
    assert sum(spec.no_build_isolation for spec in specs) > 0


@pytest.mark.parametrize("gpu", [False, True], ids=["no device", "CUDA 13.0"])
def test_every_spec_makes_a_request_for_every_engine_it_names(specs, engines, world, gpu):
    machine = world.gpu() if gpu else world
    pairs, sets, named_pairs, named_sets = 0, set(), 0, set()
    for spec in specs:
        for engine in spec_engines(spec, engines) or (None,):
            request = build_request(
                spec,
                Choice(engine=engine),
                engines=engines,
                context=machine.context(),
                host_versions=HOST,
                pip=None,
            )
            assert request.requirements, (spec.name, engine)
            lines = frozenset(map(str, request.requirements))
            pairs, sets = pairs + 1, sets | {lines}
            # One object has no `model_name`, only a family; whoever skips it counts one launch and one set less.
            if spec.name != "LingBot-World-V2":
                named_pairs, named_sets = named_pairs + 1, named_sets | {lines}
    assert (pairs, named_pairs) == (898, 897)
    if not gpu:
        assert (len(sets), len(named_sets)) == (184, 183)
