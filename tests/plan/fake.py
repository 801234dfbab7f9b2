"""An index and resolver in memory: a table of packages and a small backtracking solver, a real one, no network.

It behaves as uv does in a mirror: host distributions are candidates and preferred, requirements of kept host
distributions count, an override replaces, an exclude removes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from venvkit.plan.resolver import Unsolvable
from venvkit.plan.values import Description, Pin, Question
from venvkit.plan.view import Member, Rules

ENVIRONMENT = {
    "implementation_name": "cpython", "implementation_version": "3.11.7", "os_name": "posix",
    "platform_machine": "x86_64", "platform_release": "", "platform_system": "Linux", "platform_version": "",
    "python_full_version": "3.11.7", "platform_python_implementation": "CPython", "python_version": "3.11",
    "sys_platform": "linux",
}  # fmt: skip

Table = Mapping[str, Mapping[str, tuple[str, ...]]]


def member(name: str, version: str, *requires: str, compiled: bool = False) -> Member:
    return Member(canonicalize_name(name), version, requires, inherited=True, compiled=compiled)


def host_of(*members: Member) -> dict[NormalizedName, Member]:
    return {item.name: item for item in members}


@dataclass
class TableResolver:
    """Answers from `table`: name -> version -> Requires-Dist lines."""

    table: Table
    host: Mapping[NormalizedName, Member] = field(default_factory=dict)
    opaque: frozenset[str] = frozenset()
    sdists: frozenset[tuple[str, str]] = frozenset()
    questions: list[Question] = field(default_factory=list)
    steps: int = 0

    def resolve(self, question: Question) -> tuple[Pin, ...]:
        self.questions.append(question)
        self.steps = 0
        rules = Rules.of(ENVIRONMENT, question.overrides, question.excludes)
        goals = [Requirement(line) for line in question.requirements]
        bounds = [Requirement(line) for line in question.constraints]
        chosen = self._solve(goals, bounds, {}, question, rules)
        if chosen is None:
            names = {canonicalize_name(goal.name) for goal in (*goals, *bounds)}
            raise Unsolvable("no solution", mentions=frozenset(names), details=("the table has none",))
        urls = {canonicalize_name(goal.name): goal.url for goal in goals if goal.url}
        return tuple(
            Pin(name, version, urls.get(name))
            for name, version in chosen.items()
            if name in question.barred or name not in self.host or self.host[name].version != version
        )

    def describe(self, pins: Iterable[Pin]) -> dict[NormalizedName, Description]:
        return {
            pin.name: Description(
                None if pin.name in self.opaque else self.table[pin.name][pin.version],
                builds=(pin.name, pin.version) in self.sdists,
            )
            for pin in pins
        }

    def _solve(
        self,
        goals: list[Requirement],
        bounds: list[Requirement],
        chosen: dict[NormalizedName, str],
        question: Question,
        rules: Rules,
    ) -> dict[NormalizedName, str] | None:
        self.steps += 1
        if self.steps > 4000:
            return None
        if not goals:
            return chosen
        first, rest = goals[0], goals[1:]
        bent = rules.bend(first)
        if bent is None:
            return self._solve(rest, bounds, chosen, question, rules)
        name = canonicalize_name(bent.name)
        known = chosen.get(name)
        candidates = [known] if known is not None else self._candidates(name, question)
        for version in candidates:
            limits = [bent, *(bound for bound in bounds if canonicalize_name(bound.name) == name)]
            if not all(limit.specifier.contains(version, prereleases=True) for limit in limits):
                continue
            below = self._below(name, version, frozenset(first.extras), question)
            if known is not None and not first.extras:
                below = []
            found = self._solve([*rest, *below], bounds, {**chosen, name: version}, question, rules)
            if found is not None:
                return found
        return None

    def _candidates(self, name: NormalizedName, question: Question) -> list[str]:
        versions = sorted(self.table.get(name, {}), key=Version, reverse=True)
        if name in question.wheels:
            versions = [version for version in versions if (name, version) not in self.sdists]
        mine = self.host.get(name)
        if mine is None or name in question.barred:
            return versions
        return [mine.version, *(version for version in versions if version != mine.version)]

    def _below(
        self, name: NormalizedName, version: str, extras: frozenset[str], question: Question
    ) -> list[Requirement]:
        mine = self.host.get(name)
        from_host = mine is not None and mine.version == version and name not in question.barred
        lines = mine.requires if from_host and mine is not None else self.table[name][version]
        parsed = [Requirement(line) for line in lines or ()]
        wanted = ["", *extras]
        return [
            item
            for item in parsed
            if item.marker is None or any(item.marker.evaluate({**ENVIRONMENT, "extra": extra}) for extra in wanted)
        ]
