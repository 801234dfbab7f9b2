"""Running the command line: in this process for speed, in a real one where signals and streams matter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse
from venvkit.cli.app import cli
from venvkit.spec.data import data_dir

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((data_dir() / "envelope.schema.json").read_text(encoding="utf-8"))

Invoke = Callable[..., Result]
Start = Callable[..., "subprocess.Popen[str]"]
Process = Callable[..., "subprocess.CompletedProcess[str]"]


def document(text: str) -> dict[str, Any]:
    """Parse an envelope: one line, and nothing beside it."""
    assert text.endswith("\n")
    assert text.count("\n") == 1, text
    found: dict[str, Any] = json.loads(text)
    assert (found["schema"], found["ok"]) == (2, found["error"] is None)
    assert isinstance(found["data"], dict)
    assert list(found) == SCHEMA["required"]
    return found


@pytest.fixture(autouse=True)
def _no_registry(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index without projects in place of the public one: a name that a test made up may exist there."""
    (tmp_path / "empty-index").mkdir()
    monkeypatch.setenv("UV_DEFAULT_INDEX", (tmp_path / "empty-index").as_uri())


@pytest.fixture
def invoke(home: Path) -> Invoke:
    """Run a command line in this process."""

    def run(*args: str | Path) -> Result:
        return CliRunner().invoke(cli, [str(arg) for arg in args])

    return run


@pytest.fixture
def start(home: Path) -> Start:
    """Start a command line in a process of its own."""

    def run(*args: str | Path, env: dict[str, str] | None = None, **options: Any) -> subprocess.Popen[str]:
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        argv = [sys.executable, "-m", "venvkit", *map(str, args)]
        return subprocess.Popen(argv, cwd=ROOT, text=True, env={**os.environ, **(env or {})}, **{**streams, **options})

    return run


@pytest.fixture
def process(start: Start) -> Process:
    """Run a command line in a process of its own, to its end."""

    def run(*args: str | Path, input: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
        with start(*args, **options) as child:
            out, err = child.communicate(input, timeout=60)
        return subprocess.CompletedProcess(child.args, child.returncode, out, err)

    return run


@pytest.fixture
def spec(host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model that needs `tool`, which needs `base`, which the host has; the host is named by the variable."""
    wheelhouse.add("base", "1.0")
    wheelhouse.add("tool", "2.0", requires=["base>=1"])
    host.install("base")
    monkeypatch.setenv("VENVKIT_HOST_PYTHON", host.python)
    return write_spec("hello", ["tool"])
