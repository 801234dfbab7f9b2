"""The planner: resolve, prove, hold, repair, until nothing that was whole on the host is broken in the child."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from packaging.utils import NormalizedName, canonicalize_name

from venvkit.errors import NoSolutionError
from venvkit.plan.requires import parse_requires
from venvkit.plan.resolver import Resolver, Unsolvable
from venvkit.plan.values import (
    Description,
    Held,
    Inherited,
    Installed,
    Pin,
    Plan,
    Question,
    Relaxed,
    Repaired,
    Shadow,
    Violation,
)
from venvkit.plan.view import Member, Rules, View, closure, host_extras, orphans, overlay

Orphans = Literal["hold-repair", "hold", "report"]
# Each round adds a hold or a repair, so the search ends; on the whole of Xinference's catalogue it takes at most four.
_MAX_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Root:
    """A requirement of the request: its PEP 508 line without a marker, and where it was written.

    `wish` marks a `#system_NAME#` pin, which is kept when a solution exists and dropped to the bare name otherwise;
    `bare` a version control address whose distribution name is only guessed.
    """

    name: NormalizedName
    line: str
    origin: str
    wish: bool = False
    bare: bool = False

    @property
    def relaxed(self) -> str:
        """The line without its pin."""
        return str(self.name)

    @property
    def claim(self) -> str:
        """What must hold in the view: a bare address says nothing that could be compared."""
        return str(self.name) if self.bare or self.wish else self.line


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything a plan follows from, but for the resolver.

    Args:
        roots: The request's requirements.
        host: What the host has, by name; empty when the child does not see it.
        environment: The PEP 508 marker environment of the child.
        inherit: Host distributions may satisfy the request; False installs everything that it reaches.
        orphans: How far to go for host distributions that a shadow would break.
        protect: Names whose reachable requirements may only be held.
    """

    roots: tuple[Root, ...]
    host: View
    environment: Mapping[str, str]
    inherit: bool = True
    orphans: Orphans = "hold-repair"
    protect: frozenset[NormalizedName] = frozenset()
    constraints: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    no_inherit: frozenset[NormalizedName] = frozenset()
    upgrade: bool = False

    @property
    def hidden(self) -> frozenset[NormalizedName]:
        """Host distributions that may not satisfy the request."""
        return self.no_inherit if self.inherit else frozenset(self.host)


@dataclass(slots=True)
class _Search:
    """What the search has decided so far; each field only grows, but for a hold that turns into a repair."""

    relaxed: set[NormalizedName] = field(default_factory=set)
    held: dict[Violation, str] = field(default_factory=dict)
    repaired: dict[NormalizedName, Violation] = field(default_factory=dict)
    given_up: set[Violation] = field(default_factory=set)
    resolves: int = 0


@dataclass(frozen=True, slots=True)
class _Answer:
    pins: tuple[Pin, ...]
    view: Mapping[NormalizedName, Member]
    orphans: tuple[Violation, ...]


def make_plan(problem: Problem, resolver: Resolver) -> Plan:
    """Decide what to install so that the request holds and nothing that was whole on the host is broken.

    The same problem and the same answers of the resolver give the same plan, whatever the order of the input.

    Raises:
        NoSolutionError: The request has no solution, or only one that breaks a protected distribution.
        SourceError: A source cannot be reached or refused the request.
    """
    return _Planner(problem, resolver).plan()


class _Planner:
    def __init__(self, problem: Problem, resolver: Resolver) -> None:
        self._problem = problem
        self._resolver = resolver
        self._rules = Rules.of(problem.environment, problem.overrides, problem.excludes)
        self._search = _Search()
        self._extras = host_extras(problem.host, problem.environment)

    def plan(self) -> Plan:
        answer = self._first()
        while self._problem.orphans != "report" and self._search.resolves < _MAX_ROUNDS:
            fresh = self._untried(answer.orphans)
            if not fresh:
                break
            answer = self._mend(fresh, answer)
        self._refuse_protected(answer)
        return self._explain(answer)

    # -- asking ---------------------------------------------------------------------------------------------

    def _question(self) -> Question:
        problem, search = self._problem, self._search
        lines = [root.relaxed if root.name in search.relaxed and root.wish else root.line for root in problem.roots]
        lines += [_with_extras(name, self._extras.get(name, frozenset())) for name in search.repaired]
        return Question(
            requirements=tuple(sorted(dict.fromkeys(lines))),
            constraints=tuple(sorted({*problem.constraints, *search.held.values()})),
            overrides=tuple(sorted(problem.overrides)),
            excludes=tuple(sorted(problem.excludes)),
            hidden=problem.hidden,
            upgrade=problem.upgrade,
        )

    def _ask(self) -> _Answer:
        self._search.resolves += 1
        pins = tuple(sorted(self._resolver.resolve(self._question()), key=lambda pin: pin.name))
        view = overlay(self._problem.host, (Member(pin.name, pin.version, None, False) for pin in pins))
        return _Answer(pins, view, orphans(self._problem.host, view, self._rules))

    def _first(self) -> _Answer:
        """Resolve the request; where a wish is in the way, relax the wishes of the conflict and no others."""
        try:
            return self._ask()
        except Unsolvable as error:
            wishes = {root.name for root in self._problem.roots if root.wish and root.line != root.relaxed}
            if not wishes:
                raise
            self._search.relaxed = (wishes & error.mentions) or wishes
        try:
            answer = self._ask()
        except Unsolvable:
            if self._search.relaxed == wishes:
                raise
            self._search.relaxed = wishes
            answer = self._ask()
        return self._retighten(answer)

    def _retighten(self, answer: _Answer) -> _Answer:
        """Pin again each relaxed wish that a solution can keep: only what is really in the conflict stays relaxed."""
        changed = self._changed_wishes(answer)
        if len(changed) < 2:
            return answer
        for name in sorted(changed):
            self._search.relaxed.discard(name)
            try:
                answer = self._ask()
            except Unsolvable:
                self._search.relaxed.add(name)
            if not self._changed_wishes(answer) - {name}:
                break
        return answer

    def _changed_wishes(self, answer: _Answer) -> set[NormalizedName]:
        chosen = {pin.name for pin in answer.pins}
        return {name for name in self._search.relaxed if name in chosen}

    # -- mending --------------------------------------------------------------------------------------------

    def _untried(self, found: tuple[Violation, ...]) -> list[Violation]:
        search = self._search
        return [item for item in found if item not in search.given_up and _owner(item) not in search.repaired]

    def _mend(self, fresh: list[Violation], before: _Answer) -> _Answer:
        """Hold what a shadow would break; what cannot be held is repaired; what can be neither is given up."""
        search = self._search
        for item in fresh:
            if item in search.held:  # held, and yet broken: an override of the request is stronger
                search.given_up.add(item)
            else:
                search.held[item] = _bound(item)
        try:
            return self._ask()
        except Unsolvable as error:
            blamed = [item for item in fresh if _target(item) in error.mentions] or fresh
        for item in blamed:
            search.held.pop(item, None)
            if self._may_repair(item):
                search.repaired[_owner(item)] = item
            else:
                search.given_up.add(item)
        try:
            return self._ask()
        except Unsolvable:
            return self._one_by_one(fresh, before)

    def _may_repair(self, item: Violation) -> bool:
        return self._problem.orphans == "hold-repair" and _owner(item) not in self._problem.protect

    def _one_by_one(self, fresh: list[Violation], before: _Answer) -> _Answer:
        """All together have no solution: keep of `fresh` whatever can be kept, each alone, hold before repair."""
        search = self._search
        for item in fresh:
            search.held.pop(item, None)
            search.repaired.pop(_owner(item), None)
            search.given_up.discard(item)
        answer = before
        for item in fresh:
            search.held[item] = _bound(item)
            try:
                answer = self._ask()
                continue
            except Unsolvable:
                del search.held[item]
            if self._may_repair(item) and _owner(item) not in search.repaired:
                search.repaired[_owner(item)] = item
                try:
                    answer = self._ask()
                    continue
                except Unsolvable:
                    del search.repaired[_owner(item)]
            search.given_up.add(item)
        return answer

    # -- concluding -----------------------------------------------------------------------------------------

    def _refuse_protected(self, answer: _Answer) -> None:
        guarded = self._problem.protect & frozenset(self._problem.host)
        if not guarded:
            return
        roots = [("the server", _with_extras(name, frozenset())) for name in sorted(guarded)]
        reach = closure(self._problem.host, roots, self._rules).reasons
        hurt = [item for item in answer.orphans if _owner(item) in reach]
        if not hurt:
            return
        chains = self._walk_chains(answer)
        details = []
        for item in hurt:
            target = _target(item)
            details.append(f"the server needs {item.requirement} ({' > '.join(reach[_owner(item)])})")
            details.append(f"the model needs {target}=={item.found} ({' > '.join(chains.get(target, ('chosen',)))})")
        raise NoSolutionError(
            "the request and a protected distribution cannot both hold: "
            + ", ".join(sorted({str(_owner(item)) for item in hurt})),
            code="protected-conflict",
            details=tuple(details),
            remedy="loosen the model's requirement, or take the distribution out of `protect`",
        )

    def _walk_chains(self, answer: _Answer) -> Mapping[NormalizedName, tuple[str, ...]]:
        described = self._resolver.describe(answer.pins)
        return closure(self._described_view(answer, described), self._roots(), self._rules).reasons

    def _roots(self) -> list[tuple[str, str]]:
        roots = [
            (root.origin, root.line if root.wish and root.name not in self._search.relaxed else root.claim)
            for root in sorted(self._problem.roots, key=lambda root: (root.name, root.line, root.origin))
        ]
        repaired = [
            (f"repair of {item.distribution}", _with_extras(name, self._extras.get(name, frozenset())))
            for name, item in sorted(self._search.repaired.items())
        ]
        return roots + repaired

    def _described_view(
        self, answer: _Answer, described: Mapping[NormalizedName, Description]
    ) -> dict[NormalizedName, Member]:
        members = (Member(pin.name, pin.version, described[pin.name].requires, False) for pin in answer.pins)
        return overlay(self._problem.host, members)

    def _explain(self, answer: _Answer) -> Plan:
        problem, search = self._problem, self._search
        described = self._resolver.describe(answer.pins) if answer.pins else {}
        view = self._described_view(answer, described)
        walk = closure(view, self._roots(), self._rules)
        chosen = {pin.name: pin for pin in answer.pins}
        opaque = tuple(str(pin) for pin in answer.pins if described[pin.name].requires is None)
        unread = (f"required by {', '.join(opaque)}, whose metadata cannot be read before the build",)
        install = tuple(
            Installed(pin.name, pin.version, pin.url, walk.reasons.get(pin.name, unread), described[pin.name])
            for pin in answer.pins
        )
        return Plan(
            install=install,
            inherit=tuple(
                Inherited(name, view[name].version, chain)
                for name, chain in sorted(walk.reasons.items())
                if name not in chosen
            ),
            shadow=tuple(
                Shadow(pin.name, problem.host[pin.name].version, pin.version)
                for pin in answer.pins
                if pin.name in problem.host
            ),
            held=tuple(Held(item.distribution, item.requirement) for item in _sorted(search.held)),
            repaired=tuple(
                Repaired(
                    name,
                    problem.host[name].version,
                    view[name].version,
                    f"{item.distribution} requires {item.requirement}",
                )
                for name, item in sorted(search.repaired.items())
            ),
            broken=(*walk.violations, *answer.orphans),
            relaxed=tuple(
                Relaxed(root.line, problem.host[root.name].version, view[root.name].version)
                for root in sorted(problem.roots, key=lambda root: root.name)
                if root.wish and root.name in search.relaxed and root.name in chosen and root.name in problem.host
            ),
            resolves=search.resolves,
        )


def _sorted(items: Mapping[Violation, str]) -> list[Violation]:
    return sorted(items, key=lambda item: (item.distribution, item.requirement))


def _owner(item: Violation) -> NormalizedName:
    return canonicalize_name(item.distribution.partition("==")[0])


def _target(item: Violation) -> NormalizedName:
    parsed = parse_requires(item.requirement)
    assert parsed is not None
    return canonicalize_name(parsed.name)


def _bound(item: Violation) -> str:
    """The constraint that keeps a requirement satisfied."""
    parsed = parse_requires(item.requirement)
    assert parsed is not None
    return f"{canonicalize_name(parsed.name)}{parsed.specifier}"


def _with_extras(name: NormalizedName, extras: frozenset[NormalizedName] | frozenset[str]) -> str:
    return f"{name}[{','.join(sorted(extras))}]" if extras else str(name)
