"""The world that fault tests attack."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.faults.world import World
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse


@pytest.fixture
def world(home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec) -> World:
    """Nothing is built yet. `tool` says its version in two files, so that a mix would show."""
    for version in ("1.0", "2.0"):
        text = f"version = {version!r}\n"
        files = {"tool/__init__.py": f"__version__ = {version!r}\n", "tool_data.py": text}
        files |= {f"tool/part{number}.py": text for number in range(40)}
        wheelhouse.add("tool", version, requires=["base"], files=files, scripts={"tool-run": "tool:main"})
    wheelhouse.add("base", "1.0")
    host.install("base")
    return World(home, host, write_spec("m", ["tool"]))
