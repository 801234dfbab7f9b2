"""The search: ask, look at what would break, hold or repair it, ask again.

A host distribution that a shadow would break becomes a requirement of the next question, before all others. The
resolver prefers what is there: where a solution keeps the host's version, the distribution is held, and where none
does it gets a fitting version, which is the repair, both in one resolve. Only what may not be repaired, or whose fault
no metadata shows, is held by a constraint.

Every round takes up something new or gives it up, so the search ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from packaging.utils import NormalizedName, canonicalize_name

from venvkit.plan.problem import Problem, Root
from venvkit.plan.requires import parse_requires
from venvkit.plan.resolver import Resolver, Unsolvable
from venvkit.plan.values import Pin, Question, Violation
from venvkit.plan.view import Member, Rules, host_extras, orphans, overlay

# More rounds than any of the catalogue's sets takes; beyond them what is left is reported as broken.
_MAX_RESOLVES = 12


@dataclass(frozen=True, slots=True)
class Answer:
    """A resolution: what it installs, the view that this makes, and what is broken in it on the host's side."""

    pins: tuple[Pin, ...]
    view: Mapping[NormalizedName, Member]
    orphans: tuple[Violation, ...]


@dataclass(slots=True)
class Decisions:
    """What the search has decided.

    Args:
        relaxed: Wishes that are dropped to their bare names.
        absent: Optional requirements that have no solution, and the resolver's reason.
        bounds: Violations that a constraint keeps from happening, each with that constraint.
        mended: Host distributions that are required beside the request, with the violations that asked for it.
        rebuilt: Those of `mended` whose host version is no candidate: its fault is not in its metadata.
        given_up: Violations that nothing can mend, each with the resolver's reason.
    """

    relaxed: set[NormalizedName] = field(default_factory=set)
    absent: dict[Root, str] = field(default_factory=dict)
    bounds: dict[Violation, str] = field(default_factory=dict)
    mended: dict[NormalizedName, tuple[Violation, ...]] = field(default_factory=dict)
    rebuilt: set[NormalizedName] = field(default_factory=set)
    given_up: dict[Violation, str] = field(default_factory=dict)
    resolves: int = 0


class Search:
    """One search over a problem; `run` gives the answer, `decisions` how it came about."""

    def __init__(self, problem: Problem, resolver: Resolver) -> None:
        self.problem = problem
        self.decisions = Decisions()
        self.rules = Rules.of(problem.environment, problem.overrides, problem.excludes)
        self._resolver = resolver
        self._extras = host_extras(problem.host, problem.environment)

    def run(self) -> Answer:
        """Search to the end.

        Raises:
            Unsolvable: The request itself has no solution.
        """
        answer = self._first()
        while self.problem.orphans != "report" and self.decisions.resolves < _MAX_RESOLVES:
            fresh = [item for item in answer.orphans if item not in self.decisions.given_up]
            if not fresh:
                break
            answer = self._mend(fresh, answer)
        return answer

    def roots(self) -> list[tuple[str, str]]:
        """Return what must hold in the answer's view, as (origin, line): the request's, then the repairs'."""
        relaxed, absent = self.decisions.relaxed, self.decisions.absent
        asked = [
            (root.origin, root.line if root.wish and root.name not in relaxed else root.claim)
            for root in sorted(self.problem.roots, key=lambda root: (root.name, root.line, root.origin))
            if root not in absent
        ]
        return asked + [
            (f"kept whole: {items[0].distribution}", self._with_extras(name))
            for name, items in sorted(self.decisions.mended.items())
        ]

    # -- asking ---------------------------------------------------------------------------------------------

    def _question(self) -> Question:
        problem, decisions = self.problem, self.decisions
        lines = [
            root.relaxed if root.wish and root.name in decisions.relaxed else root.line
            for root in problem.roots
            if root not in decisions.absent
        ]
        # First: of two requirements in conflict, the resolver gives the earlier one its preferred version.
        mended = [self._with_extras(name) for name in sorted(decisions.mended)]
        return Question(
            requirements=tuple(dict.fromkeys((*mended, *sorted(lines)))),
            constraints=tuple(sorted({*problem.constraints, *decisions.bounds.values()})),
            overrides=tuple(sorted(problem.overrides)),
            excludes=tuple(sorted(problem.excludes)),
            hidden=problem.hidden | decisions.rebuilt,
            upgrade=problem.upgrade,
        )

    def _ask(self) -> Answer:
        self.decisions.resolves += 1
        pins = tuple(sorted(self._resolver.resolve(self._question()), key=lambda pin: pin.name))
        host = self.problem.host
        view = overlay(host, (Member(pin.name, pin.version, None, inherited=False) for pin in pins))
        broken = orphans(host, view, self.rules)
        families = self.problem.families.violations(host, view, self.problem.environment)
        return Answer(pins, view, tuple(dict.fromkeys((*broken, *families))))

    def _first(self) -> Answer:
        """Resolve the request; what is optional or a wish gives way where it stands in the way, and no other."""
        while True:
            try:
                return self._relaxing()
            except Unsolvable as error:
                droppable = [root for root in self.problem.roots if root.optional and root not in self.decisions.absent]
                dropped = [root for root in droppable if root.name in error.mentions] or droppable
                if not dropped:
                    raise
                self.decisions.absent.update((root, error.details[0] if error.details else "") for root in dropped)
                self.decisions.relaxed.clear()

    def _relaxing(self) -> Answer:
        try:
            return self._ask()
        except Unsolvable as error:
            wishes = {root.name for root in self.problem.roots if root.wish and root.line != root.relaxed}
            if not wishes:
                raise
            self.decisions.relaxed = (wishes & error.mentions) or set(wishes)
        try:
            answer = self._ask()
        except Unsolvable:
            if self.decisions.relaxed == wishes:
                raise
            self.decisions.relaxed = set(wishes)
            answer = self._ask()
        return self._retighten(answer)

    def _retighten(self, answer: Answer) -> Answer:
        """Pin again each relaxed wish that a solution can keep: only what is really in the conflict stays relaxed."""
        for name in sorted(self._changed_wishes(answer)):
            if len(self._changed_wishes(answer)) < 2:
                break
            self.decisions.relaxed.discard(name)
            try:
                answer = self._ask()
            except Unsolvable:
                self.decisions.relaxed.add(name)
        return answer

    def _changed_wishes(self, answer: Answer) -> set[NormalizedName]:
        return {pin.name for pin in answer.pins} & self.decisions.relaxed

    # -- mending --------------------------------------------------------------------------------------------

    def _mend(self, fresh: list[Violation], before: Answer) -> Answer:
        """Take up what a shadow would break; where all of it together has no solution, what can be, one by one."""
        new = [item for item in fresh if self._take_up(item)]
        if not new:
            return before
        try:
            return self._ask()
        except Unsolvable as error:
            reason = " ".join(error.details)
            if self._rebuild([item for item in new if target(item) in error.mentions] or new):
                try:
                    return self._ask()
                except Unsolvable as second:
                    reason = " ".join(second.details)
        for item in new:
            self._put_down(item)
        if len(new) == 1:
            self.decisions.given_up[new[0]] = reason
            return before
        answer = before
        for item in new:
            answer = self._alone(item, answer)
        return answer

    def _alone(self, item: Violation, before: Answer) -> Answer:
        """Mend one violation on top of what is mended already, or give it up."""
        if owner(item) in self.decisions.mended:
            return before
        self._take_up(item)
        while True:
            try:
                return self._ask()
            except Unsolvable as error:
                if not self._rebuild([item]):
                    self._put_down(item)
                    self.decisions.given_up[item] = " ".join(error.details)
                    return before

    def _take_up(self, item: Violation) -> bool:
        """Decide how to mend a violation; False when that was tried, and it is broken all the same."""
        decisions, name = self.decisions, owner(item)
        strict = self.problem.orphans == "hold" or name in self.problem.protect
        if item in decisions.bounds or item in decisions.mended.get(name, ()):
            # An override is stronger, or it is a rule that the resolver cannot be told.
            decisions.given_up[item] = "it is broken although it was bounded"
            return False
        if strict or self._hidden_fault(item):
            decisions.bounds[item] = _bound(item)
        else:
            decisions.mended[name] = (*decisions.mended.get(name, ()), item)
        return True

    def _put_down(self, item: Violation) -> None:
        decisions, name = self.decisions, owner(item)
        decisions.bounds.pop(item, None)
        decisions.rebuilt.discard(name)
        left = tuple(other for other in decisions.mended.pop(name, ()) if other != item)
        if left:
            decisions.mended[name] = left

    def _rebuild(self, items: list[Violation]) -> bool:
        """Turn bounds of binary interfaces into repairs, where that is allowed; False when there is none to turn."""
        decisions, allowed = self.decisions, self.problem.orphans == "hold-repair"
        turned = [item for item in items if item in decisions.bounds and allowed and self._hidden_fault(item)]
        turned = [item for item in turned if owner(item) not in self.problem.protect]
        for item in turned:
            del decisions.bounds[item]
            decisions.mended[owner(item)] = (*decisions.mended.get(owner(item), ()), item)
            decisions.rebuilt.add(owner(item))
        return bool(turned)

    def _hidden_fault(self, item: Violation) -> bool:
        """Whether a violation is of a binary interface: its owner's metadata does not show it."""
        member = self.problem.host.get(owner(item))
        return member is None or item.requirement not in (member.requires or ())

    def _with_extras(self, name: NormalizedName) -> str:
        extras = self._extras.get(name)
        return f"{name}[{','.join(sorted(extras))}]" if extras else str(name)


def owner(item: Violation) -> NormalizedName:
    """Return the name of the distribution whose requirement is violated."""
    return canonicalize_name(item.distribution.partition("==")[0])


def target(item: Violation) -> NormalizedName:
    """Return the name that a violated requirement speaks of."""
    parsed = parse_requires(item.requirement)
    assert parsed is not None
    return canonicalize_name(parsed.name)


def _bound(item: Violation) -> str:
    """Return the constraint that keeps a requirement satisfied."""
    parsed = parse_requires(item.requirement)
    assert parsed is not None
    return f"{canonicalize_name(parsed.name)}{parsed.specifier}"
