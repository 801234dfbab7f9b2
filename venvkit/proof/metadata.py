"""The metadata proof: every requirement that the request and the host rely on holds over the view."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path

from packaging.utils import NormalizedName

from venvkit.errors import ProofError
from venvkit.host.distribution import Distribution, scan
from venvkit.plan.bounds import Bound
from venvkit.plan.closure import closure
from venvkit.plan.members import members
from venvkit.plan.orphans import HostRequirements, orphans, requirements_of
from venvkit.plan.problem import Problem
from venvkit.plan.values import Plan, Violation
from venvkit.plan.view import Rules, View, overlay


def violations(
    required: HostRequirements,
    installed: View,
    roots: Iterable[tuple[str, str]],
    rules: Rules,
    hidden: Collection[NormalizedName],
) -> list[Violation]:
    """Return every requirement that does not hold with `installed` in front of the host, without what is hidden."""
    view = overlay(required.host, installed.values())
    seen = {name: member for name, member in view.items() if name not in hidden}
    broken = (item for item in orphans(required, view, rules) if Bound.of(item, binary=False).owner not in hidden)
    return [*closure(seen, roots, rules).violations, *broken]


def _variant(item: Distribution) -> str:
    """Return the label of the wheel variant that an installed distribution came from; empty for none.

    A variant's `variant.json` names its label alone (https://peps.python.org/pep-0825/).
    """
    try:
        variants = json.loads(Path(item.location, "variant.json").read_bytes())["variants"]
        return str(next(iter(variants), ""))
    except (OSError, ValueError, KeyError, TypeError):
        return ""


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
    labels = {(str(item.name), f"{item.version} {label}") for item in installed if (label := _variant(item))}
    expected = {
        (str(item.name), f"{wanted[item.name]} {item.description.variant}")
        for item in plan.install
        if item.description.variant
    }
    if found != wanted or labels != expected:
        odd = sorted((set(found.items()) ^ set(wanted.items())) | (labels ^ expected))
        raise ProofError(
            "what was installed is not what was planned",
            code="install-differs",
            where=str(site_packages),
            details=tuple(f"{name}=={version}" for name, version in odd),
        )
    now = violations(
        requirements_of(problem.host, problem.environment, problem.families),
        members(installed, inherited=False),
        roots,
        Rules.of(problem.environment, problem.overrides, problem.excludes),
        {item.name for item in plan.hidden},
    )
    fresh = [item for item in now if item not in plan.broken]
    if fresh:
        raise ProofError(
            "the environment is not consistent, though its plan was",
            where=str(site_packages),
            details=tuple(map(str, fresh)),
            remedy="the metadata of an installed distribution differs from what its source announced",
        )
    return installed
