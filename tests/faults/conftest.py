"""The worlds of the fault tests: with the real uv, or with an assembly that takes a tenth of its time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.faults.assembly import UnzippingAssembly
from tests.faults.world import World
from tests.hosts import Host, make_host
from tests.wheelhouse import Wheelhouse


def add_wheels(wheelhouse: Wheelhouse, *, versions: int = 2, parts: int = 40) -> None:
    """Put in `tool`, which says its version in two files, so that a mix would show, and `base`, which it needs."""
    for version in (f"{number}.0" for number in range(1, versions + 1)):
        text = f"version = {version!r}\n"
        files = {"tool/__init__.py": f"__version__ = {version!r}\n", "tool/deep.py": text, "tool_data.py": text}
        files |= {f"tool/part{number}.py": text for number in range(parts)}
        wheelhouse.add("tool", version, requires=["base"], files=files, scripts={"tool-run": "tool:main"})
    wheelhouse.add("base", "1.0")


@pytest.fixture
def world(home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec) -> World:
    """Nothing is built yet."""
    add_wheels(wheelhouse)
    host.install("base==1.0")
    return World(home, host, write_spec("m", ["tool"]))


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> tuple[Host, Path]:
    """A host and a cache folder that many quick worlds share: the plan of a moment ago is taken again."""
    place = tmp_path_factory.mktemp("common")
    wheelhouse = Wheelhouse(place / "wheels")
    wheelhouse.path.mkdir()
    add_wheels(wheelhouse, versions=4, parts=2)
    wheelhouse.add("base", "1.1")
    wheelhouse.add("extra", "1.0")
    host = make_host(place / "host", wheelhouse)
    host.install("base==1.0")
    return host, place


@pytest.fixture
def quick_world(home: Path, common: tuple[Host, Path], monkeypatch: pytest.MonkeyPatch) -> World:
    """A world of its own home, where nothing is built yet, and no uv runs but for the first plan."""
    host, place = common
    monkeypatch.setattr("venvkit.launch.building.UvAssembly", UnzippingAssembly)
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", (place / "wheels").as_uri())
    spec = place / "m.json"
    if not spec.exists():
        block = {"packages": ["tool"], "find_links": host.wheelhouse.url}
        spec.write_text(json.dumps({"model_name": "m", "virtualenv": block}))
    return World(home, host, spec)
