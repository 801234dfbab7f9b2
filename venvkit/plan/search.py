"""The search: ask with everything held; where that has no solution, loosen what is in the way, and no more.

A host distribution that cannot be held becomes a requirement of the next question, before all others. The resolver
prefers what is there: where a solution keeps the host's version it is held after all, and where none does it gets a
fitting version, which is the repair. Both take the one question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct, field
from packaging.utils import NormalizedName

from venvkit.plan.bounds import Bound, as_constraints, by_owner
from venvkit.plan.ground import ground_of, host_bounds, orphans
from venvkit.plan.problem import Problem, Root
from venvkit.plan.resolver import Resolver, Unsolvable
from venvkit.plan.values import Pin, Question, Violation
from venvkit.plan.view import Member, Rules, overlay

# Far beyond what any set of the catalogue takes; what is left then is reported as broken.
_MAX_RESOLVES = 16


class Answer(Struct, frozen=True):
    """A resolution: what it installs, the view that this makes, and what is broken in it on the host's side."""

    pins: tuple[Pin, ...]
    view: Mapping[NormalizedName, Member]
    orphans: tuple[Violation, ...]


class Decisions(Struct):
    """What the search has decided.

    Args:
        bounds: What is held.
        mended: Host distributions that are required beside the request, with the bounds that could not be held.
        rebuilt: Those of `mended` whose host version is no candidate: its fault is not in its metadata.
        relaxed: Wishes that are dropped to their bare names.
        absent: Optional requirements that are left out, with the resolver's reason.
        given_up: Bounds that nothing can keep or mend, with the resolver's reason.
        wheels: Names of which only wheels are taken.
        tried: Bounds of what was still broken in an answer, and was taken up again.
    """

    bounds: tuple[Bound, ...] = ()
    mended: dict[NormalizedName, tuple[Bound, ...]] = field(default_factory=dict)
    rebuilt: set[NormalizedName] = field(default_factory=set)
    relaxed: set[NormalizedName] = field(default_factory=set)
    absent: dict[Root, str] = field(default_factory=dict)
    given_up: dict[Bound, str] = field(default_factory=dict)
    wheels: frozenset[NormalizedName] = frozenset()
    tried: set[Bound] = field(default_factory=set)
    resolves: int = 0

    def copy(self) -> Decisions:
        """Return a copy to come back to."""
        return Decisions(
            self.bounds, dict(self.mended), set(self.rebuilt), set(self.relaxed), dict(self.absent),
            dict(self.given_up), self.wheels, set(self.tried), self.resolves,
        )  # fmt: skip


class Search:
    """One search over a problem; `run` gives the answer, `decisions` how it came about."""

    def __init__(self, problem: Problem, resolver: Resolver) -> None:
        self.problem = problem
        self.decisions = Decisions()
        self.rules = Rules.of(problem.environment, problem.overrides, problem.excludes)
        self._resolver = resolver
        self._ground = ground_of(problem.host, problem.environment, problem.families)
        if problem.orphans != "report":
            self.decisions.bounds = host_bounds(problem, self.rules, self._ground)

    def run(self) -> Answer:
        """Search to the end.

        Raises:
            Unsolvable: The request itself has no solution.
        """
        names = [root.name for root in self.problem.roots] if self.decisions.bounds else []
        near = (bound for name in names for bound in self._ground.on(name))
        self._mend([bound for bound in dict.fromkeys(near) if any(map(bound.contradicts, self.problem.roots))])
        answer = self._retighten(self._loosening())
        while self.problem.orphans != "report" and self.decisions.resolves < _MAX_RESOLVES:
            fresh = self._fresh(answer)
            if not fresh:
                break
            answer = self._settle(fresh, answer)
        return answer

    def roots(self) -> list[tuple[str, str]]:
        """Return what must hold in the answer's view, as (origin, line): the request's, then what was mended."""
        relaxed, absent = self.decisions.relaxed, self.decisions.absent
        asked = [
            (root.origin, root.line if root.wish and root.name not in relaxed else root.claim)
            for root in sorted(self.problem.roots, key=lambda root: (root.name, root.line, root.origin))
            if root not in absent
        ]
        return asked + [
            (f"kept whole: {bounds[0].label}", self._with_extras(name))
            for name, bounds in sorted(self.decisions.mended.items())
        ]

    def without_builds(self, names: frozenset[NormalizedName]) -> Answer | None:
        """Ask once more for an answer that takes wheels of `names`; None, and the decisions as before, without one.

        What is held can drive a resolution to an old source distribution where a repair would have a wheel. Where
        things had to be loosened already, the resolver was free to choose.
        """
        pinned = {root.name for root in self.problem.roots if "==" in root.line and not root.wish}
        if not names or names & pinned or self.decisions.resolves > 1:
            return None
        saved = self.decisions.copy()
        self.decisions.wheels = names
        # Bounds may give way to repairs, wishes may not: the first answer has shown that they can be kept.
        self._mend([bound for bound in self._free() if not bound.hidden])
        try:
            answer = self._ask()
        except Unsolvable:
            answer = None
        if answer is None or answer.orphans:
            saved.resolves = self.decisions.resolves
            self.decisions = saved
            return None
        return answer

    # -- asking ---------------------------------------------------------------------------------------------

    def _question(self) -> Question:
        problem, decisions = self.problem, self.decisions
        lines = [
            root.relaxed if root.wish and root.name in decisions.relaxed else root.line
            for root in problem.roots
            if root not in decisions.absent
        ]
        # In this order: of two requirements in conflict, the resolver gives the earlier one its preferred version.
        wishes = sorted(decisions.relaxed, key=self._weight)
        mended = [self._with_extras(name) for name in sorted(decisions.mended, key=self._weight)]
        return Question(
            requirements=tuple(dict.fromkeys((*wishes, *mended, *sorted(lines)))),
            constraints=(*sorted(problem.constraints), *self._constraints()),
            overrides=tuple(sorted(problem.overrides)),
            excludes=tuple(sorted(problem.excludes)),
            hidden=problem.hidden | decisions.rebuilt,
            upgrade=problem.upgrade,
            wheels=tuple(sorted(decisions.wheels)),
        )

    def _constraints(self) -> tuple[str, ...]:
        bounds = self.decisions.bounds
        return self._ground.constraints if bounds is self._ground.bounds else as_constraints(bounds)

    def _ask(self) -> Answer:
        self.decisions.resolves += 1
        pins = tuple(sorted(self._resolver.resolve(self._question()), key=lambda pin: pin.name))
        host = self.problem.host
        if not pins:
            return Answer((), host, ())
        view = overlay(host, (Member(pin.name, pin.version, None, inherited=False) for pin in pins))
        broken = orphans(self._ground, view, self.rules)
        families = self.problem.families.violations(host, view, self.problem.environment)
        return Answer(pins, view, tuple(dict.fromkeys((*broken, *families))))

    # -- loosening ------------------------------------------------------------------------------------------

    def _loosening(self) -> Answer:
        """Ask, and loosen what is in the way: first what the resolver's reason speaks of, the protected last."""
        steps: list[Callable[[Unsolvable], bool]] = [
            self._loosen_metadata,
            self._loosen_mentioned,
            self._loosen_all,
            self._drop_optional,
            self._give_up_mending,
            self._give_up_bounds,
        ]
        while True:
            try:
                return self._ask()
            except Unsolvable as error:
                while steps and not steps[0](error):
                    steps.pop(0)
                if not steps:
                    raise
                steps.pop(0)

    def _loosen_metadata(self, error: Unsolvable) -> bool:
        """Let go of every bound that its owner's metadata enforces anyway, and of every wish.

        A reason speaks of one conflict, and who moves for it brings others; asking again for each would cost more than
        to require all owners at once: those that nothing speaks against stay what the resolver prefers, the host's.
        """
        wishes = self._wishes() - self.decisions.relaxed
        self.decisions.relaxed |= wishes
        loose = [bound for bound in self._free() if not bound.hidden or bound.target in error.mentions]
        return self._mend(loose) or bool(wishes)

    def _loosen_mentioned(self, error: Unsolvable) -> bool:
        return self._mend([bound for bound in self._free() if bound.target in error.mentions])

    def _loosen_all(self, _: Unsolvable) -> bool:
        return self._mend(self._free())

    def _drop_optional(self, error: Unsolvable) -> bool:
        left = [root for root in self.problem.roots if root.optional and root not in self.decisions.absent]
        dropped = [root for root in left if root.name in error.mentions] or left
        self.decisions.absent.update((root, "\n".join(error.details)) for root in dropped)
        return bool(dropped)

    def _give_up_mending(self, error: Unsolvable) -> bool:
        decisions = self.decisions
        lost = [bound for bounds in decisions.mended.values() for bound in bounds]
        decisions.given_up.update((bound, "\n".join(error.details)) for bound in lost)
        decisions.mended.clear()
        decisions.rebuilt.clear()
        return bool(lost)

    def _give_up_bounds(self, error: Unsolvable) -> bool:
        lost = self.decisions.bounds
        self.decisions.given_up.update((bound, "\n".join(error.details)) for bound in lost)
        self.decisions.bounds = ()
        return bool(lost)

    def _wishes(self) -> set[NormalizedName]:
        return {root.name for root in self.problem.roots if root.wish and root.line != root.relaxed}

    def _free(self) -> list[Bound]:
        """The bounds that may be let go, because their owners may be repaired."""
        if self.problem.orphans != "hold-repair":
            return []
        return [bound for bound in self.decisions.bounds if bound.owner not in self.problem.protect]

    def _mend(self, bounds: list[Bound]) -> bool:
        """Let go of bounds and require their owners instead; False when none of them may be let go."""
        decisions = self.decisions
        if not bounds:
            return False
        free = set(self._free())
        chosen = by_owner(bound for bound in bounds if bound in free)
        for name, lost in chosen.items():
            decisions.mended[name] = (*decisions.mended.get(name, ()), *lost)
            if any(bound.hidden and any(map(bound.contradicts, self.problem.roots)) for bound in lost):
                decisions.rebuilt.add(name)
        # Where the owner stays its metadata holds by itself, and where it moves it is moot.
        gone = {bound for lost in chosen.values() for bound in lost}
        decisions.bounds = tuple(
            bound for bound in decisions.bounds if bound not in gone and (bound.hidden or bound.owner not in chosen)
        )
        return bool(chosen)

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

    # -- what is left ---------------------------------------------------------------------------------------

    def _fresh(self, answer: Answer) -> list[Bound]:
        """What is broken in an answer and was not taken up alone: binary interfaces, what was given up in bulk."""
        bounds = (Bound.of(item, hidden=self._hidden_fault(item)) for item in answer.orphans)
        return [bound for bound in bounds if bound not in self.decisions.tried]

    def _settle(self, fresh: list[Bound], before: Answer) -> Answer:
        """Hold what is still broken, else repair it, all at once; where that has no solution, one by one."""
        self.decisions.tried.update(fresh)
        answer = self._attempt(fresh, self._hold) or self._attempt(fresh, self._repair)
        if answer is not None or len(fresh) == 1:
            return answer or before
        answer = before
        for bound in fresh:
            if self.decisions.resolves >= _MAX_RESOLVES:
                break
            answer = self._attempt([bound], self._hold) or self._attempt([bound], self._repair) or answer
        return answer

    def _attempt(self, bounds: list[Bound], change: Callable[[list[Bound]], bool]) -> Answer | None:
        """Ask with a change of the decisions; None, and the decisions as before, when it brings no solution."""
        saved = self.decisions.copy()
        if change(bounds):
            try:
                answer = self._ask()
            except Unsolvable as error:
                saved.resolves = self.decisions.resolves
                saved.given_up.update((bound, "\n".join(error.details)) for bound in bounds)
            else:
                for bound in bounds:
                    self.decisions.given_up.pop(bound, None)
                return answer
        self.decisions = saved
        return None

    def _hold(self, bounds: list[Bound]) -> bool:
        fresh = tuple(bound for bound in bounds if bound not in self.decisions.bounds)
        self.decisions.bounds += fresh
        return bool(fresh)

    def _repair(self, bounds: list[Bound]) -> bool:
        decisions, changed = self.decisions, False
        if self.problem.orphans != "hold-repair":
            return False
        for bound in bounds:
            name = bound.owner
            if name in self.problem.protect:
                continue
            if name not in decisions.mended or (bound.hidden and name not in decisions.rebuilt):
                decisions.mended[name] = (*decisions.mended.get(name, ()), bound)
                decisions.rebuilt |= {name} if bound.hidden else set()
                changed = True
        return changed

    def _hidden_fault(self, item: Violation) -> bool:
        """Whether a violation is of a binary interface: its owner's metadata does not show it."""
        bound = Bound.of(item, hidden=False)
        member = self.problem.host.get(bound.owner)
        return member is None or item.requirement not in (member.requires or ())

    def _weight(self, name: NormalizedName) -> tuple[int, NormalizedName]:
        # What much of the host is built on (torch, numpy) is the last that should move, and the dearest to replace.
        return -self._ground.dependents.get(name, 0), name

    def _with_extras(self, name: NormalizedName) -> str:
        extras = self._ground.extras.get(name)
        return f"{name}[{','.join(sorted(extras))}]" if extras else str(name)
