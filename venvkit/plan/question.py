"""What the resolver is asked, as it follows from a problem and the decisions so far."""

from __future__ import annotations

from packaging.utils import NormalizedName

from venvkit.plan.bounds import as_constraints
from venvkit.plan.decisions import Decisions
from venvkit.plan.orphans import HostRequirements
from venvkit.plan.problem import Problem, Root
from venvkit.plan.values import Question


def question_of(problem: Problem, decisions: Decisions, required: HostRequirements) -> Question:
    """Return the next question. Its text does not depend on the order of the problem's roots."""
    asked = [root for root in problem.roots if root not in decisions.absent]
    wishes = [root for root in asked if root.wish and root.name in decisions.wishes]
    lines = sorted(root.line for root in asked if root not in wishes)
    bounds = decisions.bounds
    # In this order: of two requirements in conflict, uv gives the earlier one its preferred version.
    first = [root.released for root in sorted(wishes, key=lambda root: (*weight(root.name, required), root.line))]
    named = {*decisions.repairs, *decisions.extras}
    repairs = [with_extras(name, required) for name in sorted(named, key=lambda name: weight(name, required))]
    return Question(
        requirements=tuple(dict.fromkeys((*first, *repairs, *lines, *sorted(decisions.tied)))),
        constraints=(
            *sorted(problem.constraints),
            *sorted(decisions.refused),
            *(required.constraints if bounds is required.shared else as_constraints(bounds)),
        ),
        overrides=tuple(sorted(problem.overrides)),
        excludes=tuple(sorted(problem.excludes)),
        barred=problem.barred | decisions.rebuilt,
        upgrade=problem.upgrade,
        wheels=tuple(sorted(decisions.wheels)),
        tied=tuple((name, problem.lines[name].url) for name in sorted(decisions.tied)),
    )


def claims(problem: Problem, decisions: Decisions) -> list[tuple[str, str]]:
    """Return the request's requirements that must hold in the answer's view, as (origin, line)."""
    return [
        (root.origin, root.line if root.wish and root.name not in decisions.wishes else root.claim)
        for root in sorted(problem.roots, key=_place)
        if root not in decisions.absent
    ]


def repair_claims(decisions: Decisions, required: HostRequirements) -> dict[NormalizedName, tuple[str, str]]:
    """Return the requirement of each repair, as (origin, line)."""
    return {
        name: (f"repair of {bounds[0].label}", with_extras(name, required))
        for name, bounds in sorted(decisions.repairs.items())
    }


def with_extras(name: NormalizedName, required: HostRequirements) -> str:
    """Return a requirement of a host distribution with the extras that other host distributions ask of it."""
    extras = required.extras.get(name)
    return f"{name}[{','.join(sorted(extras))}]" if extras else str(name)


def weight(name: NormalizedName, required: HostRequirements) -> tuple[int, NormalizedName]:
    """Return a sort key: names that much of the host requires (torch, numpy) come first, and are released last."""
    return -required.dependents.get(name, 0), name


def _place(root: Root) -> tuple[str, str, str]:
    return root.name, root.line, root.origin
