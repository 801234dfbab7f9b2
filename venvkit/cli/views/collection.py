"""What a collection removed and left, as a page."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from venvkit.cli.outcome import Failure
from venvkit.cli.page.blocks import Block, Column, Line, table
from venvkit.cli.page.text import counted, size
from venvkit.errors import BusyError
from venvkit.store.collect.gc import Report


class Collection(Struct, frozen=True):
    """The result of `gc`."""

    report: Report
    dry_run: bool
    cache: str | None

    def failure(self, max_size: int | None) -> Failure | None:
        """Return the failure of a collection that did not reach `max_size` because environments are in use."""
        busy = [item for item in self.report.left if item.pids]
        if max_size is None or self.report.size <= max_size or not busy:
            return None
        return Failure.of(
            BusyError(
                f"{size(self.report.size)} remain, more than asked for, and {counted(len(busy), 'environment')} in use",
                code="in-use",
                details=tuple(f"{item.path}: pid {', '.join(map(str, item.pids))}" for item in busy),
                remedy="end those processes first",
            )
        )

    def data(self) -> object:
        return {
            "dry_run": self.dry_run,
            "removed": [{"kind": item.kind, "path": str(item.path), "why": item.why} for item in self.report.removed],
            "left": [{"path": str(item.path), "why": item.why, "pids": list(item.pids)} for item in self.report.left],
            "freed": self.report.freed,
            "size": self.report.size,
            "cache": self.cache,
        }

    def blocks(self) -> Iterator[Block]:
        columns = (Column("what"), Column("path", folds=True), Column("why", "quiet", folds=True))
        if self.report.removed:
            verb = "would go" if self.dry_run else "removed"
            rows = [(item.kind, str(item.path), item.why) for item in self.report.removed]
            yield table(f"{counted(len(rows), 'thing')} {verb}", columns, rows)
        if self.report.left:
            stay = [("left", str(item.path), _why(item.why, item.pids)) for item in self.report.left]
            yield table(f"{counted(len(stay), 'thing')} left alone", columns, stay)
        if self.cache:
            yield Line(self.cache)
        what = "would be freed" if self.dry_run else "freed"
        yield Line(f"{size(self.report.freed)} {what}, {size(self.report.size)} in environments")


def _why(why: str, pids: tuple[int, ...]) -> str:
    return f"{why} by pid {', '.join(map(str, pids))}" if pids else why
