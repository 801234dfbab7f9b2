"""Hide: host distributions that the plan would break, and that neither the request nor the runtime reaches. Pure.

What does not fit the host itself does not load for the runtime either: it is hidden where the request can do without.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet

from packaging.utils import NormalizedName

from venvkit.plan.bounds import Bound
from venvkit.plan.orphans import HostRequirements
from venvkit.plan.problem import Problem
from venvkit.plan.values import Hidden, Violation
from venvkit.plan.view import Rules, View


def hidden_distributions(
    problem: Problem,
    required: HostRequirements,
    view: View,
    asked: AbstractSet[NormalizedName],
    reached: Collection[NormalizedName],
    orphans: Iterable[Violation],
    unrepaired: Mapping[NormalizedName, str],
    rules: Rules,
) -> tuple[Hidden, ...]:
    """Return what the child does not see: the owners of broken requirements, what is unfit, and what needs these.

    Args:
        asked: What the request and the protected distributions reach in `view`; none of it is hidden.
        reached: This, and what the runtime reaches; of it only what is unfit is hidden.
        orphans: The requirements of host distributions that the view breaks.
        unrepaired: Why a host distribution was not repaired.
    """
    if "hide" not in problem.orphans:
        return ()
    reasons: dict[NormalizedName, str] = {}

    def may_go(name: NormalizedName, needed: Collection[NormalizedName] = reached) -> bool:
        member = problem.host.get(name)
        return member is not None and view.get(name) is member and name not in needed and name not in reasons

    for item in orphans:
        name = Bound.of(item, binary=False).owner
        if may_go(name):
            reasons[name] = f"{item}; {unrepaired[name]}" if name in unrepaired else str(item)
    needed = asked | problem.shielded | problem.runtime
    reasons.update({name: reason for name, reason in problem.unfit.items() if may_go(name, needed)})
    pending = sorted(reasons)
    while pending:
        gone = pending.pop(0)
        if gone in rules.excludes:
            continue  # nobody is taken to require it
        for owner, line, _ in required.holding(gone):
            if may_go(owner.name):
                reasons[owner.name] = f"{owner.label} requires {line}, which is hidden"
                pending.append(owner.name)
    return tuple(Hidden(name, problem.host[name].version, reason) for name, reason in sorted(reasons.items()))
