"""The import proof in real interpreters."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from venvkit.base.process import Runner
from venvkit.errors import CancelledError
from venvkit.proof.imports import failed_imports


@pytest.fixture
def modules(tmp_path: Path) -> dict[str, str]:
    bodies = {
        "fine": "x = 1\n",
        "raises": "print('noise')\nraise RuntimeError('operator x::nms does not exist')\n",
        "crashes": "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n",
        "leaves": "import os\nos._exit(5)\n",
        "hangs": "import time\ntime.sleep(600)\n",
    }
    for name, body in bodies.items():
        (tmp_path / f"{name}.py").write_text(body)
    return {"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin"}


def test_each_failure_says_why(modules: dict[str, str]) -> None:
    wanted = ["fine", "raises", "crashes", "leaves", "fine:x", "fine:y", "nowhere"]
    found = failed_imports(Path(sys.executable), wanted, Runner(timeout=60), environ=modules)
    assert {item.module: item.reason for item in found} == {
        "raises": "RuntimeError: operator x::nms does not exist",
        "crashes": "the interpreter was ended by signal 11",
        "leaves": "the interpreter ended with status 5",
        "fine:y": "AttributeError: module 'fine' has no attribute 'y'",
        "nowhere": "ModuleNotFoundError: No module named 'nowhere'",
    }


def test_one_that_hangs_ends_at_the_time_limit(modules: dict[str, str]) -> None:
    began = time.monotonic()
    (found,) = failed_imports(Path(sys.executable), ["hangs", "fine"], Runner(timeout=1), environ=modules)
    assert found.module == "hangs"
    assert "within 1 s" in found.reason
    assert time.monotonic() - began < 10


def test_a_cancelled_proof_stops(modules: dict[str, str]) -> None:
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    with pytest.raises(CancelledError):
        failed_imports(Path(sys.executable), ["hangs"], Runner(cancel=cancel, timeout=60), environ=modules)


def test_nothing_to_import_starts_nothing() -> None:
    runner = Runner()
    assert failed_imports(Path("/nowhere"), [], runner) == ()
    assert runner.spawned == []
