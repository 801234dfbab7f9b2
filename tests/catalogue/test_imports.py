"""The oracle of loads: what a distribution lets one import, and which findings explain an import that fails."""

from __future__ import annotations

import os

import pytest

from tests.catalogue.imports import explained, import_modules, modules_of
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse


def test_modules_are_taken_from_the_files_and_imported(host: Host, wheelhouse: Wheelhouse) -> None:
    files = {"good.py": "", "bad/__init__.py": "import nowhere\n", "tests/__init__.py": "", "_own.py": ""}
    wheelhouse.add("tool", "1.0", files={**files, "tool-1.0.dist-info/top_level.txt": "gone\n"})
    host.install("tool")
    modules = modules_of(str(host.python), os.environ, ["tool", "missing"])
    assert modules == {"tool": ["bad", "good"], "missing": None}
    found = import_modules(str(host.python), os.environ, modules)
    assert found == {"tool bad": "ModuleNotFoundError: No module named 'nowhere'", "tool good": ""}


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        ("the environment does not see vision==1.0: it does not fit torch", True),
        ("user==1 requires vision<2, found 3", True),
        ("hidden: tool==1.0", True),
        ("other==1.0 does not fit torch==2", False),
        ("tools==1.0 is hidden", False),
    ],
)
def test_a_finding_has_to_name_what_fails(finding: str, expected: bool) -> None:
    error = "RuntimeError: operator vision::nms does not exist\nModuleNotFoundError: Could not import module 'X'"
    assert explained("tool", error, (finding,), {"vision", "torch", "other"}) is expected
