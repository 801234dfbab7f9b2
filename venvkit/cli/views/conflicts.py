"""Conflicts of ownership, as `build` and `show` show them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from venvkit.cli.page.blocks import Block, Cell, Column, table
from venvkit.cli.page.text import counted
from venvkit.formats.receipt import Conflict

_KINDS = {"same-file": "both own it", "split": "split between environment and host"}


def conflict_tables(conflicts: Sequence[Conflict]) -> Iterator[Block]:
    """Yield the table of conflicts, when there are any."""
    columns = (Column("distributions", "strong"), Column("file", folds=True), Column("kind"), Column("remedy", "quiet"))
    rows = [
        (f"{item.first}, {item.second}", item.path, Cell(_KINDS[item.kind], "warn"), item.remedy) for item in conflicts
    ]
    if rows:
        yield table(f"{counted(len(rows), 'conflict')} over files", columns, rows, "warn")
