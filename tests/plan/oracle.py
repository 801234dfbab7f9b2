"""Judges a plan, or a refusal, from the problem and the index alone. It shares no code with the planner.

The planner searches greedily, so nothing here asks for the best plan: a plan must hold, or say where it does not, and a
refusal must be true.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from packaging.requirements import Requirement
from packaging.version import Version

from tests.plan.solver import Bent, Index, Lines, World, allows, lines_of
from venvkit.errors import NoSolutionError
from venvkit.plan.families import Pair
from venvkit.plan.problem import Problem, Root
from venvkit.plan.values import Plan


@dataclass
class Facts:
    """A problem as plain data."""

    index: Index
    posed: Problem
    lines: Mapping[str, Index]

    def requires(self, name: str, version: str) -> tuple[str, ...]:
        """Return what a distribution of an index requires."""
        found = [table[name][version] for table in self.tables if version in table.get(name, ())]
        return found[0]

    @property
    def tables(self) -> list[Index]:
        return [self.index, *self.lines.values()]

    @cached_property
    def host(self) -> Lines:
        return {str(name): (item.version, item.requires or ()) for name, item in self.posed.host.items()}

    @cached_property
    def compiled(self) -> set[str]:
        return {str(name) for name, item in self.posed.host.items() if item.compiled}

    @cached_property
    def bent(self) -> Bent:
        return Bent(self.posed.overrides, self.posed.excludes)

    @cached_property
    def runtime(self) -> list[str]:
        """The distributions of the runtime that a plan keeps: the request asks by itself for no other copy of them."""
        ones = [Requirement(root.line) for root in self.posed.roots if not root.wish]
        named = {one.name for one in ones if one.name in self.host and not allows(one, self.host[one.name][0])}
        free = named | set(self.posed.no_inherit) | self.bent.overrides.keys()
        return [name for name in sorted(self.posed.runtime) if name in self.host and name not in free]

    @cached_property
    def fixed(self) -> list[Requirement]:
        """The versions of those that the request does not name: no solution has others."""
        named = {root.name for root in self.posed.roots}
        return [self.pin(name) for name in self.runtime if name not in named]

    def pin(self, name: str) -> Requirement:
        return Requirement(f"{name}=={self.host[name][0]}")

    @cached_property
    def guarded(self) -> list[Requirement]:
        """The versions of what is protected, and what everything that it reaches requires of the host."""
        names = [name for name in sorted(self.posed.protect) if name in self.host]
        reach = self.reach(names)
        return [*map(self.pin, names), *(one for owner, one in self.holding if owner in reach)]

    @cached_property
    def ruled(self) -> set[str]:
        """The distributions that rules on binary interfaces speak of."""
        pairs = {str(name) for pair in self.posed.families.pairs for name in (pair.first, pair.second)}
        return pairs | (self.compiled if self.posed.families.majors else set())

    @cached_property
    def candidates(self) -> Lines:
        """The host's distributions that may satisfy the request."""
        if not self.posed.inherit:
            return {name: self.host[name] for name in self.runtime}
        barred = self.posed.no_inherit | (self.posed.unfit.keys() - set(self.runtime))
        return {name: item for name, item in self.host.items() if name not in barred}

    @cached_property
    def asked_extras(self) -> dict[str, set[str]]:
        """Which extras of host distributions other host distributions ask for, to a fixed point."""
        found: dict[str, set[str]] = {name: set() for name in self.host}
        while True:
            before = {name: set(extras) for name, extras in found.items()}
            for name, (_, lines) in self.host.items():
                for one in lines_of(lines, found[name]):
                    if one.name in found:
                        found[one.name] |= one.extras
            if found == before:
                return found

    @cached_property
    def holding(self) -> list[tuple[str, Requirement]]:
        """Every requirement of the host that applies and holds on the host: owner, requirement."""
        return [
            (name, one)
            for name, (_, lines) in self.host.items()
            for one in lines_of(lines, self.asked_extras[name])
            if one.name in self.host and allows(one, self.host[one.name][0])
        ]

    def reach(self, names: Iterable[str]) -> set[str]:
        """Return the host distributions that some of them require, themselves included."""
        seen: set[tuple[str, str]] = set()
        pending = [(name, "") for name in names if name in self.host]
        while pending:
            name, extra = pending.pop()
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for one in lines_of(self.host[name][1], [extra]):
                new = self.bent(one)
                if new is not None and new.name in self.host:
                    pending += [(new.name, item) for item in ("", *new.extras)]
        return {name for name, _ in seen}

    def solvable(self, roots: Iterable[str], bounds: Iterable[Requirement] = ()) -> bool:
        limits = [*map(Requirement, self.posed.constraints), *bounds]
        return World(self.index, self.candidates, self.bent).solve(map(Requirement, roots), limits) is not None


def unpinned(root: Root) -> str:
    """Return the line of a wish without its version; its extras stay."""
    one = Requirement(root.line)
    return f"{one.name}[{','.join(sorted(one.extras))}]" if one.extras else one.name


def refusal(facts: Facts, error: NoSolutionError) -> Iterator[str]:
    """Yield why a refusal is wrong."""
    needed = [unpinned(root) if root.wish else root.line for root in facts.posed.roots if not root.optional]
    if error.code != "protected-conflict":
        if facts.solvable(needed, facts.fixed):
            yield "wrong refusal: the request has a solution"
        return
    if not facts.posed.protect & facts.host.keys() <= facts.candidates.keys() or facts.posed.families.pairs:
        return  # the request itself wants another copy, or the host was not whole
    if facts.solvable(needed, [*facts.fixed, *facts.guarded]):
        yield "wrong refusal: a solution keeps what is protected"


class Judgement:
    """What is wrong with a plan; `faults` yields each fault in words."""

    def __init__(self, facts: Facts, plan: Plan) -> None:
        self.facts, self.plan = facts, plan
        self.installed: Lines = {
            str(item.name): (item.version, facts.requires(item.name, item.version)) for item in plan.install
        }
        self.hidden = {str(item.name) for item in plan.hidden}
        seen = {name: item for name, item in facts.host.items() if name not in self.hidden}
        self.view: Lines = {**seen, **self.installed}
        self.told = {(item.distribution, item.requirement) for item in plan.broken}
        self.claims = list(self._claims())
        self.reached, self.broken = self._walk(self.claims)

    def faults(self) -> Iterator[str]:
        yield from (f"silent: {item}" for item in sorted(self.broken - self.told))
        yield from (f"silent orphan: {item}" for item in sorted(self.orphans() - self.told))
        yield from (f"silent lack of an extra: {item}" for item in sorted(self.lacking() - self.told))
        yield from (f"silent rule: {item}" for item in sorted(self.crossed() - self.told))
        yield from self.pairs()
        yield from self.bounds()
        yield from self.protected()
        yield from self.hides()
        yield from self.loads()
        yield from self.reports()
        yield from self.needless()

    def _claims(self) -> Iterator[tuple[str, str]]:
        absent = {item.requirement for item in self.plan.absent}
        relaxed = {item.requirement for item in self.plan.relaxed}
        for root in self.facts.posed.roots:
            if root.optional and root.line in absent:
                continue
            yield root.origin, unpinned(root) if root.wish and root.line in relaxed else root.line

    def _walk(self, claims: Iterable[tuple[str, str]]) -> tuple[set[str], set[tuple[str, str]]]:
        """Return the names that some requirements reach in the view, and those requirements that do not hold there."""
        reached, found, seen = set(), set(), set()
        pending = [(source, text, Requirement(text)) for source, text in claims]
        while pending:
            source, text, written = pending.pop()
            asked = self.facts.bent(written)
            if asked is None:
                continue
            version, lines = self.view.get(asked.name, (None, ()))
            if version is None or not allows(asked, version):
                found.add((source, text))
            if version is None or (asked.name, frozenset(asked.extras)) in seen:
                continue
            seen.add((asked.name, frozenset(asked.extras)))
            reached.add(asked.name)
            active = set(map(str, lines_of(lines, asked.extras)))
            label = f"{asked.name}=={version}"
            pending += [(label, one, Requirement(one)) for one in lines if str(Requirement(one)) in active]
        return reached, found

    def _inherited(self, name: str) -> bool:
        return name in self.facts.host and name not in self.installed and name not in self.hidden

    def _holds(self, one: Requirement) -> bool:
        asked = self.facts.bent(one)
        return asked is None or (asked.name in self.view and allows(asked, self.view[asked.name][0]))

    def _label(self, name: str) -> str:
        return f"{name}=={self.view[name][0]}"

    def _written(self, name: str, ones: Collection[Requirement]) -> set[tuple[str, str]]:
        """Return requirements as the metadata of a distribution of the view writes them."""
        texts = set(map(str, ones))
        return {(self._label(name), line) for line in self.view[name][1] if str(Requirement(line)) in texts}

    def orphans(self) -> set[tuple[str, str]]:
        """Return the requirements of inherited distributions that held on the host, and no longer do."""
        lost: dict[str, list[Requirement]] = {}
        changed = self.installed.keys() | self.hidden
        for owner, one in self.facts.holding:
            if one.name in changed and self._inherited(owner) and not self._holds(one):
                lost.setdefault(owner, []).append(one)
        return {item for owner, ones in lost.items() for item in self._written(owner, ones)}

    def lacking(self) -> set[tuple[str, str]]:
        """Return what extras of shadows lack, where inherited distributions ask for these extras."""
        found = set()
        for owner, one in self.facts.holding:
            asked = self.facts.bent(one)
            if asked is None or not (asked.extras and self._inherited(owner) and one.name in self.installed):
                continue
            before = {
                old.name
                for old in lines_of(self.facts.host[one.name][1], asked.extras)
                if (bent := self.facts.bent(old)) is not None
                if bent.name not in self.facts.host or not allows(bent, self.facts.host[bent.name][0])
            }
            active = lines_of(self.view[one.name][1], asked.extras)
            lost = [new for new in active if not self._holds(new) and new.name not in before]
            found |= self._written(one.name, lost)
        return found

    def crossed(self) -> set[tuple[str, str]]:
        """Return the inherited compiled distributions that meet a newer major version than they were built for."""
        found = set()
        for name in map(str, self.facts.posed.families.majors):
            if name not in self.facts.host or name not in self.installed:
                continue
            before, after = (Version(lines[name][0]).major for lines in (self.facts.host, self.view))
            for owner in self.facts.compiled if after > before else ():
                if self._inherited(owner) and any(one.name == name for one in lines_of(self.facts.host[owner][1], ())):
                    found.add((self._label(owner), f"{name}<{before + 1}"))
        return found

    def pairs(self) -> Iterator[str]:
        """Yield the pairs that do not fit and are not reported."""
        for pair in self.facts.posed.families.pairs:
            first, second = str(pair.first), str(pair.second)
            if not {first, second} <= self.view.keys() or (self._inherited(first) and self._inherited(second)):
                continue
            one, other = self.view[first][0], self.view[second][0]
            rows = [row for row in pair.rows if allows(Requirement(f"{first}{row[0]}"), one)]
            if not rows or any(allows(Requirement(f"{second}{row[1]}"), other) for row in rows):
                continue
            if self._inherited(second) and first in self.facts.host and not self._fitted(pair):
                continue
            labels = {self._label(first): second, self._label(second): first}
            if not any(labels.get(owner) == Requirement(text).name for owner, text in self.told):
                yield f"silent pair: {sorted(labels)}"

    def _fitted(self, pair: Pair) -> bool:
        """Tell whether the host's own copies of a pair fit, or are not judged."""
        one, other = self.facts.host[pair.first][0], self.facts.host[pair.second][0]
        rows = [row for row in pair.rows if allows(Requirement(f"{pair.first}{row[0]}"), one)]
        return not rows or any(allows(Requirement(f"{pair.second}{row[1]}"), other) for row in rows)

    def bounds(self) -> Iterator[str]:
        """Yield the pins that a constraint or an exclude of the request forbids, and what may not be inherited."""
        for one in map(Requirement, self.facts.posed.constraints):
            if one.name in self.installed and not allows(one, self.installed[one.name][0]):
                yield f"constraint: {one}"
        for name in self.reached - self.installed.keys():
            if name not in self.facts.candidates:
                yield f"inherited all the same: {name}"
        yield from (f"excluded and installed: {name}" for name in self.installed if name in self.facts.bent.excludes)

    def protected(self) -> Iterator[str]:
        guarded = {name for name in map(str, self.facts.posed.protect) if name in self.facts.host}
        yield from (f"protected and replaced: {name}" for name in guarded & self.installed.keys())
        broken = {owner.partition("==")[0] for owner, _ in self.orphans()}
        yield from (f"protected and broken: {name}" for name in self.facts.reach(guarded) & broken)

    def hides(self) -> Iterator[str]:
        """Yield what is hidden and may not be."""
        posed = self.facts.posed
        if self.hidden and "hide" not in posed.orphans:
            yield f"hidden without leave: {sorted(self.hidden)}"
        yield from (f"hidden and not inherited: {name}" for name in self.hidden & self.installed.keys())
        yield from (f"hidden and not of the host: {name}" for name in self.hidden - self.facts.host.keys())
        _, lost = self._walk([*self.claims, *((name, name) for name in sorted(map(str, posed.protect)))])
        _, served = self._walk([(name, name) for name in sorted(map(str, posed.runtime))])
        # What does not load is of no use to the runtime's requirements: it may be hidden from these, if that is told.
        lost |= {one for one in served if one not in self.told or Requirement(one[1]).name not in posed.unfit}
        yield from (f"hidden and reached: {one}" for one in sorted(lost) if Requirement(one[1]).name in self.hidden)
        yield from (f"hidden of the runtime: {name}" for name in sorted(self.hidden & posed.runtime))
        yield from (f"hidden and whole: {name}" for name in sorted(self.hidden) if not self._has_need(name))
        yield from (f"runtime and replaced: {name}" for name in self.replaced())

    def replaced(self) -> list[str]:
        """Return the replaced distributions of the runtime, but those of the request that could not be kept."""
        named = {root.name for root in self.facts.posed.roots}
        found = [name for name in self.facts.runtime if name in self.installed]
        if not named.issuperset(found):
            return [name for name in found if name not in named]
        bounds = [*map(self.facts.pin, self.facts.runtime), *self.facts.guarded]
        return found if self.facts.solvable([line for _, line in self.claims], bounds) else []

    def loads(self) -> Iterator[str]:
        """Yield what may not load and is not told: known misfits, builds of another variant than the host's."""
        told = {item.code: item.message for item in self.plan.warnings}
        labels = set(map(self._label, self.view))
        for one in self.facts.posed.misfits:
            if one.name in self.installed and {*one.providers, f"{one.name}=={one.version}"} <= labels:
                yield from () if "known-misfit" in told else (f"silent misfit: {one.name}=={one.version}",)
        for name, line in self.facts.posed.lines.items():
            version = self.installed.get(name, (line.variant,))[0]
            if (
                name in self.installed
                and version.partition("+")[2] != line.variant
                and "build-line-missing" not in told
            ):
                yield f"silent build of another variant: {name}=={version}"

    def _has_need(self, name: str) -> bool:
        """Tell whether a hidden distribution would be broken, or does not fit the host."""
        lost = (one for owner, one in self.facts.holding if owner == name and not self._holds(one))
        return name in self.facts.posed.unfit or any(lost) or name in self.facts.ruled

    def reports(self) -> Iterator[str]:
        """Yield what the plan reports and what is not so."""
        rules = self.crossed()
        paired = {str(name) for pair in self.facts.posed.families.pairs for name in (pair.first, pair.second)}
        for owner, text in self.told:
            one = Requirement(text)
            known = (owner, text) in rules or {owner.partition("==")[0], one.name} <= paired
            if self._holds(one) and not known:
                yield f"reported and holds: {owner} requires {text}"
        for item in self.plan.relaxed:
            # Another build of the host's version is not the host's.
            if self._holds(Requirement(item.requirement)) and item.version == item.host_version:
                yield f"relaxed and holds: {item.requirement}"
        optional = {root.line for root in self.facts.posed.roots if root.optional}
        yield from (f"absent: {item.requirement}" for item in self.plan.absent if item.requirement not in optional)

    def needless(self) -> Iterator[str]:
        """Yield what is installed and nothing asks for, and what is broken although all can be kept."""
        posed = self.facts.posed
        kept = [(f"kept whole: {name}", self._with_extras(name)) for name in map(str, self.facts.host)]
        kept += [(f"runtime: {name}", self._with_extras(name)) for name in map(str, posed.runtime)]
        asked, _ = self._walk([*self.claims, *(kept if "repair" in posed.orphans else self._held_extras())])
        # An override also counts where a marker says that the requirement does not apply: uv's doing.
        alone = self.installed.keys() - asked - set(map(str, self.plan.lines))
        if alone and not posed.overrides:
            yield f"nothing asks for {sorted(alone)}"
        broken = {item for item in self.plan.broken if Requirement(item.requirement).name not in posed.unfit}
        if posed.orphans == "report" or posed.families.pairs or posed.families.majors or not broken:
            return
        moved = {root.name for root in posed.roots} | set(posed.no_inherit) if posed.no_inherit else set()
        moved -= {item.distribution.partition("==")[0] for item in self.plan.broken}
        held = [one for owner, one in self.facts.holding if owner not in moved]
        if posed.inherit and self.facts.solvable([root.line for root in posed.roots], held):
            yield f"all can be kept, and is broken: {sorted(map(str, self.plan.broken))}"

    def _held_extras(self) -> list[tuple[str, str]]:
        """Return the installed distributions with the extras that the host asks of them."""
        if self.facts.posed.orphans == "report":
            return []
        return [(f"extras of {name}", self._with_extras(name)) for name in self.installed]

    def _with_extras(self, name: str) -> str:
        extras = self.facts.asked_extras.get(name)
        return f"{name}[{','.join(sorted(extras))}]" if extras else name


def judged(
    index: Index, posed: Problem, answer: Plan | NoSolutionError, lines: Mapping[str, Index] | None = None
) -> list[str]:
    """Return the faults of the answer to a problem; `lines` are the indexes of builds for the host."""
    facts = Facts(index, posed, lines or {})
    return list(refusal(facts, answer) if isinstance(answer, NoSolutionError) else Judgement(facts, answer).faults())
