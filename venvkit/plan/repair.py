"""Repair: what an answer broke is held, else repaired, else reported. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from venvkit.plan.bounds import Bound, order
from venvkit.plan.decisions import Decisions
from venvkit.plan.problem import Problem
from venvkit.plan.values import Violation
from venvkit.plan.view import View


def broken_bounds(problem: Problem, now: Decisions, orphans: Iterable[Violation]) -> list[Bound]:
    """Return the bounds that an answer broke and that were not taken up before."""
    bounds = (Bound.of(item, binary=_is_binary(problem, item)) for item in orphans)
    return list(order({bound for bound in bounds if bound not in now.tried}))


def hold(now: Decisions, bounds: Iterable[Bound]) -> Decisions | None:
    """Hold bounds; None when all of them are held already."""
    fresh = [bound for bound in bounds if bound not in now.bounds]
    if not fresh:
        return None
    # A rule on a version that another answer chose says nothing any more.
    stale = {(bound.owner, bound.target) for bound in fresh if bound.binary}
    kept = [bound for bound in now.bounds if not (bound.binary and (bound.owner, bound.target) in stale)]
    return replace(now, bounds=(*kept, *fresh))


def repair(problem: Problem, now: Decisions, bounds: Iterable[Bound], view: View) -> Decisions | None:
    """Require the owners of bounds anew, those that `view` inherits; None when none of them may be repaired."""
    if problem.orphans != "hold-repair":
        return None
    repairs, rebuilt = dict(now.repairs), set(now.rebuilt)
    for bound in bounds:
        name = bound.owner
        host = problem.host.get(name)
        if name in problem.protect or host is None or view.get(name) is not host:
            continue
        if name not in repairs or (bound.binary and name not in rebuilt):
            repairs[name] = order({*repairs.get(name, ()), bound})
            rebuilt |= {name} if bound.binary else set()
    wanted = replace(now, repairs=repairs, rebuilt=frozenset(rebuilt))
    return wanted if wanted != now else None


def _is_binary(problem: Problem, item: Violation) -> bool:
    """Tell whether a violation is of a rule on binary interfaces: its owner's metadata does not show it."""
    member = problem.host.get(Bound.of(item, binary=False).owner)
    return member is None or item.requirement not in (member.requires or ())
