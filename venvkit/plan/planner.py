"""The planner: search for a resolution that breaks nothing, refuse what hurts the protected, explain the rest."""

from __future__ import annotations

from collections.abc import Mapping

from packaging.utils import NormalizedName

from venvkit.errors import NoSolutionError
from venvkit.plan.problem import Problem
from venvkit.plan.resolver import Resolver
from venvkit.plan.search import Answer, Search, owner, target
from venvkit.plan.values import (
    Absent,
    Description,
    Held,
    Inherited,
    Installed,
    Plan,
    Relaxed,
    Repaired,
    Shadow,
)
from venvkit.plan.view import Member, Walk, closure, overlay


def make_plan(problem: Problem, resolver: Resolver) -> Plan:
    """Decide what to install so that the request holds and nothing that was whole on the host is broken.

    The same problem and the same answers of the resolver give the same plan, whatever the order of the input.

    Raises:
        NoSolutionError: The request has no solution, or only one that breaks a protected distribution.
        SourceError: A source cannot be reached or refused the request.
    """
    search = Search(problem, resolver)
    answer = search.run()
    described = resolver.describe(answer.pins) if answer.pins else {}
    walk = closure(_view(problem, answer, described), search.roots(), search.rules)
    _refuse_protected(search, answer, walk)
    return _plan(search, answer, described, walk)


def _view(
    problem: Problem, answer: Answer, described: Mapping[NormalizedName, Description]
) -> dict[NormalizedName, Member]:
    members = (Member(pin.name, pin.version, described[pin.name].requires, inherited=False) for pin in answer.pins)
    return overlay(problem.host, members)


def _refuse_protected(search: Search, answer: Answer, walk: Walk) -> None:
    """Refuse an answer that breaks what a protected distribution needs; both sides of the collision are told."""
    problem = search.problem
    guarded = sorted(problem.protect & frozenset(problem.host))
    reach = closure(problem.host, [("the server", str(name)) for name in guarded], search.rules).reasons
    hurt = [item for item in answer.orphans if owner(item) in reach]
    if not hurt:
        return
    details = []
    for item in hurt:
        asked = walk.reasons.get(target(item), (f"the resolver chose {target(item)}=={item.found}",))
        details.append(f"the model: {' > '.join(asked)} (gives {target(item)} {item.found})")
        details.append(
            f"the server: {' > '.join((*reach[owner(item)], f'{item.distribution} requires {item.requirement}'))}"
        )
        if reason := search.decisions.given_up.get(item):
            details.append(f"both together: {reason}")
    names = ", ".join(sorted({f"{owner(item)} and {target(item)}" for item in hurt}))
    raise NoSolutionError(
        f"the request and what is protected cannot both hold: {names}",
        code="protected-conflict",
        details=tuple(details),
        remedy="loosen the model's requirement, or take the distribution out of `protect`",
    )


def _plan(search: Search, answer: Answer, described: Mapping[NormalizedName, Description], walk: Walk) -> Plan:
    host, decisions, view = search.problem.host, search.decisions, answer.view
    chosen = {pin.name for pin in answer.pins}
    kept = (item for name, items in decisions.mended.items() if name not in chosen for item in items)
    held = {*decisions.bounds, *kept} - set(answer.orphans)
    opaque = ", ".join(str(pin) for pin in answer.pins if described[pin.name].requires is None)
    unread = (f"required by {opaque or 'the resolution'}, whose metadata cannot be read before the build",)
    return Plan(
        install=tuple(
            Installed(pin.name, pin.version, pin.url, walk.reasons.get(pin.name, unread), described[pin.name])
            for pin in answer.pins
        ),
        inherit=tuple(
            Inherited(name, view[name].version, chain)
            for name, chain in sorted(walk.reasons.items())
            if name not in chosen
        ),
        shadow=tuple(Shadow(pin.name, host[pin.name].version, pin.version) for pin in answer.pins if pin.name in host),
        held=tuple(Held(item.distribution, item.requirement) for item in sorted(held, key=str)),
        repaired=tuple(
            Repaired(name, host[name].version, view[name].version, str(items[0]))
            for name, items in sorted(decisions.mended.items())
            if name in chosen
        ),
        broken=tuple(dict.fromkeys((*walk.violations, *answer.orphans))),
        relaxed=tuple(
            Relaxed(root.line, host[root.name].version, view[root.name].version)
            for root in sorted(search.problem.roots, key=lambda root: root.name)
            if root.wish and root.name in decisions.relaxed and root.name in chosen and root.name in host
        ),
        absent=tuple(
            Absent(root.line, reason)
            for root, reason in sorted(decisions.absent.items(), key=lambda entry: entry[0].name)
        ),
        resolves=decisions.resolves,
    )
