"""What the search has decided so far, as a frozen value: what is held, released, repaired, left out and reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct
from packaging.utils import NormalizedName

from venvkit.plan.bounds import Bound, order
from venvkit.plan.orphans import HostRequirements
from venvkit.plan.problem import Problem, Root
from venvkit.plan.view import Rules
from venvkit.spec.language.requires import parse_requires, satisfied


class Conflict(Struct, frozen=True):
    """Why something was released: the names that the resolver's reason speaks of, the reason, and when."""

    mentions: frozenset[NormalizedName]
    reason: str
    step: int


class Decisions(Struct, frozen=True):
    """The state of a search.

    Args:
        bounds: The host's requirements that are held: constraints of the question.
        repairs: Host distributions that the question requires, with the bounds that were released for it.
        rebuilt: Those of `repairs` whose host version is no candidate: its fault is not in its metadata.
        wishes: Wishes that are released to their bare names.
        absent: Optional requirements that are left out.
        reported: Bounds that are neither held nor repaired.
        refuted: Bounds that cannot be held: a conflict spoke of them.
        wheels: Names of which only wheels are taken.
        tried: Bounds that were taken up again after an answer broke them; never attempted twice.
        extras: Shadowed distributions whose extras the question requires, because the host asks for these extras.
        step: The number of conflicts so far.
    """

    bounds: tuple[Bound, ...] = ()
    repairs: Mapping[NormalizedName, tuple[Bound, ...]] = {}
    rebuilt: frozenset[NormalizedName] = frozenset()
    wishes: Mapping[NormalizedName, Conflict] = {}
    absent: Mapping[Root, Conflict] = {}
    reported: Mapping[Bound, Conflict] = {}
    refuted: frozenset[Bound] = frozenset()
    wheels: frozenset[NormalizedName] = frozenset()
    tried: frozenset[Bound] = frozenset()
    extras: frozenset[NormalizedName] = frozenset()
    step: int = 0


def first_decisions(problem: Problem, rules: Rules, required: HostRequirements) -> Decisions:
    """Return the decisions that a search starts from: every bound that the request leaves in force is held.

    With `report` only those of protected distributions are.
    """
    if problem.orphans == "report" and not problem.protect:
        return Decisions()
    found = host_bounds(problem, rules, required)
    if problem.orphans == "report":
        found = tuple(item for item in found if item.owner in problem.protect)
    return Decisions(found)


def host_bounds(problem: Problem, rules: Rules, required: HostRequirements) -> tuple[Bound, ...]:
    """Return every bound that holds on the host now and that the request leaves in force, in order."""
    moving = {root.name for root in problem.roots if _must_move(root, problem)} - problem.protect
    # Overridden and excluded names are bounded no longer.
    changed = rules.overrides.keys() | rules.excludes
    kept = tuple(_kept(problem))
    if not (moving or changed or kept):
        return required.bounds
    found = (
        item for item in required.bounds if item.owner not in moving and (item.binary or item.target not in changed)
    )
    return order({*found, *kept}) if kept else tuple(found)


def _kept(problem: Problem) -> Iterator[Bound]:
    """Yield the version of each protected distribution as a bound of its own."""
    for name in problem.protect & problem.host.keys():
        member = problem.host[name]
        yield Bound(name, member.label, f"{name}=={member.version}", name, f"=={member.version}")


def _must_move(root: Root, problem: Problem) -> bool:
    """Tell whether the request itself puts another copy in front of the host's, whose requirements then are moot."""
    member, parsed = problem.host.get(root.name), parse_requires(root.line)
    if member is None or parsed is None or parsed.url:
        return True
    return root.name in problem.hidden or (not root.wish and not satisfied(parsed, member.version))
