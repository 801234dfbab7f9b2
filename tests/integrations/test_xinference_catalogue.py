"""The dependency phase of a worker for real models of its catalogue: the same plans as the library's own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.integrations.beside import ROOT, make_beside, xinference_host

pytestmark = [pytest.mark.integration, pytest.mark.network]

COUNT = 20
# Requirements that the worker itself drops before it asks the manager.
DROPPED = {
    "torchao": "of two lines for one name, each with a marker, the worker keeps the last, whether it applies or not",
    "sgl-kernel": "the worker compares `cuda_version` also where there is no CUDA, and takes that for false",
}


def test_the_plans_of_the_worker_are_those_of_the_library(tmp_path: Path) -> None:
    python = make_beside(tmp_path / "venv", xinference_host())
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("XINFERENCE_", "VENVKIT_"))}
    environ |= {"XINFERENCE_HOME": str(tmp_path / "home")}
    script = str(Path(__file__).with_name("catalogue_phase.py"))
    argv = [str(python), script, str(tmp_path / "home"), str(COUNT)]
    done = subprocess.run(argv, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    rows = json.loads(done.stdout.splitlines()[-1])
    planned = [row for row in rows if "error" not in row]
    for row in rows:
        print(row["model"], row["engine"], "error" if "error" in row else len(row["library"]))
    assert len(rows) == COUNT
    # A few want a git host or a nightly wheel.
    assert len(planned) >= COUNT - 3, [row for row in rows if "error" in row]
    different = [row for row in planned if row["worker"] != row["library"]]
    for row in different:
        worker, library = set(row["worker"]), set(row["library"])
        missing = {line.partition("==")[0] for line in library - worker}
        print(row["model"], row["engine"], *(f"{name}: {DROPPED.get(name)}" for name in sorted(missing)), sep="; ")
        assert (worker - library, missing - DROPPED.keys()) == (set(), set()), row["model"]
    servers = ("xinference==", "xoscar==", "ray==")
    assert [row for row in planned if any(line.startswith(servers) for line in row["worker"])] == []
