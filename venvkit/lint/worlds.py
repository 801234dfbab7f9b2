"""The machines and launches that a marker can tell apart, and what it says in each of them.

A marker looks at groups of facts that do not depend on one another: the engine, the accelerator, Python, the platform,
the implementation, each `#variable#`. For each group, `facts.py` lists what it can be, long enough that every real
machine is like one of the list for the literals that the marker holds. Those that no comparison of the marker tells
apart count once; the product of the groups is evaluated by the evaluator itself.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from venvkit.host.accelerator import Accelerator
from venvkit.lint import facts
from venvkit.lint.facts import Launch
from venvkit.spec.engine_values import EngineTable
from venvkit.spec.language.marker import MarkerContext
from venvkit.spec.language.nodes import DEVICE_NAMES, ENGINE_NAMES, FLAG_NAMES, Comparison, Flag, Node

# Markers beyond these bounds are left alone: they take seconds, and nobody writes them.
_MOST_WORLDS = 5_000
_MOST_COMPARISONS = 500
# No literal is so long, and a version of so many digits cannot be read.
_LONGEST = 1_000
# Evaluations of a comparison for one spec, about two seconds; a marker that would need more is left alone.
_MOST_WORK = 60_000


# Part of a machine or of a launch on it: fields of a `MarkerContext` with their values.
_Facts = dict[str, Any]
_Leaf = Flag | Comparison
_T = TypeVar("_T")
_Group = tuple[frozenset[str], "list[_Facts] | None"]


class Worlds(Struct, frozen=True):
    """Answers what markers can say, under the names that the engine data gives to engines."""

    engines: EngineTable
    _known: dict[tuple[Node, Launch | None], frozenset[bool] | None] = field(default_factory=dict)
    _work: list[int] = field(default_factory=lambda: [0])

    def afresh(self) -> Worlds:
        """Return the same worlds for another spec: what is done for one is bounded, and what is known stays known."""
        return replace(self, _work=[0])

    def launch(self, name: str) -> Launch:
        """Return how an engine is launched: by the data's name with its aliases, or as a spec names it."""
        engine = self.engines.find(name)
        return (engine.name, frozenset(engine.aliases)) if engine else (name.lower(), frozenset())

    def outcomes(self, root: Node, launch: Launch | None = None) -> frozenset[bool] | None:
        """Return the possible values of the marker of this root: some of True and False.

        Args:
            launch: The only launch that counts; None for any.

        Returns:
            None where it is not certain: the marker looks at something that can be anything.
        """
        if (root, launch) not in self._known:
            if self.exhausted:
                return None
            self._known[root, launch] = self._outcomes(root, launch)
        return self._known[root, launch]

    @property
    def exhausted(self) -> bool:
        """Whether the limit of work for one spec is reached; then no new answer is computed."""
        return self._work[0] > _MOST_WORK

    def never(self, root: Node | None, launch: Launch | None = None) -> bool:
        """Tell whether a condition certainly never holds."""
        return root is not None and self.outcomes(root, launch) == frozenset({False})

    def always(self, root: Node | None, launch: Launch | None = None) -> bool:
        """Tell whether a condition certainly holds always."""
        return root is None or self.outcomes(root, launch) == frozenset({True})

    def _outcomes(self, root: Node, launch: Launch | None) -> frozenset[bool] | None:
        leaves = tuple(root.walk())
        if len(leaves) > _MOST_COMPARISONS or any(
            isinstance(leaf, Comparison) and len(leaf.literal) > _LONGEST for leaf in leaves
        ):
            return None
        groups: list[list[_Facts]] = []
        for names, found in self._groups(leaves, launch):
            if found is None:
                return None
            about = [leaf for leaf in leaves if leaf.name in names]
            if len(found) * len(about) > _MOST_WORK:
                return None
            self._work[0] += len(found) * len(about)
            groups.append(_told_apart(about, found))
        if math.prod(map(len, groups)) > _MOST_WORLDS:
            return None
        said: set[bool] = set()
        for parts in itertools.product(*groups):
            if self.exhausted:
                return None
            self._work[0] += len(leaves)
            said.add(root.evaluate(_context(parts)))
            if len(said) == 2:
                break
        return frozenset(said)

    def _groups(self, leaves: Sequence[_Leaf], launch: Launch | None) -> Iterator[_Group]:
        """Yield the names of each group that the leaves look at, and what it can be; None where that is anything."""
        names = frozenset(leaf.name for leaf in leaves)
        compared = [leaf for leaf in leaves if isinstance(leaf, Comparison)]

        def about(group: frozenset[str]) -> list[Comparison]:
            return [leaf for leaf in compared if leaf.name in group]

        if names & facts.OPEN_NAMES:
            yield facts.OPEN_NAMES, None
        if names & ENGINE_NAMES:
            named = [literal for leaf in about(ENGINE_NAMES) for literal in facts.literals(leaf)]
            named = [name for name in named if name.strip()]  # none is launched by an empty name
            named += [engine.name for engine in self.engines.engines]
            launches = facts.launches(map(self.launch, named)) if launch is None else [launch]
            yield ENGINE_NAMES, [_launched(one) for one in launches]
        if names & (devices := DEVICE_NAMES | FLAG_NAMES):
            yield devices, _each(_with_accelerator, facts.accelerators(about(devices)))
        for group, possible in facts.ENVIRONMENT_GROUPS:
            if names & group:
                yield group, _each(lambda pairs: {"environment": dict(pairs)}, possible(about(group)))
        for name in sorted(name for name in names - ENGINE_NAMES if name.startswith("#")):
            values = facts.values(about(frozenset({name})))
            yield frozenset({name}), _each(functools.partial(_with_variable, name.strip("#")), values)


def _context(parts: Iterable[_Facts]) -> MarkerContext:
    """Return the machine and launch that consist of these parts."""
    found: _Facts = {"environment": {}, "variables": {}}
    for part in parts:
        for name, value in part.items():
            found[name] = {**found[name], **value} if isinstance(value, dict) else value
    return MarkerContext(**found)


def _each(make: Callable[[_T], _Facts], values: Iterable[_T] | None) -> list[_Facts] | None:
    """Return the facts of each value; of more than can be tried, one more than that."""
    return None if values is None else [make(value) for value in itertools.islice(values, _MOST_WORK + 1)]


def _told_apart(leaves: Sequence[_Leaf], parts: Iterable[_Facts]) -> list[_Facts]:
    """Return one of each kind of facts that the comparisons tell apart."""
    kinds: dict[tuple[bool, ...], _Facts] = {}
    for part in parts:
        context = _context([part])
        kinds.setdefault(tuple(leaf.evaluate(context) for leaf in leaves), part)
    return list(kinds.values())


def _launched(launch: Launch) -> _Facts:
    return {"engine": launch[0], "engine_names": launch[1]}


def _with_accelerator(accelerator: Accelerator) -> _Facts:
    return {"accelerator": lambda: accelerator}


def _with_variable(name: str, value: str) -> _Facts:
    return {"variables": {name: value}}
