"""The last proof, on the real thing: what was installed is what was planned, holds, and is what the child imports."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from venvkit.base.background import Beside
from venvkit.base.process import Runner
from venvkit.errors import ProofError
from venvkit.formats.pointer import POINTER
from venvkit.host.contents import import_names
from venvkit.host.distribution import Distribution, scan
from venvkit.plan.ground import ground_of, orphans
from venvkit.plan.members import members
from venvkit.plan.problem import Problem
from venvkit.plan.values import Plan, Violation
from venvkit.plan.view import Rules, View, closure, overlay

# Finds without importing: for each name, where a top-level module would come from.
_FIND = """\
import importlib, importlib.util, json, sys
names = json.loads(sys.stdin.read() or "[]")
importlib.invalidate_caches()
found = {}
for name in names:
    try:
        spec = importlib.util.find_spec(name)
    except Exception:
        spec = None
    places = list(spec.submodule_search_locations or []) if spec else []
    found[name] = (spec.origin if spec and spec.has_location else None) or (places[0] if places else None)
sys.stdout.write("\\n" + json.dumps(found))
"""
# `module` or `module:attribute`.
_IMPORT = """\
import functools, importlib, sys
module, _, attribute = sys.argv[1].partition(":")
found = importlib.import_module(module)
functools.reduce(getattr, attribute.split("."), found) if attribute else None
"""
# With `-c` the working directory is on sys.path: what lies there is no part of the environment.
_NEUTRAL_CWD = "/"
# Modules that the start of an interpreter imports, where there are any.
_STARTUP = frozenset(f"{name}{end}" for name in ("sitecustomize", "usercustomize") for end in ("", ".py", ".pyc"))
# An interpreter that was started ahead waits for the whole install.
_PATIENCE_S = 600.0


def prove_view(installed: View, problem: Problem, roots: Iterable[tuple[str, str]]) -> tuple[Violation, ...]:
    """Return every requirement that does not hold with `installed` in front of the problem's host."""
    rules = Rules.of(problem.environment, problem.overrides, problem.excludes)
    view = overlay(problem.host, installed.values())
    return (
        *closure(view, roots, rules).violations,
        *orphans(ground_of(problem.host, problem.environment, problem.families), view, rules),
    )


def prove_installed(
    site_packages: Path, plan: Plan, problem: Problem, roots: Iterable[tuple[str, str]]
) -> tuple[Distribution, ...]:
    """Check what an installer left against the plan, by its real metadata.

    Raises:
        ProofError: Something is missing or of another version (`install-differs`), or a requirement does not hold
            that the plan did not report (`proof-failed`).
    """
    installed, _ = scan([str(site_packages)])
    found = {str(item.name): item.version for item in installed}
    wanted = {str(item.name): item.version or found.get(item.name, "") for item in plan.install}
    if found != wanted:
        odd = sorted(set(found.items()) ^ set(wanted.items()))
        raise ProofError(
            "what was installed is not what was planned",
            code="install-differs",
            where=str(site_packages),
            details=tuple(f"{name}=={version}" for name, version in odd),
        )
    now = prove_view(members(installed, inherited=False), problem, roots)
    fresh = [item for item in now if item not in plan.broken]
    if fresh:
        raise ProofError(
            "the environment is not consistent, though its plan was",
            where=str(site_packages),
            details=tuple(map(str, fresh)),
            remedy="the metadata of an installed distribution differs from what its source announced",
        )
    return installed


class Finder:
    """The environment's interpreter, which tells where it finds modules.

    It is started while the distributions are still put in place, since that takes as long as all of its answer: what it
    sees is settled at its start, but for what `starts_otherwise` looks for.
    """

    def __init__(self, python: Path, runner: Runner) -> None:
        self._read, self._write = os.pipe()
        argv, patience = [str(python), "-c", _FIND], runner.timeout + _PATIENCE_S
        self._running = Beside(lambda: runner.run(argv, cwd=_NEUTRAL_CWD, stdin=self._read, timeout=patience))

    def ask(self, names: Iterable[str]) -> None:
        """Tell it what to look for."""
        os.write(self._write, json.dumps(sorted(names)).encode())
        self._hang_up()

    def origins(self) -> Mapping[str, str | None]:
        """Return where each name would come from; None for what has no place.

        Raises:
            ProofError: It does not start (`child-broken`).
        """
        done = self._running.result()
        if done.status != 0:
            raise ProofError("the environment's interpreter does not start", code="child-broken", details=done.tail())
        found: dict[str, str | None] = json.loads(done.stdout.splitlines()[-1])
        return found

    def close(self) -> None:
        """End it, asked or not."""
        self._hang_up()
        self._running.wait()
        if self._read >= 0:
            os.close(self._read)
            self._read = -1

    def _hang_up(self) -> None:
        if self._write >= 0:
            os.close(self._write)
            self._write = -1


def starts_otherwise(site_packages: Path) -> bool:
    """Tell whether something was installed that an interpreter reads at its start: then it must be started anew."""
    names = set(os.listdir(site_packages))  # noqa: PTH208
    return any(name.endswith(".pth") and name != POINTER for name in names) or bool(names & _STARTUP)


def expected_names(installed: Iterable[Distribution], shadowed: Iterable[str]) -> dict[str, Distribution]:
    """Return the top-level names that the child must find in the distributions that shadow the host's."""
    hidden = set(shadowed)
    return {name: item for item in installed if item.name in hidden for name in import_names(item)}


def verify_origins(owners: Mapping[str, Distribution], origins: Mapping[str, str | None], prefix: str) -> None:
    """Hold where the child finds modules against whose they are.

    Raises:
        ProofError: The child would import another copy (`shadow-hidden`).
    """
    for name, origin in origins.items():
        owner = owners[name]
        if owner.editable or origin is None or origin.startswith(f"{prefix}/"):
            continue
        raise ProofError(
            f"the child would import {name} from the host, not {owner.name}=={owner.version}",
            code="shadow-hidden",
            where=origin,
            remedy="a host start-up file puts a finder in front of sys.path; remove it, or exclude the package",
        )


def verify_imports(python: Path, imports: Iterable[str], runner: Runner) -> None:
    """Try the imports that the request wants tried.

    Raises:
        ProofError: One fails (`import-failed`).
    """
    for module in imports:
        done = runner.run([str(python), "-c", _IMPORT, module], cwd=_NEUTRAL_CWD)
        if done.status != 0:
            raise ProofError(
                f"import {module} fails in the environment",
                code="import-failed",
                details=done.tail(),
                remedy="its last line says why; pin a version that imports, or take the module out of `verify`",
            )
