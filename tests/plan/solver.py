"""A resolver in memory that shares no code with the planner, and reports one conflict at a time, as uv does.

It knows extras, cycles, overrides and excludes. Whether it prefers the host's version of a name depends on a seed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from venvkit.plan.resolver import Unsolvable
from venvkit.plan.values import Description, Pin, Question
from venvkit.plan.view import Member

ENVIRONMENT = {
    "implementation_name": "cpython", "implementation_version": "3.11.7", "os_name": "posix",
    "platform_machine": "x86_64", "platform_release": "", "platform_system": "Linux", "platform_version": "",
    "python_full_version": "3.11.7", "platform_python_implementation": "CPython", "python_version": "3.11",
    "sys_platform": "linux",
}  # fmt: skip

Index = Mapping[str, Mapping[str, tuple[str, ...]]]
Lines = dict[str, tuple[str, tuple[str, ...]]]


def lines_of(lines: Iterable[str], extras: Iterable[str]) -> list[Requirement]:
    """Return the requirements that apply with some extras."""
    wanted = ("", *extras)
    return [
        one
        for one in map(Requirement, lines)
        if one.marker is None or any(one.marker.evaluate({**ENVIRONMENT, "extra": extra}) for extra in wanted)
    ]


def allows(one: Requirement, version: str) -> bool:
    return one.specifier.contains(version, prereleases=True)


class Bent:
    """What overrides and excludes make of requirements."""

    def __init__(self, overrides: Iterable[str], excludes: Iterable[str]) -> None:
        self.overrides = {one.name: one for one in map(Requirement, overrides)}
        self.excludes = set(excludes)

    def __call__(self, one: Requirement) -> Requirement | None:
        return None if one.name in self.excludes else self.overrides.get(one.name, one)


@dataclass
class World:
    """What can be chosen: the index, and the host's copies that are candidates, as name -> (version, lines)."""

    index: Index
    host: Lines
    bent: Bent

    def versions(self, name: str) -> list[str]:
        found = set(self.index.get(name, ()))
        if name in self.host:
            found.add(self.host[name][0])
        return sorted(found, key=Version, reverse=True)

    def requires(self, name: str, version: str, extras: Iterable[str]) -> list[Requirement]:
        own = self.host.get(name)
        lines = own[1] if own is not None and own[0] == version else self.index[name][version]
        # As in uv, an override replaces the marker as well, but for the extra.
        bare = [line.partition(";")[0] if self._replaced(line) else line for line in lines]
        return [new for one in lines_of(bare, extras) if (new := self.bent(one)) is not None]

    def _replaced(self, line: str) -> bool:
        return "extra" not in line and Requirement(line).name in self.bent.overrides

    def solve(
        self, goals: Iterable[Requirement], bounds: Sequence[Requirement], preferred: Iterable[str] = ()
    ) -> dict[str, str] | None:
        """Return a solution as name -> version; of a name in `preferred`, the host's version is tried first."""
        start = [new for one in goals if (new := self.bent(one)) is not None]
        return self._solve(start, bounds, {}, frozenset(), frozenset(preferred))

    def _solve(
        self, goals: list[Requirement], bounds: Sequence[Requirement], chosen: dict[str, str],
        done: frozenset[tuple[str, str]], preferred: frozenset[str],
    ) -> dict[str, str] | None:  # fmt: skip
        if not goals:
            return chosen
        first, rest = goals[0], goals[1:]
        name = first.name
        limits = [first, *(one for one in bounds if one.name == name)]
        versions = self.versions(name)
        if name in preferred:
            versions.sort(key=lambda version: version != self.host[name][0])
        for version in [chosen[name]] if name in chosen else versions:
            if not all(allows(one, version) for one in limits):
                continue
            fresh = [extra for extra in ("", *sorted(first.extras)) if (name, extra) not in done]
            below = [one for extra in fresh for one in self.requires(name, version, [extra] if extra else [])]
            more = done | {(name, extra) for extra in fresh}
            found = self._solve([*rest, *below], bounds, {**chosen, name: version}, more, preferred)
            if found is not None:
                return found
        return None


@dataclass
class OneConflict:
    """The resolver. Of an unsolvable question it names one minimal set of requirements that collide.

    Args:
        seed: Decides which names keep the host's version where they can; with None, all of them do.
        opaque: Names whose requirements can not be read before the build.
        sdists: Names and versions for which there is no wheel.
        lines: The index of each address that a question may tie names to.
    """

    index: Index
    host: Mapping[NormalizedName, Member] = field(default_factory=dict)
    seed: int | None = None
    opaque: frozenset[str] = frozenset()
    sdists: frozenset[tuple[str, str]] = frozenset()
    lines: Mapping[str, Index] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)

    def resolve(self, question: Question) -> tuple[Pin, ...]:
        self.questions.append(question)
        host = {
            str(name): (item.version, item.requires or ())
            for name, item in self.host.items()
            if name not in question.barred
        }
        index = {
            name: {
                version: lines
                for version, lines in versions.items()
                if name not in question.wheels or (name, version) not in self.sdists
            }
            for name, versions in {**self.index, **self._tied(question)}.items()
        }
        world = World(index, host, Bent(question.overrides, question.excludes))
        goals, bounds = list(map(Requirement, question.requirements)), list(map(Requirement, question.constraints))
        direct = {one.name: one.url for one in goals if one.url}
        chosen = world.solve(goals, bounds, () if question.upgrade else filter(self._prefers, host))
        if chosen is None:
            ones = self._conflict(world, goals, bounds)
            names = frozenset(canonicalize_name(one.name) for one in ones)
            # uv's text cannot always be read so closely.
            asks = tuple((canonicalize_name(one.name), str(one.specifier)) for one in ones if one.specifier)
            raise Unsolvable(
                "no solution",
                mentions=names,
                asks=asks if self._reads_closely else (),
                details=(f"collide: {', '.join(sorted(names))}",),
            )
        return tuple(
            Pin(canonicalize_name(name), version, direct.get(name))
            for name, version in chosen.items()
            if name not in host or host[name][0] != version
        )

    def describe(self, pins: Iterable[Pin]) -> dict[NormalizedName, Description]:
        return {
            pin.name: Description(
                None if pin.name in self.opaque else self._requires(pin),
                builds=(pin.name, pin.version) in self.sdists,
            )
            for pin in pins
        }

    def _requires(self, pin: Pin) -> tuple[str, ...]:
        tables = (self.index, *self.lines.values())
        return next(table[pin.name][pin.version] for table in tables if pin.version in table.get(pin.name, ()))

    def _tied(self, question: Question) -> Index:
        return {name: self.lines[url].get(name, {}) for name, url in question.tied}

    @property
    def _reads_closely(self) -> bool:
        return self.seed is None or self.seed % 3 > 0

    def _prefers(self, name: str) -> bool:
        return self.seed is None or bool(zlib.crc32(f"{self.seed} {name}".encode()) % 3)

    def _conflict(self, world: World, goals: list[Requirement], bounds: list[Requirement]) -> list[Requirement]:
        """Leave out what the conflict does not need, one by one: what remains is one conflict."""
        for kept, other in ((bounds, goals), (goals, bounds)):
            for one in list(kept):
                less = [item for item in kept if item is not one]
                pair = (other, less) if kept is bounds else (less, other)
                if world.solve(*pair) is None:
                    kept.remove(one)
        return [*goals, *bounds]
