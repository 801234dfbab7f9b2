"""The differences between two plans as a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from venvkit.base.plain import plain
from venvkit.cli.options.subjects import Subject
from venvkit.cli.page.blocks import Block, Cell, Column, Line, listed
from venvkit.cli.page.text import counted
from venvkit.plan.explain import Change

_COLUMNS = (
    Column("name", "strong"),
    Column("change", of=lambda item: _kind(item)),
    Column("before", "version", of=lambda item: item.before or "-"),
    Column("after", "version", of=lambda item: item.after or "-"),
    Column("was", "quiet", of="how_before"),
    Column("is", "quiet", of="how_after"),
)


class Difference(Struct, frozen=True):
    """The result of `diff`."""

    before: Subject
    after: Subject
    changes: tuple[Change, ...]

    def data(self) -> dict[str, Any]:
        return {"before": _side(self.before), "after": _side(self.after), "changes": plain(self.changes)}

    def blocks(self) -> Iterator[Block]:
        sides = f"{self.before.label} -> {self.after.label}"
        if self.changes:
            yield listed(f"{sides}: {counted(len(self.changes), 'difference')}", self.changes, _COLUMNS)
            return
        yield Line(f"{sides}: the same distributions", "good")
        if self.before.key != self.after.key:
            yield Line("their keys differ all the same: files, host, interpreter or build options do", "quiet")


def _side(side: Subject) -> dict[str, str]:
    return {"model": side.model, "environment": side.environment, "key": side.key}


def _kind(change: Change) -> Cell:
    if change.before is None:
        return Cell("added", "good")
    if change.after is None:
        return Cell("removed", "bad")
    return Cell("version" if change.before != change.after else "origin", "warn")
