"""What the search has decided so far, as a frozen value: what is held, released, repaired, left out and reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct
from packaging.utils import NormalizedName

from venvkit.plan.bounds import Bound, order
from venvkit.plan.orphans import HostRequirements
from venvkit.plan.problem import Problem, Root
from venvkit.plan.view import Rules


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
        unrepaired: Host distributions that are not repaired, each with the reason.
        refused: Constraints that keep away what is known not to load.
        tied: Names that come from the index of the builds that fit the host.
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
    unrepaired: Mapping[NormalizedName, str] = {}
    refused: tuple[str, ...] = ()
    tied: frozenset[NormalizedName] = frozenset()
    extras: frozenset[NormalizedName] = frozenset()
    step: int = 0


def first_decisions(problem: Problem, rules: Rules, required: HostRequirements) -> Decisions:
    """Return the decisions that a search starts from: every bound that the request leaves in force is held.

    With `report` only those of protected distributions are, and the versions of the runtime.
    """
    if problem.orphans != "report":
        return Decisions(host_bounds(problem, rules, required))
    versions = tuple(_versions(problem))
    if not problem.protect:
        return Decisions(order(versions))
    bounds = host_bounds(problem, rules, required)
    return Decisions(order({*versions, *(item for item in bounds if item.owner in problem.protect)}))


def host_bounds(problem: Problem, rules: Rules, required: HostRequirements) -> tuple[Bound, ...]:
    """Return every bound that holds on the host now and that the request leaves in force, in order."""
    moving = {root.name for root in problem.roots if root.name in problem.barred or problem.replaces(root)}
    moving -= problem.protect
    # Overridden and excluded names are bounded no longer.
    changed = rules.overrides.keys() | rules.excludes
    fixed = tuple(_versions(problem))
    if not (moving or changed or fixed):
        return required.shared
    # They stay what they are, so that no metadata in a question implies what they require.
    shielded = problem.shielded
    own = {item for item in required.bounds if item.owner in shielded}
    found = (
        item
        for item in order({*required.shared, *own})
        if item.owner not in moving and (item.binary or item.target not in changed)
    )
    return order({*found, *fixed}) if fixed else tuple(found)


def _versions(problem: Problem) -> Iterator[Bound]:
    """Yield the version of each protected distribution, and of the runtime's, as a bound of its own."""
    for name in problem.shielded & problem.host.keys():
        member = problem.host[name]
        yield Bound(name, member.label, f"{name}=={member.version}", name, f"=={member.version}")
