"""What store tests share: a model `m` that asks for `tool`, there in some versions, which needs the host's `base`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.faults.conftest import common as common
from tests.faults.conftest import quick_world as quick_world
from tests.faults.world import World
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse


@pytest.fixture
def world(quick_world: World) -> World:
    """The world of a test that does not say otherwise: who unpacks the wheels makes no difference to it."""
    return quick_world


@pytest.fixture
def real_world(home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec) -> World:
    """A world of its own host, filled by the real uv."""
    for version in ("1.0", "2.0", "3.0", "4.0"):
        text = f"version = {version!r}\n"
        files = {"tool/__init__.py": f"__version__ = {version!r}\n", "tool/deep.py": text, "tool_data.py": text}
        wheelhouse.add("tool", version, requires=["base"], files=files, scripts={"tool-run": "tool:main"})
    wheelhouse.add("base", "1.0")
    wheelhouse.add("base", "1.1")
    wheelhouse.add("extra", "1.0")
    host.install("base==1.0")
    return World(home, host, write_spec("m", ["tool"]))
