"""What a measurement is: sides that are run in turn, and rows that set one side against its anchor."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["at most", "times", "beyond", "part beyond", "times faster", "shown"]
Samples = Mapping[str, Sequence[float]]


class Skipped(Exception):
    """A case that cannot be measured on this machine."""


def nothing() -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class Side:
    """One thing that is measured.

    Args:
        sample: Runs it once and returns seconds (or bytes, as the case says).
        before: Puts things in order for one run; not measured.
    """

    name: str
    sample: Callable[[], float]
    before: Callable[[], None] = nothing


@dataclass(frozen=True)
class Row:
    """A line of the table: a side, its anchor, and what must hold.

    Args:
        kind: `at most`: the side itself; `times`: side over anchor; `beyond`: side less anchor; `part beyond`: that
            over the anchor; `times faster`: anchor over side; `shown`: no target.
        limit: In the case's unit for `at most` and `beyond`, else a factor.
        anchors: Names of sides; of several the sum counts, run by run.
    """

    what: str
    side: str
    anchors: tuple[str, ...]
    kind: Kind
    limit: float = 0.0

    def figure(self, samples: Samples) -> float:
        """Return the figure that is held against the limit: the median over the runs."""
        mine = samples[self.side]
        theirs = [sum(parts) for parts in zip(*(samples[name] for name in self.anchors), strict=True)]
        if self.kind in ("at most", "shown") or not theirs:
            return statistics.median(mine)
        middle = statistics.median(theirs)
        return {
            "times": lambda: statistics.median(mine) / middle,
            "beyond": lambda: statistics.median(one - other for one, other in zip(mine, theirs, strict=True)),
            "part beyond": lambda: statistics.median(mine) / middle - 1,
            "times faster": lambda: middle / statistics.median(mine),
        }[self.kind]()

    def anchor(self, samples: Samples) -> float | None:
        """Return the anchor's own median."""
        if not self.anchors:
            return None
        return statistics.median(sum(parts) for parts in zip(*(samples[name] for name in self.anchors), strict=True))

    def holds(self, samples: Samples) -> bool:
        """Tell whether the target is reached."""
        figure = self.figure(samples)
        if self.kind == "shown":
            return True
        return figure >= self.limit if self.kind == "times faster" else figure <= self.limit


@dataclass(frozen=True)
class Plan:
    """A case made ready: its sides in the order in which one round runs them, and its rows.

    Args:
        point: The size that a growth case is measured at, by name: `{"distributions": 1000}`.
        unit: `s`, or `B` for bytes.
        facts: What else is worth telling, such as counts.
    """

    sides: tuple[Side, ...]
    rows: tuple[Row, ...]
    unit: str = "s"
    point: Mapping[str, int] | None = None
    facts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """What came out of a plan."""

    case: str
    plan: Plan
    samples: Samples

    @property
    def holds(self) -> bool:
        return all(row.holds(self.samples) for row in self.plan.rows)

    def document(self) -> dict[str, object]:
        """Return it as plain JSON values."""
        return {
            "case": self.case,
            "point": dict(self.plan.point or {}),
            "unit": self.plan.unit,
            "facts": list(self.plan.facts),
            "medians": {name: statistics.median(values) for name, values in self.samples.items()},
            "samples": {name: list(values) for name, values in self.samples.items()},
            "rows": [
                {
                    "what": row.what,
                    "side": row.side,
                    "anchors": list(row.anchors),
                    "kind": row.kind,
                    "limit": row.limit,
                    "figure": row.figure(self.samples),
                    "holds": row.holds(self.samples),
                }
                for row in self.plan.rows
            ],
        }


def measure(case: str, plan: Plan, runs: int) -> Result:
    """Run the sides of a plan in turn, `runs` rounds after one that does not count."""
    samples: dict[str, list[float]] = {side.name: [] for side in plan.sides}
    for number in range(-1, runs):
        for side in plan.sides:
            side.before()
            value = side.sample()
            if number >= 0:
                samples[side.name].append(value)
    return Result(case, plan, samples)


def measure_all(plans: Iterator[tuple[str, Plan]], runs: int) -> Iterator[Result]:
    """Measure plans one after the other."""
    for case, plan in plans:
        yield measure(case, plan, runs)
