"""The result of a collection as a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from venvkit.api import results
from venvkit.cli.page.blocks import Block, Column, Line, listed
from venvkit.cli.page.text import counted, size
from venvkit.store.change.drop import Left

_PATH = Column("path", folds=True)


class Collection(Struct, frozen=True):
    """The result of `gc`."""

    result: results.Collection

    def data(self) -> dict[str, Any]:
        return self.result.to_dict()

    def blocks(self) -> Iterator[Block]:
        removed, left = self.result.report.removed, self.result.report.left
        if removed:
            columns = (Column("what", of="kind"), _PATH, Column("why", "quiet", folds=True))
            verb = "would go" if self.result.dry_run else "removed"
            yield listed(f"{counted(len(removed), 'thing')} {verb}", removed, columns)
        if left:
            columns = (Column("what", of=lambda _: "left"), _PATH, Column("why", "quiet", of=_why, folds=True))
            yield listed(f"{counted(len(left), 'thing')} left alone", left, columns)
        if self.result.cache:
            yield Line(self.result.cache)
        what = "would be freed" if self.result.dry_run else "freed"
        yield Line(f"{size(self.result.report.freed)} {what}, {size(self.result.report.size)} in environments")


def _why(item: Left) -> str:
    return f"{item.why} by pid {', '.join(map(str, item.pids))}" if item.pids else item.why
