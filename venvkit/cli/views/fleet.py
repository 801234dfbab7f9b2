"""The result of `plan --all`: what every launch would get, grouped by environment, and what that comes to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import Struct

from venvkit.base.plain import plain
from venvkit.cli.page.blocks import Block, Column, Fields, Style, Table, listed
from venvkit.cli.page.text import counted, size
from venvkit.errors import CancelledError, VenvkitError
from venvkit.fleet.planning import Survey
from venvkit.fleet.report import Group, Totals, planned_groups, reason, totals, unplanned_groups
from venvkit.fleet.values import Row, Status
from venvkit.formats.envelope import told
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
    def failure(self) -> VenvkitError | None:
        """The failure that `plan --all` ends with: an interruption, or a fault of venvkit."""
        if self.survey.unfinished:
            return interrupted(self.survey.unfinished, "request")
        troubles = (row.answer.trouble for row in self.survey.rows)
        odd = [trouble for trouble in troubles if trouble is not None and trouble.code == "unexpected"]
        if not odd:
            return None
        message = f"{len(odd)} launches met a fault of venvkit: {odd[0].message}"
        return VenvkitError(message, where=odd[0].where, remedy=odd[0].remedy)

    def data(self) -> dict[str, Any]:
        survey, sums = self.survey, totals(self.survey, self.made)
        rows = (*survey.rows, *survey.expansion.faulty)
        plans = {row.answer.plan.key: row.answer.plan for row in rows if row.answer.plan is not None}
        counts = {name: dict(getattr(sums, name)) for name in ("statuses", "stored", "elsewhere")}
        return {
            "host": survey.python,
            "python_version": survey.version,
            "totals": {**plain(sums), **counts},
            "launches": [_launch(row) for row in rows],
            "plans": [{**plain(plan), "download_bytes": plan.download_bytes} for plan in plans.values()],
            "faults": survey.expansion.faults,
        }

    def blocks(self) -> Iterator[Block]:
        groups = planned_groups(self.survey.rows)
        whole = [group for group in groups if group.status == "planned"]
        broken = [group for group in groups if group.status == "broken"]
        warned = [group for group in groups if group.warnings and self.full]
        parts = [
            self._planned(whole, f"planned: {counted(len(whole), 'environment')}"),
            self._planned(broken, f"planned with something broken: {counted(len(broken), 'environment')}"),
            self._told("broken: what would not be met", broken, "why", _reason),
            *self._unplanned(),
            self._rebuilds(),
            self._told("warnings", warned, "warning", lambda group: "; ".join(group.warnings), "warn"),
            unread(self.survey.expansion.faults),
        ]
        yield from (part for part in parts if part.rows)
        yield Fields(tuple(_sums(self.survey, totals(self.survey, self.made))), title="in all")

    def _columns(self) -> tuple[Column, Column, Column]:
        return (
            Column("models", "strong", lambda group: self._some(group.models), folds=True),
            Column("type", "quiet", lambda group: self._some(group.types), folds=True),
            Column("engine", of=lambda group: self._some(group.engines), folds=True),
        )

    def _some(self, names: tuple[str, ...]) -> str:
        """Return the names on the room of one, unless all are asked for: the page has a row for each environment."""
        return ", ".join(names) if self.full or len(names) < 2 else f"{names[0]} +{len(names) - 1}"

    def _planned(self, groups: Iterable[Group], title: str) -> Table:
        def compiles(group: Group) -> str:
            found = group.plan.compiles if group.plan else ()
            return ", ".join(found) if self.full else str(len(found) or "")

        columns = (
            *self._columns(),
            Column("adds", of=lambda group: str(len(group.plan.install)), right=True),
            Column("host", of=lambda group: str(len(group.plan.inherit)), right=True),
            Column("download", of=_download, right=True),
            Column("compiles", "warn", compiles, folds=self.full, right=not self.full),
            Column("in store", "quiet", _in_store),
        )
        return listed(title, groups, columns)

    def _told(
        self, title: str, groups: Iterable[Group], name: str, tell: Callable[[Group], str], style: Style = "bad"
    ) -> Table:
        """Return a table with a sentence for each group."""
        return listed(title, groups, (*self._columns(), Column(name, "quiet", tell, folds=True, below=True)), style)

    def _unplanned(self) -> Iterator[Table]:
        groups = unplanned_groups((*self.survey.rows, *self.survey.expansion.faulty))
        for status, title in _TITLES.items():
            found = [group for group in groups if group.status == status]
            launches = sum(len(group.rows) for group in found)
            yield self._told(f"{title}: {launches} launch{'' if launches == 1 else 'es'}", found, "why", _reason)

    def _rebuilds(self) -> Table:
        """Return the environments of the store that would be rebuilt, with their changes."""
        found: dict[object, list[Row]] = {}
        for row in self.survey.rows:
            if row.stored is not None and row.stored.state == "rebuild":
                found.setdefault((row.stored.changes, row.stored.note), []).append(row)
        title = f"in the store, and would be built anew: {sum(map(len, found.values()))}"
        groups = [Group(tuple(alike)) for alike in found.values()]
        return self._told(title, groups, "what changes", self._change, "warn")

    def _change(self, group: Group) -> str:
        stored = group.rows[0].stored
        assert stored is not None
        changes = [_change_of(change) for change in stored.changes]
        shown = changes if self.full else changes[:_CHANGES]
        rest = len(changes) - len(shown)
        return "; ".join(filter(None, (stored.note, ", ".join(shown)))) + (f" and {rest} more" if rest else "")


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
        "compiles": plan.compiles if plan else [],
        "reason": reason(row),
        "error": answer.trouble and told(answer.trouble),
        "warnings": answer.warnings,
        "made": int(answer.made),
        "cached": row.cached,
        "stored": plain(row.stored),
    }


def interrupted(unfinished: int, noun: str) -> CancelledError:
    """Return the failure of a run that was interrupted."""
    message = f"interrupted with {counted(unfinished, noun)} to go"
    return CancelledError(message, remedy="run it again: finished work is kept")


def unread(faults: tuple[str, ...]) -> Table:
    """Return the files that could not be read, `path: what is wrong` each."""
    return listed("files that could not be read", faults, (Column("file", of=str, folds=True),), "bad")


def not_here(elsewhere: tuple[tuple[str, int], ...]) -> str:
    """Return how many launches there are of engines that do not run on this platform."""
    return ", ".join(f"{count} of {engine}" for engine, count in elsewhere)


def _reason(group: Group) -> str:
    return reason(group.rows[0])


def _download(group: Group) -> str:
    assert group.plan is not None
    known = all(item.size is not None for item in group.plan.install)
    return f"{'' if known else '>'}{size(group.plan.download_bytes)}"


def _in_store(group: Group) -> str:
    states = Counter(row.stored.state for row in group.rows if row.stored is not None)
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
    others = not_here(sums.elsewhere)
    yield "launches", f"{sums.launches}" + (f"; not for this platform: {others}" if others else "")
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
