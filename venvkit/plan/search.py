"""The search: ask with everything held, release what a conflict speaks of, and take up again what the answer broke."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import NormalizedName

from venvkit.base.mask import mask
from venvkit.errors import SourceError
from venvkit.events import Warned
from venvkit.plan.bounds import Bound
from venvkit.plan.decisions import Conflict, Decisions, first_decisions
from venvkit.plan.orphans import orphans, requirements_of
from venvkit.plan.problem import Misfit, Problem
from venvkit.plan.question import claims, question_of, repair_claims, weight
from venvkit.plan.release import release, release_bounds, repairable, stands
from venvkit.plan.repair import broken_bounds, give_up, hold, repair
from venvkit.plan.resolver import Resolver, Unsolvable
from venvkit.plan.values import Description, Pin, Violation
from venvkit.plan.view import Member, Rules, overlay
from venvkit.spec.engine_values import BuildLine
from venvkit.spec.language.requires import parse_requires, satisfied

# Far beyond what any set of the catalogue takes; what is left then is reported as broken.
_MAX_RESOLVES = 16


class Answer(Struct, frozen=True):
    """A resolution: what it installs, the view that this makes, and the host's requirements that it breaks."""

    pins: tuple[Pin, ...]
    view: Mapping[NormalizedName, Member]
    orphans: tuple[Violation, ...]


class Search:
    """One search over a problem; `run` returns the answer, `decisions` tells how it came about."""

    def __init__(self, problem: Problem, resolver: Resolver) -> None:
        roots = sorted(problem.roots, key=lambda root: (root.name, root.line, root.origin))
        self.problem = replace(problem, roots=tuple(roots))
        self.rules = Rules.of(problem.environment, problem.overrides, problem.excludes)
        self.required = requirements_of(problem.host, problem.environment, problem.families)
        self.decisions = first_decisions(self.problem, self.rules, self.required)
        self.resolves = 0
        self.notices: tuple[Warned, ...] = ()
        self.hopeless: set[Misfit] = set()
        self.unlined: dict[NormalizedName, str] = {}
        self._resolver = resolver

    def run(self) -> Answer:
        """Search to the end.

        Raises:
            Unsolvable: The request itself has no solution.
        """
        wished = any(root.wish for root in self.problem.roots)
        names = [root.name for root in self.problem.roots] if self.decisions.bounds or wished else []
        near = dict.fromkeys(bound for name in names for bound in self.required.on(name))
        lost = [bound for bound in near if any(map(bound.contradicts, self.problem.roots))]
        now = release_bounds(self.problem, self.decisions, lost) or self.decisions
        self.decisions = replace(now, refuted=frozenset(lost), wishes=self._refuted(lost))
        return self.on_lines(self._mend(self._restore(self._release())))

    def _refuted(self, lost: Iterable[Bound]) -> dict[NormalizedName, Conflict]:
        """Return the wishes for a version that itself requires what the request rules out."""
        wishes = {root.name for root in self.problem.roots if root.wish and not root.optional}
        bent = self.rules.overrides.keys() | self.rules.excludes
        return {
            bound.owner: Conflict(frozenset({bound.owner, bound.target}), f"{bound}, which the request rules out", 0)
            for bound in lost
            if bound.owner in wishes and not bound.binary and bound.target not in bent
        }

    def asked(self) -> list[tuple[str, str]]:
        """Return what the request asks of the answer's view, as (origin, line)."""
        return claims(self.problem, self.decisions)

    def repaired(self, answer: Answer) -> dict[NormalizedName, tuple[str, str]]:
        """Return the requirement, as (origin, line), of each repair that an answer installs."""
        chosen = {pin.name for pin in answer.pins}
        found = repair_claims(self.decisions, self.required)
        return {name: claim for name, claim in found.items() if name in chosen}

    def without_repairs(self, reasons: Mapping[NormalizedName, str]) -> Answer:
        """Search on without the repairs of some distributions.

        Raises:
            Unsolvable: The request itself has no solution.
        """
        self.decisions = give_up(self.decisions, reasons)
        return self.on_lines(self._mend(self._release()))

    def without_builds(self, names: frozenset[NormalizedName]) -> Answer | None:
        """Ask once more for an answer that takes wheels of `names`; None, and the decisions as before, without one.

        What is held can drive a resolution to an old source distribution where a repair would have a wheel. Where
        bounds were released already, the resolver was free to choose.
        """
        pinned = {root.name for root in self.problem.roots if "==" in root.line and not root.wish}
        if not names or names & pinned or self.decisions.repairs or self.decisions.refuted:
            return None
        # Bounds may give way to repairs, wishes may not: the first answer has shown that they can be kept.
        now = replace(self.decisions, wheels=names)
        free = [bound for bound in repairable(self.problem, now) if not bound.binary]
        return self._attempt(release_bounds(self.problem, now, free) or now, whole=True)

    def without_misfits(self, answer: Answer, described: Mapping[NormalizedName, Description]) -> Answer | None:
        """Ask for an answer without what is known not to load; None where there is nothing of that kind."""
        for misfit in self.problem.misfits:
            line = f"{misfit.name}!={misfit.version}"
            told = described.get(misfit.name)
            if told is None or misfit in self.hopeless or not misfit.concerns(answer.view, told.sha256):
                continue
            found = self._attempt(replace(self.decisions, refused=(*self.decisions.refused, line)))
            if found is not None:
                return self.on_lines(self._mend(found))
            self.hopeless.add(misfit)
            message = f"{misfit.name}=={misfit.version} did not load beside {', '.join(misfit.providers)}, and no "
            self.notices += (Warned("known-misfit", f"{message}other version has a solution: {misfit.reason}"),)
        return None

    def on_lines(self, answer: Answer) -> Answer:
        """Take from the host's line what an answer takes from another one, if that can be.

        A build for another variant of torch satisfies every requirement and does not load.
        """
        while pins := self._off_line(answer):
            line = self.problem.lines[pins[0].name]
            names = {pin.name for pin in pins}
            try:
                found = self._attempt(replace(self.decisions, tied=self.decisions.tied | names))
                reason = f"{mask(line.url)} has none that fits"
            except SourceError as error:
                found, reason = None, f"{mask(line.url)}: {error.message}"
                self.resolves -= 1  # it was not answered
            if found is not None:
                answer = self._mend(found)
            else:
                self.unlined.update(dict.fromkeys(names, reason))
        return answer

    def without_ties(self, names: AbstractSet[NormalizedName]) -> Answer:
        """Search on without requiring names of a line that nothing else requires.

        Raises:
            Unsolvable: The request itself has no solution.
        """
        self.decisions = replace(self.decisions, tied=self.decisions.tied - names)
        return self.on_lines(self._mend(self._release()))

    def line_notices(self, answer: Answer) -> Iterator[Warned]:
        """Yield a warning for what is not of the host's line, and for a line that no host decided."""
        missing: dict[tuple[BuildLine, str], list[Pin]] = {}
        for pin in self._off(answer):
            if pin.name in self.unlined:
                missing.setdefault((self.problem.lines[pin.name], self.unlined[pin.name]), []).append(pin)
        for (line, reason), pins in missing.items():
            message = f"{', '.join(map(str, pins))}: not the build for {_fits(line)}, and may not load: {reason}"
            yield Warned("build-line-missing", message)
        taken: dict[BuildLine, list[Pin]] = {}
        for pin in answer.pins:
            if pin.name in self.decisions.tied and not self.problem.lines[pin.name].host:
                taken.setdefault(self.problem.lines[pin.name], []).append(pin)
        for line, pins in taken.items():
            yield Warned("build-line", f"{', '.join(map(str, pins))}: the build for {_fits(line)} is taken")

    def _off_line(self, answer: Answer) -> list[Pin]:
        """Return the pins of another variant than that of one line, those that it was not asked for yet."""
        off = [pin for pin in self._off(answer) if pin.name not in self.decisions.tied and pin.name not in self.unlined]
        return [pin for pin in off if self.problem.lines[pin.name] == self.problem.lines[off[0].name]]

    def _off(self, answer: Answer) -> Iterator[Pin]:
        for pin in answer.pins:
            line = self.problem.lines.get(pin.name)
            if line is not None and not pin.url and pin.version.partition("+")[2] != line.variant:
                yield pin

    def tell_older(self, before: Iterable[Pin], after: Iterable[Pin], built: Collection[NormalizedName]) -> None:
        """Note which versions are older than the newest fitting ones, because these have no wheel."""
        newer = {pin.name: pin.version for pin in before if pin.name in built}
        self.notices += tuple(
            Warned("older-for-wheel", f"{pin} is taken because {pin.name}=={newer[pin.name]} has no wheel")
            for pin in after
            if pin.name in newer and pin.version != newer[pin.name]
        )

    def with_extras(self, names: frozenset[NormalizedName]) -> Answer | None:
        """Ask once more with the extras that the host asks of `names`; None without a solution."""
        return self._attempt(replace(self.decisions, extras=self.decisions.extras | names))

    def _ask(self, decisions: Decisions) -> Answer:
        self.resolves += 1
        question = question_of(self.problem, decisions, self.required)
        pins = tuple(sorted(self._resolver.resolve(question), key=lambda pin: pin.name))
        host = self.problem.host
        if not pins:
            return Answer((), host, ())
        view = overlay(host, (Member(pin.name, pin.version, None, inherited=False) for pin in pins))
        families = self.problem.families.violations(host, view, self.problem.environment)
        return Answer(pins, view, tuple(dict.fromkeys((*orphans(self.required, view, self.rules), *families))))

    def _release(self) -> Answer:
        """Ask, and release what each conflict speaks of until there is an answer."""
        while True:
            try:
                return self._ask(self.decisions)
            except Unsolvable as error:
                less = release(self.problem, self.decisions, error, self.required)
                if less is None:
                    raise
                self.decisions = less

    def _mend(self, answer: Answer) -> Answer:
        """Hold or repair what an answer breaks of the host, as far as that has a solution."""
        while self.problem.orphans != "report" and self.resolves < _MAX_RESOLVES:
            fresh = broken_bounds(self.problem, self.decisions, answer.orphans)
            if not fresh:
                break
            answer = self._take_up(fresh, answer)
        return answer

    def _restore(self, answer: Answer) -> Answer:
        """Pin wishes and require optional names again that were released for a conflict which is gone since."""
        for name in sorted(self.decisions.wishes, key=lambda name: weight(name, self.required)):
            now = self.decisions
            pinned = replace(now, wishes={key: item for key, item in now.wishes.items() if key != name})
            if self._is_kept(name, answer):
                self.decisions = pinned
            elif not stands(now, now.wishes[name], name):
                answer = self._attempt(pinned) or answer
        for root in sorted(self.decisions.absent, key=lambda root: (root.name, root.line)):
            now = self.decisions
            if not stands(now, now.absent[root], root.name):
                absent = {key: item for key, item in now.absent.items() if key != root}
                answer = self._attempt(replace(now, absent=absent)) or answer
        return answer

    def _is_kept(self, name: NormalizedName, answer: Answer) -> bool:
        """Tell whether an answer has the version of a released wish all the same."""
        member = answer.view.get(name)
        lines = [parse_requires(root.line) for root in self.problem.roots if root.wish and root.name == name]
        return member is not None and all(line is not None and satisfied(line, member.version) for line in lines)

    def _take_up(self, fresh: list[Bound], before: Answer) -> Answer:
        """Hold what an answer broke, else repair it, all at once; where that has no solution, one by one."""
        self.decisions = replace(self.decisions, tried=self.decisions.tried | set(fresh))
        answer = self._keep_whole(fresh, before)
        if answer is not None or len(fresh) == 1:
            return answer or before
        answer = before
        for bound in fresh:
            if self.resolves >= _MAX_RESOLVES:
                break
            answer = self._keep_whole([bound], answer) or answer
        return answer

    def _keep_whole(self, bounds: list[Bound], before: Answer) -> Answer | None:
        changes: tuple[Callable[[], Decisions | None], ...] = (
            lambda: hold(self.decisions, bounds),
            lambda: repair(self.problem, self.decisions, bounds, before.view),
        )
        for change in changes:
            wanted = change()
            answer = self._attempt(wanted, bounds) if wanted is not None else None
            if answer is not None:
                return answer
        return None

    def _attempt(self, wanted: Decisions, bounds: list[Bound] | None = None, *, whole: bool = False) -> Answer | None:
        """Ask with other decisions; None, and the decisions as before, when that has no solution.

        Args:
            bounds: What the attempt is for; they are reported when it fails.
            whole: An answer that breaks something of the host is none.
        """
        now = self.decisions
        try:
            answer = self._ask(wanted)
        except Unsolvable as error:
            conflict = Conflict(error.mentions, "\n".join(error.details), now.step)
            lost = dict.fromkeys(bounds or (), conflict)
            self.decisions = replace(now, reported={**now.reported, **lost}, step=now.step + 1)
            return None
        if whole and answer.orphans:
            return None
        kept = {bound: item for bound, item in wanted.reported.items() if bound not in (bounds or ())}
        self.decisions = replace(wanted, reported=kept)
        return answer


def _fits(line: BuildLine) -> str:
    return f"the host's {line.host}" if line.host else "a machine without accelerator"
