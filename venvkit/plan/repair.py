"""Repair: what an answer broke is held, else repaired, else reported; and which repairs cost too much. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec.structs import replace
from packaging.utils import NormalizedName

from venvkit.plan.bounds import Bound, order
from venvkit.plan.closure import closure
from venvkit.plan.decisions import Conflict, Decisions
from venvkit.plan.problem import Problem
from venvkit.plan.values import Description, Violation
from venvkit.plan.view import Rules, View

Claims = Sequence[tuple[str, str]]


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
    if "repair" not in problem.orphans:
        return None
    fixed = problem.shielded | now.unrepaired.keys()
    repairs, rebuilt = dict(now.repairs), set(now.rebuilt)
    for bound in bounds:
        name = bound.owner
        host = problem.host.get(name)
        if name in fixed or host is None or view.get(name) is not host:
            continue
        if name not in repairs or (bound.binary and name not in rebuilt):
            repairs[name] = order({*repairs.get(name, ()), bound})
            rebuilt |= {name} if bound.binary else set()
    wanted = replace(now, repairs=repairs, rebuilt=frozenset(rebuilt))
    return wanted if wanted != now else None


def give_up(now: Decisions, reasons: Mapping[NormalizedName, str]) -> Decisions:
    """Return decisions that repair some distributions no more: their bounds are held again where they can be."""
    gone = {bound for name in reasons for bound in now.repairs.get(name, ())}
    refused = Conflict(frozenset(reasons), "; ".join(reasons.values()), now.step)
    return replace(
        now,
        bounds=order({*now.bounds, *(gone - now.refuted)}),
        repairs={name: bounds for name, bounds in now.repairs.items() if name not in reasons},
        rebuilt=now.rebuilt - reasons.keys(),
        reported={**now.reported, **dict.fromkeys(order(gone & now.refuted), refused)},
        unrepaired={**now.unrepaired, **reasons},
        tried=now.tried - gone,
    )


def unreasonable_repairs(
    problem: Problem,
    asked: Claims,
    repairs: Mapping[NormalizedName, tuple[str, str]],
    view: View,
    described: Mapping[NormalizedName, Description],
    rules: Rules,
    rebuilt: Collection[NormalizedName] = (),
) -> dict[NormalizedName, str]:
    """Return the repairs that do more harm than they mend, each with the reason.

    Such a repair builds from source, replaces a build variant (a local version such as `+cu130`) of the host by
    another, or brings more bytes than the budget, with what it alone brings.

    Args:
        asked: The request's claims; what they reach is no repair.
        repairs: The claim of each repaired distribution.
        described: What the plan installs.
        rebuilt: Repairs for what shared objects need, which the same version does not mend.
    """
    reached = closure(view, asked, rules).reasons
    found: dict[NormalizedName, str] = {}
    for name in sorted(repairs.keys() & described.keys() - reached.keys()):
        others = [claim for other, claim in repairs.items() if other != name]
        without = closure(view, [*asked, *others], rules).reasons
        alone = {name, *(closure(view, [repairs[name]], rules).reasons.keys() & described.keys() - without.keys())}
        if name in rebuilt and view[name].version == problem.host[name].version:
            reason = f"there is no other version than the host's {view[name].version}"
        else:
            reason = _harm(alone, problem, view, described)
        if reason:
            found[name] = f"not repaired: {reason}"
    return found


def _harm(
    alone: set[NormalizedName], problem: Problem, view: View, described: Mapping[NormalizedName, Description]
) -> str:
    """Return what speaks against a repair that installs some names; empty where nothing does."""
    for name in sorted(alone):
        label = f"{name}=={view[name].version}"
        if described[name].builds:
            return f"{label} would be built from source"
        host = problem.host.get(name)
        if host is not None and host.version.partition("+")[2] != view[name].version.partition("+")[2]:
            return f"{label} is another build variant than the host's {host.version}"
    size = sum(described[name].size or 0 for name in alone)
    if size > problem.budget:
        return f"it would download {size / 1e6:.0f} MB, of {problem.budget / 1e6:.0f} MB that a repair may"
    return ""


def _is_binary(problem: Problem, item: Violation) -> bool:
    """Tell whether a violation is of a rule on binary interfaces: its owner's metadata does not show it."""
    member = problem.host.get(Bound.of(item, binary=False).owner)
    return member is None or item.requirement not in (member.requires or ())
