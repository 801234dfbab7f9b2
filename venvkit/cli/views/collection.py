"""What a collection removed and left, as a page."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from venvkit.cli.outcome import plain
from venvkit.cli.page.blocks import Block, Column, Line, listed
from venvkit.cli.page.text import counted, size
from venvkit.errors import BusyError
from venvkit.store.change.drop import Left
from venvkit.store.collect.gc import Report

_PATH = Column("path", folds=True)


class Collection(Struct, frozen=True):
    """The result of `gc`."""

    report: Report
    dry_run: bool
    cache: str | None

    def failure(self, max_size: int | None) -> BusyError | None:
        """Return the failure of a collection that did not reach `max_size`."""
        if max_size is None or self.report.size <= max_size:
            return None
        busy = [item for item in self.report.left if item.pids]
        return BusyError(
            f"{size(self.report.size)} remain, more than asked for: {_stays(busy)}",
            code="in-use" if busy else "max-size",
            details=tuple(f"{item.path}: pid {', '.join(map(str, item.pids))}" for item in busy),
            remedy="end those processes first" if busy else "ask for more, or keep less",
        )

    def data(self) -> object:
        return {"dry_run": self.dry_run, **plain(self.report), "cache": self.cache}

    def blocks(self) -> Iterator[Block]:
        removed, left = self.report.removed, self.report.left
        if removed:
            columns = (Column("what", of="kind"), _PATH, Column("why", "quiet", folds=True))
            verb = "would go" if self.dry_run else "removed"
            yield listed(f"{counted(len(removed), 'thing')} {verb}", removed, columns)
        if left:
            columns = (Column("what", of=lambda _: "left"), _PATH, Column("why", "quiet", of=_why, folds=True))
            yield listed(f"{counted(len(left), 'thing')} left alone", left, columns)
        if self.cache:
            yield Line(self.cache)
        what = "would be freed" if self.dry_run else "freed"
        yield Line(f"{size(self.report.freed)} {what}, {size(self.report.size)} in environments")


def _stays(busy: list[Left]) -> str:
    return f"{counted(len(busy), 'environment')} in use" if busy else "the rest is kept, in use or not venvkit's"


def _why(item: Left) -> str:
    return f"{item.why} by pid {', '.join(map(str, item.pids))}" if item.pids else item.why
