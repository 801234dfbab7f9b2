"""The result of `plan --all`: what every launch would get, grouped by environment, and what that comes to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from msgspec import Struct

from venvkit.cli.outcome import Failure, plain
from venvkit.cli.page.blocks import Block, Column, Fields, Table, table
from venvkit.cli.page.text import counted, size
from venvkit.errors import CancelledError
from venvkit.fleet.planning import Survey
from venvkit.fleet.report import Group, Totals, planned_groups, reason, totals, unplanned_groups
from venvkit.fleet.values import Outline, Row, Status
from venvkit.plan.explain import Change

_TITLES: dict[Status, str] = {
    "no-solution": "no solution",
    "source-unreachable": "a source cannot be reached",
    "source-refused": "a source refused",
    "refused": "refused by policy",
    "faulty": "faulty spec, or not to be launched so",
    "failed": "failed",
}
_WORDS = {"built": "built", "shared": "there", "other-variant": "other variant", "rebuild": "rebuild", "new": "new"}
_CHANGES = 4
_MODEL = Column("models", "strong", folds=True)
_TYPE = Column("type", "quiet", folds=True)
_ENGINE = Column("engine", folds=True)


class FleetPlan(Struct, frozen=True):
    """A fleet that was planned.

    Args:
        made: When the page is made, in seconds since 1970.
        full: Name every model of a group, and every warning and change.
    """

    survey: Survey
    made: float
    full: bool = False

    @property
    def failure(self) -> Failure | None:
        """The failure that `plan --all` ends with: an interruption, or a fault of venvkit."""
        if self.survey.unfinished:
            return interrupted(self.survey.unfinished, "request")
        troubles = [row.answer.trouble for row in self.survey.rows if row.answer.trouble is not None]
        odd = [trouble for trouble in troubles if trouble.code == "unexpected"]
        if not odd:
            return None
        message = f"{len(odd)} launches met a fault of venvkit: {odd[0].message}"
        return Failure("unexpected", message, odd[0].where, odd[0].remedy, (), 1)

    def data(self) -> object:
        survey = self.survey
        rows = (*survey.rows, *survey.expansion.faulty)
        plans = {row.answer.plan.key: row.answer.plan for row in rows if row.answer.plan is not None}
        return {
            "host": survey.python,
            "python": survey.version,
            "totals": _figures(totals(survey, self.made)),
            "launches": [_launch(row) for row in rows],
            "plans": [_plan(plan) for plan in plans.values()],
            "faults": list(survey.expansion.faults),
        }

    def blocks(self) -> Iterator[Block]:
        rows = self.survey.rows
        groups = planned_groups(rows)
        whole = [group for group in groups if group.status == "planned"]
        broken = [group for group in groups if group.status == "broken"]
        parts = [
            self._planned(whole, f"planned: {counted(len(whole), 'environment')}"),
            self._planned(broken, f"planned with something broken: {counted(len(broken), 'environment')}"),
            self._reasons(broken, "broken: what would not be met"),
            *self._unplanned(),
            self._rebuilds(),
            self._warnings(groups),
            unread(self.survey.expansion.faults),
        ]
        yield from (part for part in parts if part.rows)
        yield Fields(tuple(_sums(self.survey, totals(self.survey, self.made))), title="in all")

    def _planned(self, groups: Iterable[Group], title: str) -> Table:
        columns = (
            _MODEL,
            _TYPE,
            _ENGINE,
            Column("adds", right=True),
            Column("host", right=True),
            Column("download", right=True),
            Column("compiles", "warn", folds=self.full, right=not self.full),
            Column("in store", "quiet"),
        )
        return table(title, columns, [self._planned_cells(group) for group in groups])

    def _planned_cells(self, group: Group) -> tuple[str, ...]:
        plan = group.plan
        assert plan is not None
        known = all(item.size is not None for item in plan.install)
        return (
            *self._who(group),
            str(len(plan.install)),
            str(len(plan.inherit)),
            f"{'' if known else '>'}{size(plan.download_bytes)}",
            ", ".join(plan.compiles) if self.full else str(len(plan.compiles) or ""),
            _in_store(group.rows),
        )

    def _who(self, group: Group) -> tuple[str, str, str]:
        return self._some(group.models), self._some(group.types), self._some(group.engines)

    def _some(self, names: tuple[str, ...]) -> str:
        """Return the names on the room of one, unless all are asked for: the page has a row for each environment."""
        return ", ".join(names) if self.full or len(names) < 2 else f"{names[0]} +{len(names) - 1}"

    def _unplanned(self) -> Iterator[Table]:
        groups = unplanned_groups((*self.survey.rows, *self.survey.expansion.faulty))
        for status, title in _TITLES.items():
            found = [group for group in groups if group.status == status]
            launches = sum(len(group.rows) for group in found)
            yield self._reasons(found, f"{title}: {launches} launch{'' if launches == 1 else 'es'}")

    def _reasons(self, groups: Iterable[Group], title: str) -> Table:
        columns = (_MODEL, _TYPE, _ENGINE, Column("why", "quiet", folds=True, below=True))
        rows = [(*self._who(group), reason(group.rows[0])) for group in groups]
        return Table(title, columns, tuple(rows), "bad")

    def _rebuilds(self) -> Table:
        """What is in the store and would be built anew, with what changes in it."""
        rows = [row for row in self.survey.rows if row.stored is not None and row.stored.state == "rebuild"]
        found: dict[object, list[Row]] = {}
        for row in rows:
            assert row.stored is not None
            found.setdefault((row.stored.changes, row.stored.note), []).append(row)
        columns = (_MODEL, _TYPE, _ENGINE, Column("what changes", "quiet", folds=True, below=True))
        cells = [(*self._who(Group(tuple(alike))), self._change(alike[0])) for alike in found.values()]
        return Table(f"in the store, and would be built anew: {len(rows)}", columns, tuple(cells), "warn")

    def _change(self, row: Row) -> str:
        assert row.stored is not None
        changes = [_change_of(change) for change in row.stored.changes]
        shown = changes if self.full else changes[:_CHANGES]
        rest = len(changes) - len(shown)
        return "; ".join(filter(None, (row.stored.note, ", ".join(shown)))) + (f" and {rest} more" if rest else "")

    def _warnings(self, groups: Iterable[Group]) -> Table:
        columns = (_MODEL, _TYPE, _ENGINE, Column("warning", "quiet", folds=True, below=True))
        told = [(*self._who(group), "; ".join(group.warnings)) for group in groups if group.warnings and self.full]
        return Table("warnings", columns, tuple(told), "warn")


def _figures(sums: Totals) -> dict[str, object]:
    counts = {name: dict(getattr(sums, name)) for name in ("statuses", "stored", "elsewhere")}
    return {**plain(sums), **counts}


def _launch(row: Row) -> dict[str, object]:
    answer, model = row.answer, row.model
    plan = answer.plan
    return {
        "model": model.name,
        "type": model.type,
        "variant": model.variant,
        "engine": row.engine,
        "origin": model.origin,
        "status": answer.status,
        "request": row.request,
        "key": plan.key if plan else "",
        "installs": len(plan.install) if plan else 0,
        "inherits": len(plan.inherit) if plan else 0,
        "download_bytes": plan.download_bytes if plan else 0,
        "compiles": list(plan.compiles) if plan else [],
        "reason": reason(row),
        "error": _error(row),
        "warnings": list(answer.warnings),
        "made": int(answer.made),
        "cached": row.cached,
        "stored": plain(row.stored) if row.stored is not None else None,
    }


def _error(row: Row) -> dict[str, object] | None:
    trouble = row.answer.trouble
    if trouble is None:
        return None
    return {name: getattr(trouble, name) for name in ("code", "message", "where", "remedy", "details")}


def _plan(plan: Outline) -> dict[str, object]:
    return {**plain(plan), "download_bytes": plan.download_bytes}


def interrupted(unfinished: int, noun: str) -> Failure:
    """Return the failure of a run that was interrupted."""
    message = f"interrupted with {counted(unfinished, noun)} to go"
    return Failure.of(CancelledError(message, remedy="run it again: finished work is kept"))


def unread(faults: tuple[str, ...]) -> Table:
    """Return the files that could not be read, `path: what is wrong` each."""
    return table("files that could not be read", (Column("file", folds=True),), [(fault,) for fault in faults], "bad")


def _in_store(rows: Iterable[Row]) -> str:
    states = Counter(row.stored.state for row in rows if row.stored is not None)
    if not states.keys() - {"new"}:
        return ""
    if len(states) == 1:
        return _WORDS[next(iter(states))]
    return ", ".join(f"{count} {_WORDS[state]}" for state, count in states.most_common())


def _change_of(change: Change) -> str:
    if change.before is None:
        return f"+ {change.name} {change.after}"
    if change.after is None:
        return f"- {change.name} {change.before}"
    if change.before == change.after:
        return f"{change.name} {change.after} {change.how_after}, was {change.how_before}"
    return f"{change.name} {change.before} -> {change.after}"


def _sums(survey: Survey, sums: Totals) -> Iterator[tuple[str, str]]:
    yield "host", f"{survey.python}, Python {survey.version}"
    faulty = dict(sums.statuses).get("faulty", 0)
    yield "specs", f"{sums.specs}" + (f", {faulty} launches or specs faulty" if faulty else "")
    others = [f"{count} of {engine}" for engine, count in sums.elsewhere]
    yield "launches", f"{sums.launches}" + (f"; not for this platform: {', '.join(others)}" if others else "")
    kept = f"; {sums.cached} answered by earlier runs, the oldest {_age(sums.oldest)} ago" if sums.cached else ""
    yield "distinct requests", f"{sums.requests}{kept}"
    yield "environments", f"{sums.environments} distinct, {size(sums.download_bytes)} to download"
    if sums.compiles:
        yield "would compile", f"{len(sums.compiles)}: {', '.join(sums.compiles)}"
    yield "outcome", ", ".join(f"{count} {name}" for name, count in sums.statuses)
    there = [f"{count} {_WORDS[state]}" for state, count in sums.stored if state != "new"]
    if there:
        yield "in the store", ", ".join(there)
    if sums.unfinished:
        yield "not finished", counted(sums.unfinished, "request")


def _age(seconds: float) -> str:
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
