"""Pages for a terminal, drawn by rich. Imported only where there is a terminal; NO_COLOR is honoured by rich."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from venvkit.cli.page.blocks import Block, Cell, Fields, Line, Style, Table, text_of
from venvkit.cli.page.text import cells, clean

_GAP = 3
COLOURS: dict[Style, str] = {
    "plain": "",
    "strong": "bold",
    "quiet": "dim",
    "version": "cyan",
    "good": "green",
    "warn": "yellow",
    "bad": "red",
}


def console(stream: IO[str]) -> Console:
    """Return a console on `stream` that draws only what it is told to."""
    return Console(file=stream, highlight=False, markup=False, emoji=False)


def draw(stream: IO[str], blocks: Iterable[Block]) -> None:
    """Draw a page, its blocks apart by an empty line."""
    page = console(stream)
    for number, block in enumerate(blocks):
        if number:
            page.print()
        if isinstance(block, Line):
            page.print(styled(block.text, block.style), soft_wrap=True)
            continue
        if block.title:
            page.print(styled(block.title, block.style if isinstance(block, Table) else "strong"), soft_wrap=True)
        if isinstance(block, Fields):
            page.print(_fields(block))
        elif block.columns[-1].below:
            _with_sentences(page, block)
        else:
            page.print(_table(block))


def styled(text: str, style: Style) -> Text:
    """Return a text in one of our styles."""
    return Text(clean(text), style=COLOURS[style])


def _fields(block: Fields) -> RenderableType:
    grid = Grid.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in block.pairs:
        grid.add_row(styled(name, "quiet"), styled(value, "plain"))
    return Padding(grid, (0, 0, 0, 2), expand=False)


def _with_sentences(page: Console, block: Table) -> None:
    """Draw each row on a line, and its last cell, which no column could hold, on the next."""
    columns = range(len(block.columns) - 1)
    widths = [max(cells(clean(text_of(row[place]))) for row in block.rows) for place in columns]
    # One long value may not push its neighbours off the page in every row: it takes the room in its own alone.
    widths[widths.index(max(widths))] -= max(0, sum(widths) + _GAP * len(widths) + 2 - page.width)
    for row in block.rows:
        line = Text("  ")
        for cell, column, width in zip(row, block.columns, widths, strict=False):
            text = _cell(cell, column.style)
            text.pad_right(max(0, width - text.cell_len) + _GAP)
            line.append_text(text)
        line.rstrip()
        page.print(line, soft_wrap=True)
        page.print(Padding(_cell(row[-1], block.columns[-1].style), (0, 0, 0, 4), expand=False))


def _cell(cell: str | Cell, style: Style) -> Text:
    return styled(cell.text, cell.style) if isinstance(cell, Cell) else styled(cell, style)


def _table(block: Table) -> RenderableType:
    grid = Grid(
        box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="dim", border_style="dim", show_edge=False
    )
    for column in block.columns:
        grid.add_column(
            Text(column.name),
            justify="right" if column.right else "left",
            no_wrap=not column.folds,
            overflow="fold",
        )
    for row in block.rows:
        styles = (column.style for column in block.columns)
        grid.add_row(*(_cell(cell, style) for cell, style in zip(row, styles, strict=True)))
    return Padding(grid, (0, 0, 0, 2), expand=False)
