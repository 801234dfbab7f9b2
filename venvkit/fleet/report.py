"""The summary of a fleet: launches grouped by plan, totals, and the reasons of launches without a plan."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable

from msgspec import Struct

from venvkit.fleet.planning import Survey
from venvkit.fleet.values import Outline, Row, Status, Trouble

# uv's own marks before the lines of a reason.
_LEAD = re.compile(r"^[^\w`'\"(]*(?:(?:error|cause|caused by)\s*:\s*)?", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:git\+)?(?:https?|file|ssh)://[^\s'`\"<>]+")
# What every one of them ends with.
_TAIL = re.compile(r",? we can conclude that your requirements are unsatisfiable\.?$")
_LONGEST = 400
_LINES = 3


class Group(Struct, frozen=True):
    """Launches that have the same plan, or none for the same reason."""

    rows: tuple[Row, ...]

    @property
    def plan(self) -> Outline | None:
        """The plan they have in common."""
        return self.rows[0].answer.plan

    @property
    def status(self) -> Status:
        """The status of their planning."""
        return self.rows[0].answer.status

    @property
    def models(self) -> tuple[str, ...]:
        """Their models, each once; what is not the first of several specs of one name says so."""
        return tuple(dict.fromkeys(map(_label, self.rows)))

    @property
    def types(self) -> tuple[str, ...]:
        """The types of their models, each once, as far as they say one."""
        return tuple(dict.fromkeys(row.model.type for row in self.rows if row.model.type))

    @property
    def engines(self) -> tuple[str, ...]:
        """Their engines, each once; `-` where one has none."""
        return tuple(dict.fromkeys(row.engine or "-" for row in self.rows))

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings of all of them, each once."""
        return tuple(dict.fromkeys(warning for row in self.rows for warning in row.answer.warnings))


class Totals(Struct, frozen=True):
    """The figures of a fleet.

    Args:
        specs: Specs that the sources have.
        launches: Model and engine, each pair that can be launched here and was answered.
        requests: Distinct requests among them.
        environments: Distinct environments that these come to.
        download_bytes: Bytes to download for all environments, as far as the sources tell sizes.
        compiles: Distinct distributions that would be built from source.
        cached: Requests that were answered by an earlier run.
        oldest: Age of the oldest of those answers, in seconds; 0 where there is none.
        statuses: How many launches ended how.
        stored: How many launches have what in the store.
        elsewhere: Launches of engines that do not run on this platform.
        unfinished: Distinct requests that an interruption left without an answer.
    """

    specs: int
    launches: int
    requests: int
    environments: int
    download_bytes: int
    compiles: tuple[str, ...]
    cached: int
    oldest: float
    statuses: tuple[tuple[str, int], ...]
    stored: tuple[tuple[str, int], ...]
    elsewhere: tuple[tuple[str, int], ...]
    unfinished: int


def totals(survey: Survey, now: float) -> Totals:
    """Return the figures of a survey at `now` (seconds since 1970)."""
    rows = survey.rows
    plans = {row.answer.plan.key: row.answer.plan for row in rows if row.answer.plan is not None}
    old = {row.request: row.answer.made for row in rows if row.cached}
    return Totals(
        specs=survey.expansion.specs,
        launches=len(rows),
        requests=len({row.request for row in rows if row.request}),
        environments=len(plans),
        download_bytes=sum(plan.download_bytes for plan in plans.values()),
        compiles=tuple(sorted({item for plan in plans.values() for item in plan.compiles})),
        cached=len(old),
        oldest=max(0.0, now - min(old.values())) if old else 0.0,
        statuses=_counted(row.answer.status for row in (*rows, *survey.expansion.faulty)),
        stored=_counted(row.stored.state for row in rows if row.stored is not None),
        elsewhere=survey.expansion.elsewhere,
        unfinished=survey.unfinished,
    )


def planned_groups(rows: Iterable[Row]) -> tuple[Group, ...]:
    """Return the launches that have a plan, one group for each environment."""
    return _grouped(
        (row for row in rows if row.answer.plan is not None), lambda row: row.answer.plan and row.answer.plan.key
    )


def unplanned_groups(rows: Iterable[Row]) -> tuple[Group, ...]:
    """Return the launches without a plan, one group for each reason."""
    return _grouped((row for row in rows if row.answer.plan is None), lambda row: (row.answer.status, reason(row)))


def reason(row: Row) -> str:
    """Return in one line why a launch has no plan, or what is broken in the one it has; else an empty text."""
    plan, trouble = row.answer.plan, row.answer.trouble
    if plan is not None:
        return "; ".join(plan.broken)
    return _told(trouble) if trouble is not None else ""


def _told(trouble: Trouble) -> str:
    """Return the reason that a person needs: uv's own for no solution, the address of a source, else the message."""
    lines = [line for detail in trouble.details if (line := _LEAD.sub("", detail.strip()).strip())]
    text = " ".join(lines)
    address = _ADDRESS.search(text) if trouble.status.startswith("source-") else None
    if address is not None:
        # That it cannot be reached is what the status says.
        told = address[0] if trouble.status == "source-unreachable" else f"{address[0]}: {trouble.message}"
    elif trouble.code == "no-solution" and len(lines) > 1:
        told = _TAIL.sub("", " ".join(lines[1:]))
    else:
        told = ": ".join(filter(None, (trouble.where, trouble.message, "; ".join(lines[:_LINES]))))
    return told if len(told) <= _LONGEST else f"{told[:_LONGEST]} ..."


def _label(row: Row) -> str:
    return row.model.name if row.model.variant == 1 else f"{row.model.name} (variant {row.model.variant})"


def _grouped(rows: Iterable[Row], key: Callable[[Row], Hashable]) -> tuple[Group, ...]:
    found: dict[Hashable, list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return tuple(Group(tuple(rows)) for rows in found.values())


def _counted(names: Iterable[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))
