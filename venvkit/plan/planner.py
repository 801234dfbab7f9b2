"""The planner: search for a resolution that breaks nothing, refuse what hurts the protected, explain the rest."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from packaging.utils import NormalizedName

from venvkit.errors import NoSolutionError
from venvkit.plan.bounds import Bound
from venvkit.plan.problem import Problem
from venvkit.plan.resolver import Resolver
from venvkit.plan.search import Answer, Search
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
    Violation,
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
    built = frozenset(pin.name for pin in answer.pins if described[pin.name].builds and not pin.url)
    better = search.without_builds(built)
    if better is not None:
        answer, described = better, resolver.describe(better.pins) if better.pins else {}
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
    if not problem.protect:
        return
    guarded = sorted(problem.protect & frozenset(problem.host))
    reach = closure(problem.host, [("protected", str(name)) for name in guarded], search.rules).reasons
    replaced = [
        Violation(problem.host[name].label, f"{name}=={problem.host[name].version}", answer.view[name].version)
        for name in guarded
        if answer.view[name] is not problem.host[name]
    ]
    bounds = {item: Bound.of(item, hidden=False) for item in (*replaced, *answer.orphans)}
    hurt = {item: bound for item, bound in bounds.items() if bound.owner in reach}
    if not hurt:
        return
    given_up = {(bound.label, bound.requirement): reason for bound, reason in search.decisions.given_up.items()}
    details = []
    for item, bound in hurt.items():
        asked = walk.reasons.get(bound.target, (f"the resolver chose {bound.target}=={item.found}",))
        details.append(f"the model: {' > '.join(asked)} (gives {bound.target} {item.found})")
        chain = (*reach[bound.owner], f"{item.distribution} requires {item.requirement}")
        details.append(f"the host: {' > '.join(chain)}")
        if reason := given_up.get((item.distribution, item.requirement)):
            details.append("the resolver on both together:")
            details += [f"  {line.strip()}" for line in reason.splitlines()]
    names = ", ".join(sorted({f"{bound.owner} and {bound.target}" for bound in hurt.values()}))
    raise NoSolutionError(
        f"the request and what is protected cannot both hold: {names}",
        code="protected-conflict",
        details=tuple(details),
        remedy="loosen the model's requirement, or take the distribution out of `protect`",
    )


def _plan(search: Search, answer: Answer, described: Mapping[NormalizedName, Description], walk: Walk) -> Plan:
    host, decisions, view = search.problem.host, search.decisions, answer.view
    chosen = {pin.name for pin in answer.pins}
    opaque = ", ".join(str(pin) for pin in answer.pins if described[pin.name].requires is None)
    unread = (
        f"required by {opaque}, whose metadata cannot be read before the build"
        if opaque
        else "chosen by the resolver, though no requirement that applies names it",
    )
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
        held=_held(search, answer, chosen),
        repaired=tuple(
            Repaired(name, host[name].version, view[name].version, str(bounds[0]))
            for name, bounds in sorted(decisions.mended.items())
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


def _held(search: Search, answer: Answer, chosen: set[NormalizedName]) -> tuple[Held, ...]:
    """The bounds that had a say: an upper limit on something that the plan puts in front of the host's copy."""
    if not chosen:
        return ()
    broken = {(item.distribution, item.requirement) for item in answer.orphans}
    kept = (bound for bounds in search.decisions.mended.values() for bound in bounds)
    told = {bound for bound in itertools.chain(search.decisions.bounds, kept) if bound.target in chosen}
    return tuple(
        Held(bound.label, bound.requirement)
        for bound in sorted(told, key=lambda bound: (bound.label, bound.requirement))
        if bound.owner not in chosen and bound.limits and (bound.label, bound.requirement) not in broken
    )
