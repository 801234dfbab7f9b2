"""Pages for a pipe or a file: aligned text, no colours, no boxes, no wrapping."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from venvkit.cli.page.blocks import Block, Fields, Line, Table, text_of
from venvkit.cli.page.text import cells, clean

_GAP = "  "


def plain_text(blocks: Iterable[Block]) -> str:
    """Return a page as text, its blocks apart by an empty line."""
    return "\n".join("".join(f"{line}\n" for line in _lines(block)) for block in blocks)


def _lines(block: Block) -> list[str]:
    if isinstance(block, Line):
        return [clean(block.text)]
    if isinstance(block, Fields):
        lines = _aligned([(name, value) for name, value in block.pairs], (False, False))
    else:
        lines = _table(block)
    return [clean(block.title), *(f"{_GAP}{line}" for line in lines)] if block.title else lines


def _table(block: Table) -> list[str]:
    header = tuple(column.name for column in block.columns)
    rows = [tuple(text_of(cell) for cell in row) for row in block.rows]
    return _aligned([header, *rows], tuple(column.right for column in block.columns))


def _aligned(rows: Sequence[tuple[str, ...]], right: Sequence[bool]) -> list[str]:
    cleaned = [tuple(clean(cell) for cell in row) for row in rows]
    widths = [max(map(cells, column)) for column in zip(*cleaned, strict=True)]
    return [
        _GAP.join(
            _padded(cell, *shape) for cell, shape in zip(row, zip(widths, right, strict=True), strict=True)
        ).rstrip()
        for row in cleaned
    ]


def _padded(text: str, width: int, right: bool) -> str:
    blanks = " " * (width - cells(text))
    return blanks + text if right else text + blanks
