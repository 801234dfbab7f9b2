"""The planner: search for a resolution that breaks nothing, refuse what hurts the protected, explain the rest."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from msgspec.structs import replace
from packaging.utils import NormalizedName

from venvkit.errors import NoSolutionError
from venvkit.events import Warned
from venvkit.plan.bounds import Bound
from venvkit.plan.closure import Walk, closure
from venvkit.plan.hide import hidden_distributions
from venvkit.plan.orphans import orphans
from venvkit.plan.problem import Problem
from venvkit.plan.repair import unreasonable_repairs
from venvkit.plan.resolver import Resolver
from venvkit.plan.search import Answer, Search
from venvkit.plan.values import (
    Absent,
    Description,
    Held,
    Hidden,
    Inherited,
    Installed,
    Pin,
    Plan,
    Relaxed,
    Repaired,
    Shadow,
    Violation,
)
from venvkit.plan.view import Member, View, overlay
from venvkit.spec.language.requires import parse_requires, required_name, satisfied


def make_plan(problem: Problem, resolver: Resolver) -> Plan:
    """Decide what to install so that the request holds and nothing that was whole on the host is broken.

    The same problem and the same answers of the resolver give the same plan, whatever the order of the input.

    Raises:
        NoSolutionError: The request has no solution, or only one that breaks a protected distribution.
        SourceError: A source cannot be reached or refused the request.
    """
    search = Search(problem, resolver)
    answer, described = _searched(search, resolver)
    asked = closure(answer.view, search.asked(), search.rules, problem.host)
    repairs = closure(answer.view, search.repaired(answer).values(), search.rules, problem.host)
    walk = Walk(
        {**repairs.reasons, **asked.reasons},
        tuple(dict.fromkeys((*asked.violations, *repairs.violations))),
        asked.decided | (repairs.decided - asked.reasons.keys()),
    )
    _refuse_protected(search, answer, walk)
    return _plan(search, answer, described, walk, asked.reasons)


def _searched(search: Search, resolver: Resolver) -> tuple[Answer, Mapping[NormalizedName, Description]]:
    """Search, and look at what the answer installs: what has no wheel, and what repairs bring with them."""
    answer = search.run()
    described = resolver.describe(answer.pins) if answer.pins else {}
    untied: frozenset[NormalizedName] = frozenset()
    while idle := _idle_ties(search, answer, described) - untied:
        untied |= idle
        answer = search.without_ties(idle)
        described = resolver.describe(answer.pins) if answer.pins else {}
    built = frozenset(pin.name for pin in answer.pins if described[pin.name].builds and not pin.url)
    better = search.without_builds(built)
    if better is not None:
        search.tell_older(answer.pins, better.pins, built)
        answer, described = better, resolver.describe(better.pins) if better.pins else {}
    answer = _described(search, answer, described)
    while (found := search.without_misfits(answer, described)) is not None:
        described = resolver.describe(found.pins) if found.pins else {}
        answer = _described(search, found, described)
    while unreasonable := unreasonable_repairs(
        search.problem,
        search.asked(),
        search.repaired(answer),
        answer.view,
        described,
        search.rules,
        search.decisions.rebuilt,
    ):
        answer = search.without_repairs(unreasonable)
        described = resolver.describe(answer.pins) if answer.pins else {}
        answer = _described(search, answer, described)
    return _with_host_extras(search, resolver, answer, described)


def _idle_ties(
    search: Search, answer: Answer, described: Mapping[NormalizedName, Description]
) -> frozenset[NormalizedName]:
    """Return the names that the question requires only to take them from a line, and that nothing else requires."""
    if not search.decisions.tied or any(item.requires is None for item in described.values()):
        return frozenset()
    view = _described(search, answer, described).view
    reached = closure(view, [*search.asked(), *search.repaired(answer).values()], search.rules).reasons
    return search.decisions.tied - reached.keys()


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


def _plan(
    search: Search,
    answer: Answer,
    described: Mapping[NormalizedName, Description],
    walk: Walk,
    asked: Mapping[NormalizedName, tuple[str, ...]],
) -> Plan:
    """Return the plan of an answer.

    Args:
        walk: What the request and the repairs reach; `asked` what the request alone reaches.
    """
    problem, decisions, view = search.problem, search.decisions, answer.view
    host = problem.host
    chosen = {pin.name for pin in answer.pins}
    serving = closure(view, problem.served, search.rules)
    hidden = _hidden(search, answer, asked.keys(), serving.reasons.keys())
    unseen = {item.name for item in hidden}
    if unseen:
        serving = closure({name: view[name] for name in view if name not in unseen}, problem.served, search.rules)
    served = serving.reasons
    return Plan(
        install=tuple(
            Installed(
                pin.name, pin.version, pin.url, _reason(pin, search, answer, described, walk), described[pin.name]
            )
            for pin in answer.pins
        ),
        inherit=tuple(
            Inherited(name, view[name].version, chain)
            for name, chain in sorted({**served, **asked}.items())
            if name not in chosen
        ),
        shadow=tuple(Shadow(pin.name, host[pin.name].version, pin.version) for pin in answer.pins if pin.name in host),
        held=_held(search, answer, chosen, unseen),
        repaired=_repaired(search, answer, asked.keys()),
        broken=_broken(answer, walk, serving, unseen),
        relaxed=_relaxed(search, answer, chosen),
        absent=tuple(
            Absent(root.line, decisions.absent[root].reason) for root in problem.roots if root in decisions.absent
        ),
        hidden=hidden,
        lines=tuple(sorted(decisions.tied & chosen)),
        warnings=tuple(_notices(search, answer, (served.keys() | asked.keys()) - chosen)),
        resolves=search.resolves,
    )


def _repaired(search: Search, answer: Answer, asked: AbstractSet[NormalizedName]) -> tuple[Repaired, ...]:
    host, view, repairs = search.problem.host, answer.view, search.decisions.repairs
    return tuple(
        Repaired(name, host[name].version, view[name].version, str(_collided(repairs[name], view)))
        for name in sorted(search.repaired(answer))
        if name not in asked
    )


def _relaxed(search: Search, answer: Answer, chosen: set[NormalizedName]) -> tuple[Relaxed, ...]:
    host = search.problem.host
    return tuple(
        Relaxed(root.line, host[root.name].version, answer.view[root.name].version)
        for root in search.problem.roots
        if root.wish and root.name in search.decisions.wishes and root.name in chosen and root.name in host
    )


def _broken(answer: Answer, walk: Walk, serving: Walk, unseen: set[NormalizedName]) -> tuple[Violation, ...]:
    """Return what does not hold among what the child sees; of the runtime, what is missed because it is hidden."""
    missed = (item for item in serving.violations if required_name(item.requirement) in unseen)
    found = dict.fromkeys((*walk.violations, *answer.orphans, *missed))
    return tuple(item for item in found if Bound.of(item, binary=False).owner not in unseen)


def _hidden(
    search: Search, answer: Answer, asked: AbstractSet[NormalizedName], served: AbstractSet[NormalizedName]
) -> tuple[Hidden, ...]:
    """Return what the child does not see; `asked` is what the request reaches, `served` what the runtime does."""
    problem = search.problem
    protected = [("protected", str(name)) for name in sorted(problem.protect)]
    guarded = closure(answer.view, protected, search.rules).reasons
    return hidden_distributions(
        problem,
        search.required,
        answer.view,
        asked | guarded.keys(),
        asked | guarded.keys() | served,
        answer.orphans,
        search.decisions.unrepaired,
        search.rules,
    )


def _reason(
    pin: Pin, search: Search, answer: Answer, described: Mapping[NormalizedName, Description], walk: Walk
) -> tuple[str, ...]:
    """Return why a distribution is installed: the chain of requirements that decided."""
    chain = walk.reasons.get(pin.name)
    if chain is not None:
        bounds = () if pin.name in walk.decided else search.decisions.repairs.get(pin.name, ())
        return (*chain, f"{_collided(bounds, answer.view)} on the host") if bounds else chain
    opaque = ", ".join(str(one) for one in answer.pins if described[one.name].requires is None)
    if opaque:
        return (f"required by {opaque}, whose metadata cannot be read before the build",)
    return ("chosen by the resolver: no requirement that was read asks for it",)


def _notices(search: Search, answer: Answer, inherited: AbstractSet[NormalizedName]) -> Iterator[Warned]:
    """Yield the warnings of a plan: of its search, of the runtime that it replaces, of what does not fit the host."""
    problem = search.problem
    yield from (*search.notices, *search.line_notices(answer))
    for pin in answer.pins:
        if pin.name in problem.runtime and pin.name in problem.host:
            message = (
                f"the request replaces {problem.host[pin.name].label}, which the model's process runs on, by {pin}"
            )
            yield Warned("runtime-replaced", message)
    for name in sorted(problem.unfit.keys() & inherited):
        yield Warned("host-unfit", f"the environment inherits {problem.host[name].label}: {problem.unfit[name]}")


def _held(search: Search, answer: Answer, chosen: set[NormalizedName], unseen: set[NormalizedName]) -> tuple[Held, ...]:
    """Return the bounds that decided something: upper limits on names that the plan installs."""
    if not chosen:
        return ()
    broken = {(item.distribution, item.requirement) for item in answer.orphans}
    kept = (bound for bounds in search.decisions.repairs.values() for bound in bounds)
    told = {bound for bound in itertools.chain(search.decisions.bounds, kept) if bound.target in chosen}
    return tuple(
        Held(bound.label, bound.requirement)
        for bound in sorted(told, key=lambda bound: (bound.label, bound.requirement))
        if bound.owner not in chosen | unseen and bound.limits and (bound.label, bound.requirement) not in broken
    )


def _collided(bounds: Sequence[Bound], view: View) -> Bound:
    """Return the first bound of a repaired distribution that its host copy would break, else the first."""
    for bound in bounds:
        member, parsed = view.get(bound.target), parse_requires(bound.requirement)
        if member is None or (parsed is not None and not satisfied(parsed, member.version)):
            return bound
    return bounds[0]
