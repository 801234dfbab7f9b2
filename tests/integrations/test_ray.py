"""Ray: actors of a cluster of two nodes on this machine, in environments of venvkit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hosts import UV
from tests.integrations.beside import ROOT, clean_environ
from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit.base.reading import parse_toml

pytestmark = pytest.mark.integration

PLUGIN = '[{"class": "venvkit.integrations.ray.VenvkitPlugin"}]'


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An environment with a released Ray and this venvkit, from the index that this machine is configured for."""
    folder = tmp_path_factory.mktemp("ray") / "venv"
    lines = parse_toml((ROOT / "pyproject.toml").read_bytes())["project"]["dependencies"]
    try:
        subprocess.run([UV, "venv", "-q", "--seed", str(folder), "--python", sys.executable], check=True, timeout=120)
        argv = [UV, "pip", "install", "-q", "--python", str(folder), "ray==2.60.0", *lines]
        subprocess.run(argv, check=True, timeout=600)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"skipped because no environment with Ray can be installed here: {error}")
    site = next((folder / "lib").glob("python*/site-packages"))
    (site / "venvkit.pth").write_text(f"{ROOT}\n", encoding="utf-8")
    return str(folder / "bin" / "python")


@pytest.fixture(scope="module")
def told(python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What tests/integrations/ray_cluster.py reports."""
    # Paths of sockets are short.
    folder = tmp_path_factory.mktemp("r")
    wheels = Wheelhouse(folder / "wheels")
    for version in ("1.0", "2.0"):
        wheels.add("clash", version)
    wheels.add("left", "1.0", requires=["clash==1.0"])
    wheels.add("right", "1.0", requires=["clash==2.0"])
    wheels.add("six2", "1.0")
    wheels.add("late", "1.0")
    index = HttpIndex(wheels, hang_on=".whl").start()
    environ = clean_environ(folder, RAY_RUNTIME_ENV_PLUGINS=PLUGIN, RAY_USAGE_STATS_ENABLED="0")
    # Ray takes loopback for its address only where it thinks that there is no other machine.
    environ |= {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    script = str(Path(__file__).with_name("ray_cluster.py"))
    try:
        argv = [python, script, str(folder), index.url]
        done = subprocess.run(argv, env=environ, cwd=folder, capture_output=True, text=True, timeout=540, check=False)
    finally:
        index.stop()
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    result = dict(json.loads(done.stdout.splitlines()[-1]))
    print(json.dumps({name: result[name] for name in ("eight", "uv", "pip")}, indent=1))
    yield {**result, "folder": str(folder)}


def test_two_actors_with_contradicting_packages(told: dict[str, Any]) -> None:
    first, second = told["both"]
    assert (first["version"], second["version"]) == ("1.0", "2.0")
    assert first["node"] != second["node"]
    for actor in (first, second):
        assert actor["prefix"].startswith(f"{told['folder']}/home/virtualenv/envs/")
        assert actor["ray"] == ["2.60.0", told["raylet"]], "Ray is the runtime"


def test_eight_actors_make_one_build(told: dict[str, Any]) -> None:
    assert [Path(told["eight"]["prefix"]).name] == told["eight"]["built"]
    assert max(told["eight"]["seconds"]) < 60


def test_the_reason_reaches_the_driver(told: dict[str, Any]) -> None:
    assert "clash==1.0" in told["unsatisfiable"]
    assert "clash==2.0" in told["unsatisfiable"]
    assert "venvkit/launch" not in told["unsatisfiable"]
    assert "neither a model nor packages" in told["invalid"]


def test_a_job_that_is_given_up_leaves_nothing(told: dict[str, Any]) -> None:
    assert "timeout" in told["timeout"].lower()
    assert told["rubble"] == []


def test_a_field_is_checked(python: str, tmp_path: Path) -> None:
    code = (
        "import json, sys\n"
        "from venvkit.integrations.ray import VenvkitPlugin as plugin\n"
        "field = json.loads(sys.argv[1])\n"
        "plugin.validate({'venvkit': field})\n"
        "from venvkit.integrations.ray import runtime_env\n"
        "assert runtime_env(**field) == {'venvkit': field}\n"
        "print(plugin().get_uris({'venvkit': field}))\n"
    )

    def check(field: object) -> subprocess.CompletedProcess[str]:
        argv = [python, "-c", code, json.dumps(field)]
        return subprocess.run(argv, env={**os.environ}, capture_output=True, text=True, check=False)

    faults = {
        "a mapping": ["six"],
        "neither a model nor packages": {"engine": "vllm"},
        "unknown option: modle": {"modle": "x"},
        "requirement-option|starts with `-`": {"packages": ["--index-url=x"]},
        "the name of a model": {"model": 3},
        "`offline` takes true or false": {"model": "x", "offline": "yes"},
    }
    for fault, field in faults.items():
        done = check(field)
        assert done.returncode == 1, field
        assert "ValueError: runtime_env['venvkit']" in done.stderr, done.stderr
        assert any(part in done.stderr for part in fault.split("|")), done.stderr
    one, same = check({"model": "x", "engine": "vllm"}), check({"engine": "vllm", "model": "x"})
    assert one.stdout == same.stdout != check({"model": "x"}).stdout
