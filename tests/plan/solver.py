"""A resolver in memory that shares no code with the planner, and reports one conflict at a time, as uv does.

It knows extras, circles, overrides and excludes. Whether it prefers the host's version of a name depends on a seed.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Mapping

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from venvkit.plan.resolver import Unsolvable
from venvkit.plan.values import Description, Pin, Question
from venvkit.plan.view import Member

Index = Mapping[str, Mapping[str, tuple[str, ...]]]
MARKERS = {"python_version": "3.11", "os_name": "posix", "sys_platform": "linux"}


def lines_of(lines: Iterable[str], extras: Iterable[str]) -> list[Requirement]:
    """Return the requirements that apply with some extras."""
    parsed = [Requirement(line) for line in lines]
    wanted = ("", *extras)
    return [
        one
        for one in parsed
        if one.marker is None or any(one.marker.evaluate({**MARKERS, "extra": extra}) for extra in wanted)
    ]


class World:
    """What can be chosen: the index, the host's copies, what is overridden and excluded."""

    def __init__(
        self, index: Index, host: Mapping[NormalizedName, Member], hidden: Iterable[str], overrides: Iterable[str],
        excludes: Iterable[str],
    ) -> None:  # fmt: skip
        self.index = index
        self.host = {str(name): item for name, item in host.items() if name not in set(hidden)}
        self.overrides = {str(canonicalize_name(one.name)): one for one in map(Requirement, overrides)}
        self.excludes = set(excludes)

    def versions(self, name: str) -> list[str]:
        found = set(self.index.get(name, ()))
        if name in self.host:
            found.add(self.host[name].version)
        return sorted(found, key=Version, reverse=True)

    def requires(self, name: str, version: str, extras: Iterable[str]) -> list[Requirement]:
        own = self.host.get(name)
        lines = (own.requires or ()) if own is not None and own.version == version else self.index[name][version]
        return [new for one in lines_of(lines, extras) if (new := self.bent(one)) is not None]

    def bent(self, one: Requirement) -> Requirement | None:
        return None if one.name in self.excludes else self.overrides.get(one.name, one)

    def solve(
        self, goals: list[Requirement], bounds: list[Requirement], seed: int | None = None
    ) -> dict[str, str] | None:
        start = [new for one in goals if (new := self.bent(one)) is not None]
        return self._solve(start, bounds, {}, frozenset(), seed)

    def _solve(
        self, goals: list[Requirement], bounds: list[Requirement], chosen: dict[str, str],
        done: frozenset[tuple[str, str]], seed: int | None,
    ) -> dict[str, str] | None:  # fmt: skip
        if not goals:
            return chosen
        first, rest = goals[0], goals[1:]
        name = first.name
        limits = [first, *(one for one in bounds if one.name == name)]
        for version in [chosen[name]] if name in chosen else self._ordered(name, seed):
            if not all(one.specifier.contains(version, prereleases=True) for one in limits):
                continue
            fresh = [extra for extra in ("", *sorted(first.extras)) if (name, extra) not in done]
            below = [one for extra in fresh for one in self.requires(name, version, [extra] if extra else [])]
            found = self._solve(
                [*rest, *below], bounds, {**chosen, name: version}, done | {(name, extra) for extra in fresh}, seed
            )
            if found is not None:
                return found
        return None

    def _ordered(self, name: str, seed: int | None) -> list[str]:
        versions = self.versions(name)
        own = self.host.get(name)
        if own is not None and (seed is None or zlib.crc32(f"{seed} {name}".encode()) % 3):
            return [own.version, *(one for one in versions if one != own.version)]
        return versions


class OneConflict:
    """The resolver: of an unsolvable question it names one minimal set of requirements that collide."""

    def __init__(self, index: Index, host: Mapping[NormalizedName, Member], seed: int | None = None) -> None:
        self.index, self.host, self.seed = index, host, seed
        self.questions: list[Question] = []

    def resolve(self, question: Question) -> tuple[Pin, ...]:
        self.questions.append(question)
        world = World(self.index, self.host, question.barred, question.overrides, question.excludes)
        goals, bounds = list(map(Requirement, question.requirements)), list(map(Requirement, question.constraints))
        chosen = world.solve(goals, bounds, self.seed)
        if chosen is None:
            names = self._conflict(world, goals, bounds)
            raise Unsolvable("no solution", mentions=names, details=(f"collide: {', '.join(sorted(names))}",))
        return tuple(
            Pin(canonicalize_name(name), version)
            for name, version in chosen.items()
            if name not in world.host or world.host[name].version != version
        )

    def describe(self, pins: Iterable[Pin]) -> dict[NormalizedName, Description]:
        return {pin.name: Description(self.index[pin.name][pin.version]) for pin in pins}

    def _conflict(self, world: World, goals: list[Requirement], bounds: list[Requirement]) -> frozenset[NormalizedName]:
        """Leave out what the conflict does not need, one by one: what remains is one conflict."""
        for kept, other in ((bounds, goals), (goals, bounds)):
            for one in list(kept):
                less = [item for item in kept if item is not one]
                pair = (other, less) if kept is bounds else (less, other)
                if world.solve(*pair) is None:
                    kept.remove(one)
        return frozenset(canonicalize_name(one.name) for one in itertools.chain(goals, bounds))
