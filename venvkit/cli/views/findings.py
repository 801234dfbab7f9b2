"""Findings as a page: the one form of them, for `build`, `check`, `plan --explain` and `show`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from venvkit.cli.page.blocks import Block, Cell, Column, listed
from venvkit.cli.page.text import counted
from venvkit.formats.finding import Finding

_COLUMNS = (
    Column("kind", of=lambda item: Cell(item.kind, "bad" if item.grave else "warn")),
    Column("what", of="message", folds=True),
    Column("needed by", "quiet", lambda item: item.needed_by[-1] if item.needed_by else "", folds=True),
    Column("remedy", "quiet", folds=True),
)


def finding_blocks(findings: Iterable[Finding], label: str = "") -> Iterator[Block]:
    """Yield the table of findings, if there are any.

    Args:
        label: What they are about, for the title.
    """
    found = tuple(findings)
    if found:
        title = f"{label}: " if label else ""
        grave = any(item.grave for item in found)
        yield listed(f"{title}{counted(len(found), 'finding')}", found, _COLUMNS, "bad" if grave else "warn")
