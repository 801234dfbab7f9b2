"""The planner: search for a resolution that breaks nothing, refuse what hurts the protected, explain the rest."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from msgspec.structs import replace
from packaging.utils import NormalizedName

from venvkit.errors import NoSolutionError
from venvkit.plan.bounds import Bound
from venvkit.plan.closure import Walk, closure
from venvkit.plan.orphans import orphans
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
from venvkit.plan.view import Member, View, overlay
from venvkit.spec.language.requires import parse_requires, satisfied


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
    answer, described = _with_host_extras(search, resolver, _described(search, answer, described), described)
    walk = closure(answer.view, search.claims(), search.rules)
    _refuse_protected(search, answer, walk)
    return _plan(search, answer, described, walk)


def _described(search: Search, answer: Answer, described: Mapping[NormalizedName, Description]) -> Answer:
    """Return an answer whose view knows what each pin requires, with all that it breaks on the host."""
    host = search.problem.host
    members = (Member(pin.name, pin.version, described[pin.name].requires, inherited=False) for pin in answer.pins)
    view = overlay(host, members)
    found = orphans(search.required, view, search.rules)
    return replace(answer, view=view, orphans=tuple(dict.fromkeys((*answer.orphans, *found))))


def _with_host_extras(
    search: Search, resolver: Resolver, answer: Answer, described: Mapping[NormalizedName, Description]
) -> tuple[Answer, Mapping[NormalizedName, Description]]:
    """Ask once more where the extras that the host asks of a shadowed distribution lack something.

    Only the description of a pin tells what its extras require.
    """
    chosen = {pin.name for pin in answer.pins}
    broken = {Bound.of(item, binary=False).owner for item in answer.orphans}
    lacking = frozenset(broken & chosen & search.required.extras.keys())
    if not lacking or search.problem.orphans == "report":
        return answer, described
    before = search.decisions
    found = search.with_extras(lacking)
    if found is None:
        return answer, described
    told = resolver.describe(found.pins)
    better = _described(search, found, told)
    if set(better.orphans) <= set(answer.orphans):
        return better, told
    search.decisions = before
    return answer, described


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
    bounds = {item: Bound.of(item, binary=False) for item in (*replaced, *answer.orphans)}
    hurt = {item: bound for item, bound in bounds.items() if bound.owner in reach}
    if not hurt:
        return
    reasons = {(bound.label, bound.requirement): item.reason for bound, item in search.decisions.reported.items()}
    details = []
    for item, bound in hurt.items():
        asked = walk.reasons.get(bound.target, (f"the resolver chose {bound.target}=={item.found}",))
        details.append(f"the model: {' > '.join(asked)} (gives {bound.target} {item.found})")
        chain = (*reach[bound.owner], f"{item.distribution} requires {item.requirement}")
        details.append(f"the host: {' > '.join(chain)}")
        if reason := reasons.get((item.distribution, item.requirement)):
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
        else "chosen by the resolver: no requirement that was read asks for it",
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
            Repaired(name, host[name].version, view[name].version, str(_collided(bounds, view)))
            for name, bounds in sorted(decisions.repairs.items())
            if name in chosen
        ),
        broken=tuple(dict.fromkeys((*walk.violations, *answer.orphans))),
        relaxed=tuple(
            Relaxed(root.line, host[root.name].version, view[root.name].version)
            for root in search.problem.roots
            if root.wish and root.name in decisions.wishes and root.name in chosen and root.name in host
        ),
        absent=tuple(
            Absent(root.line, decisions.absent[root].reason)
            for root in search.problem.roots
            if root in decisions.absent
        ),
        resolves=search.resolves,
    )


def _held(search: Search, answer: Answer, chosen: set[NormalizedName]) -> tuple[Held, ...]:
    """Return the bounds that decided something: upper limits on names that the plan installs."""
    if not chosen:
        return ()
    broken = {(item.distribution, item.requirement) for item in answer.orphans}
    kept = (bound for bounds in search.decisions.repairs.values() for bound in bounds)
    told = {bound for bound in itertools.chain(search.decisions.bounds, kept) if bound.target in chosen}
    return tuple(
        Held(bound.label, bound.requirement)
        for bound in sorted(told, key=lambda bound: (bound.label, bound.requirement))
        if bound.owner not in chosen and bound.limits and (bound.label, bound.requirement) not in broken
    )


def _collided(bounds: Sequence[Bound], view: View) -> Bound:
    """Return the first bound of a repaired distribution that its host copy would break, else the first."""
    for bound in bounds:
        member, parsed = view.get(bound.target), parse_requires(bound.requirement)
        if member is None or (parsed is not None and not satisfied(parsed, member.version)):
            return bound
    return bounds[0]
