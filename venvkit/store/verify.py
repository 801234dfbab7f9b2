"""The last proof, on the real thing: what was installed is what was planned, holds, and is what the child imports."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.utils import NormalizedName

from venvkit.backend.process import Runner
from venvkit.errors import ProofError
from venvkit.host.contents import import_names
from venvkit.host.distribution import Distribution, scan
from venvkit.plan.problem import Problem
from venvkit.plan.values import Plan, Violation
from venvkit.plan.view import Member, Rules, View, closure, orphans, overlay

# Finds without importing: for each name, where a top-level module would come from.
_FIND = """\
import importlib.util, json, sys
found = {}
for name in json.loads(sys.argv[1]):
    try:
        spec = importlib.util.find_spec(name)
    except Exception:
        spec = None
    places = list(spec.submodule_search_locations or []) if spec else []
    found[name] = (spec.origin if spec and spec.has_location else None) or (places[0] if places else None)
sys.stdout.write(json.dumps(found))
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


def members(distributions: Iterable[Distribution], *, inherited: bool) -> dict[NormalizedName, Member]:
    """Return distributions as members of a view."""
    return {
        item.name: Member(
            item.name,
            item.version,
            item.requires,
            inherited=inherited,
            compiled=any(not tag.endswith("-none-any") for tag in item.tags),
        )
        for item in distributions
    }


def prove_view(installed: View, problem: Problem, roots: Iterable[tuple[str, str]]) -> tuple[Violation, ...]:
    """Return every requirement that does not hold with `installed` in front of the problem's host."""
    rules = Rules.of(problem.environment, problem.overrides, problem.excludes)
    view = overlay(problem.host, installed.values())
    return (
        *closure(view, roots, rules).violations,
        *orphans(problem.host, view, rules),
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


def verify_child(
    python: Path,
    installed: Iterable[Distribution],
    shadowed: Iterable[str],
    imports: Iterable[str],
    runner: Runner,
) -> None:
    """Ask the child where it finds each shadowing package, and try the imports that the request wants tried.

    Raises:
        ProofError: The child would import another copy (`shadow-hidden`), or an import fails (`import-failed`).
    """
    hidden = set(shadowed)
    owners = {name: item for item in installed if item.name in hidden for name in import_names(item)}
    prefix = str(python.parent.parent)
    for name, origin in _origins(python, sorted(owners), runner).items():
        owner = owners[name]
        if owner.editable or origin is None or origin.startswith(prefix + "/"):
            continue
        raise ProofError(
            f"the child would import {name} from the host, not {owner.name}=={owner.version}",
            code="shadow-hidden",
            where=origin,
            remedy="a host start-up file puts a finder in front of sys.path; remove it, or exclude the package",
        )
    for module in imports:
        done = runner.run([str(python), "-c", _IMPORT, module], cwd=_NEUTRAL_CWD)
        if done.status != 0:
            raise ProofError(
                f"import {module} fails in the environment",
                code="import-failed",
                details=done.tail(),
                remedy="its last line says why; pin a version that imports, or take the module out of `verify`",
            )


def _origins(python: Path, names: list[str], runner: Runner) -> Mapping[str, str | None]:
    if not names:
        return {}
    done = runner.run([str(python), "-c", _FIND, json.dumps(names)], cwd=_NEUTRAL_CWD)
    if done.status != 0:
        raise ProofError("the environment's interpreter does not start", code="child-broken", details=done.tail())
    origins: dict[str, str | None] = json.loads(done.stdout.splitlines()[-1])
    return origins
