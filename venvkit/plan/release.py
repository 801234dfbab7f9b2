"""Release: which decisions give way to a conflict, in which order. Pure.

The resolver reports one conflict at a time. Where its requirements can be read, exactly what collides is released:
a wish before the bounds beside it, since a bound that gives way moves more than one distribution. Else only what it
mentions is released: first bounds whose owners may be repaired, then wishes, then optional requirements, then repairs,
then the other bounds. Where a conflict mentions nothing of these, all of them are released at once; the bounds of
protected distributions are released last of all.
The versions of the runtime are never released, unless the request names them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace
from packaging.utils import NormalizedName

from venvkit.plan.bounds import Bound, by_owner, disjoint, order
from venvkit.plan.decisions import Conflict, Decisions
from venvkit.plan.orphans import HostRequirements
from venvkit.plan.problem import Problem, Root
from venvkit.plan.question import weight
from venvkit.plan.resolver import Unsolvable


def release(problem: Problem, now: Decisions, error: Unsolvable, required: HostRequirements) -> Decisions | None:
    """Return decisions without something that the conflict speaks of; None when nothing is left to release."""
    conflict = Conflict(error.mentions, "\n".join(error.details), now.step)
    mentioned = error.mentions
    found = (
        _collided(problem, now, conflict, error.asks, required)
        or _bounds(problem, now, mentioned)
        or _wish(problem, now, conflict, required)
        or _optional(problem, now, conflict)
        or _repairs(now, conflict)
        or _report(now, conflict, [item for item in _reportable(problem, now) if item.target in mentioned])
        or _everything(problem, now, conflict)
        or _protected(problem, now, conflict)
    )
    return replace(found, step=now.step + 1) if found is not None else None


def repairable(problem: Problem, now: Decisions) -> list[Bound]:
    """Return the held bounds that may be released, because their owners may be repaired."""
    if "repair" not in problem.orphans:
        return []
    fixed = problem.shielded | now.unrepaired.keys()
    return [item for item in now.bounds if item.owner not in fixed and item not in now.reported]


def release_bounds(problem: Problem, now: Decisions, bounds: Collection[Bound]) -> Decisions | None:
    """Release bounds and require their owners instead; None when none of them may be released.

    Where an owner keeps its version its metadata implies its bounds, and where it moves they are moot.
    """
    free = set(repairable(problem, now))
    chosen = by_owner(item for item in bounds if item in free)
    if not chosen:
        return None
    gone = {item for lost in chosen.values() for item in lost}
    binary = {
        name
        for name, lost in chosen.items()
        if any(item.binary and any(map(item.contradicts, problem.roots)) for item in lost)
    }
    repairs = {name: order({*now.repairs.get(name, ()), *lost}) for name, lost in chosen.items()}
    kept = [item for item in now.bounds if item not in gone and (item.binary or item.owner not in chosen)]
    return replace(now, bounds=tuple(kept), repairs={**now.repairs, **repairs}, rebuilt=now.rebuilt | binary)


def stands(now: Decisions, conflict: Conflict, name: NormalizedName) -> bool:
    """Tell whether a conflict still prevents `name`: nothing else in it was released with it or after it."""
    others = {other for other, step in _released(now) if step >= conflict.step and other != name}
    return bool(conflict.mentions) and not others & conflict.mentions


def _released(now: Decisions) -> Iterator[tuple[NormalizedName, int]]:
    yield from ((name, item.step) for name, item in now.wishes.items())
    yield from ((root.name, item.step) for root, item in now.absent.items())
    for bound, item in now.reported.items():
        yield bound.owner, item.step
        yield bound.target, item.step


def _bounds(problem: Problem, now: Decisions, mentioned: Collection[NormalizedName]) -> Decisions | None:
    """Release every bound of metadata when the conflict speaks of one, and the rules that it speaks of.

    Owners move in chains: releasing one after another costs a resolve each. The resolver keeps the host's version of
    an owner where it can.
    """
    free = repairable(problem, now)
    loose = [item for item in free if item.target in mentioned]
    if not loose:
        return None
    wide = [item for item in free if not item.binary] if any(not item.binary for item in loose) else []
    found = release_bounds(problem, now, [*loose, *wide])
    return replace(found, refuted=now.refuted | set(loose)) if found else None


def _collided(
    problem: Problem,
    now: Decisions,
    conflict: Conflict,
    asks: Sequence[tuple[NormalizedName, str]],
    required: HostRequirements,
) -> Decisions | None:
    """Release exactly what a conflict shows to collide: a held bound, or a wish, and a requirement of its name."""
    told: dict[NormalizedName, list[str]] = {}
    for name, specifier in asks:
        told.setdefault(name, []).append(specifier)
    lost = [bound for bound in now.bounds if _is_ruled_out(bound.specifier, told.get(bound.target, ()))]
    if (wish := _wish_in(problem, now, told, required)) is not None:
        # What else pins it goes with it; the other bounds that collide may have done so for its sake.
        without = replace(now, wishes={**now.wishes, wish: conflict})
        return release_bounds(problem, without, [bound for bound in lost if bound.target == wish]) or without
    if not lost:
        return None
    free = set(repairable(problem, now))
    fixed = [bound for bound in lost if bound not in free and bound in _reportable(problem, now)]
    # A repair that asks too much gives way before what cannot be repaired.
    if not fixed or conflict.mentions & now.repairs.keys():
        return None
    less = _report(now, conflict, fixed)
    assert less is not None
    owned = [bound for bound in lost if bound in free]
    less = release_bounds(problem, less, owned) or less
    # Where nothing else that is held has a part in the conflict, no other solution holds these.
    targets = {bound.target for bound in lost}
    others = (bound for bound in now.bounds if bound.target in told and bound.target not in targets)
    alone = not any(_has_part(bound, told[bound.target]) for bound in others)
    return replace(less, refuted=less.refuted | set(lost), tried=less.tried | set(fixed) if alone else less.tried)


def _wish_in(
    problem: Problem, now: Decisions, told: Mapping[NormalizedName, Collection[str]], required: HostRequirements
) -> NormalizedName | None:
    """Return the wish whose version a conflict rules out; of several, the one that moves least with it."""
    pins = {root.name: f"=={root.line.rpartition('==')[2]}" for root in problem.roots if root.name in _wishes(problem)}
    left = pins.keys() - now.wishes.keys()
    hit = [name for name in left if pins[name] in told.get(name, ()) and _is_ruled_out(pins[name], told[name])]
    return max(hit, key=lambda name: weight(name, required), default=None)


def _is_ruled_out(specifier: str, asked: Iterable[str]) -> bool:
    return bool(specifier) and any(disjoint(specifier, other) for other in asked)


def _has_part(bound: Bound, asked: Iterable[str]) -> bool:
    """Tell whether a clause of a bound is in the text of a conflict."""
    clauses = {str(clause) for clause in bound.specifier.split(",")}
    return any(clauses & set(text.split(",")) for text in asked)


def _wish(problem: Problem, now: Decisions, conflict: Conflict, required: HostRequirements) -> Decisions | None:
    left = [name for name in _wishes(problem) - now.wishes.keys() if name in conflict.mentions]
    if not left:
        return None
    lightest = max(left, key=lambda name: weight(name, required))
    return replace(now, wishes={**now.wishes, lightest: conflict})


def _optional(problem: Problem, now: Decisions, conflict: Conflict) -> Decisions | None:
    left = [root for root in _left_optional(problem, now) if root.name in conflict.mentions]
    if not left:
        return None
    return replace(now, absent={**now.absent, max(left, key=lambda root: (root.name, root.line)): conflict})


def _repairs(now: Decisions, conflict: Conflict) -> Decisions | None:
    """End the repairs that a conflict speaks of: their bounds are held again where they can be, else reported."""
    lost = {name: bounds for name, bounds in now.repairs.items() if name in conflict.mentions}
    if not lost:
        return None
    # A distribution that was released only beside others: all of its kind are held again.
    if any(not now.refuted.intersection(bounds) for bounds in lost.values()):
        lost = {name: bounds for name, bounds in now.repairs.items() if not now.refuted.intersection(bounds)} | lost
    gone = {item for bounds in lost.values() for item in bounds}
    return replace(
        now,
        bounds=order({*now.bounds, *(gone - now.refuted)}),
        repairs={name: bounds for name, bounds in now.repairs.items() if name not in lost},
        rebuilt=now.rebuilt - lost.keys(),
        reported={**now.reported, **dict.fromkeys(order(gone), conflict)},
    )


def _report(now: Decisions, conflict: Conflict, lost: Collection[Bound]) -> Decisions | None:
    if not lost:
        return None
    kept = tuple(item for item in now.bounds if item not in set(lost))
    return replace(now, bounds=kept, reported={**now.reported, **dict.fromkeys(lost, conflict)})


def _everything(problem: Problem, now: Decisions, conflict: Conflict) -> Decisions | None:
    """Release all but the bounds of protected distributions: the resolver's reason names nothing that helps."""
    lost = _reportable(problem, now)
    repaired = [item for bounds in now.repairs.values() for item in bounds]
    wishes, optional = _wishes(problem) - now.wishes.keys(), _left_optional(problem, now)
    if not (lost or repaired or wishes or optional):
        return None
    return replace(
        now,
        bounds=tuple(item for item in now.bounds if item not in set(lost)),
        repairs={},
        rebuilt=frozenset(),
        wishes={**now.wishes, **dict.fromkeys(sorted(wishes), conflict)},
        absent={**now.absent, **dict.fromkeys(optional, conflict)},
        reported={**now.reported, **dict.fromkeys((*lost, *repaired), conflict)},
    )


def _protected(problem: Problem, now: Decisions, conflict: Conflict) -> Decisions | None:
    held = [item for item in now.bounds if item.owner in problem.protect]
    return _report(now, conflict, [item for item in held if item.target in conflict.mentions] or held)


def _reportable(problem: Problem, now: Decisions) -> list[Bound]:
    """Return the held bounds that may be broken: not those of what is protected, nor the runtime's versions."""
    runtime = problem.kept - {root.name for root in problem.roots}
    return [
        item
        for item in now.bounds
        if item.owner not in problem.protect and not (item.owner == item.target and item.owner in runtime)
    ]


def _wishes(problem: Problem) -> set[NormalizedName]:
    return {root.name for root in problem.roots if root.wish and root.line != root.released}


def _left_optional(problem: Problem, now: Decisions) -> list[Root]:
    return [root for root in problem.roots if root.optional and root not in now.absent]
