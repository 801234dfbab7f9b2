"""Pages for a terminal, drawn by rich. Imported only where there is a terminal; NO_COLOR is honoured by rich."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from venvkit.cli.blocks import Block, Cell, Fields, Line, Style, Table
from venvkit.cli.text import clean

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
        page.print(_fields(block) if isinstance(block, Fields) else _table(block))


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


def _table(block: Table) -> RenderableType:
    grid = Grid(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="dim", border_style="dim", show_edge=False)
    for column in block.columns:
        grid.add_column(
            Text(column.name),
            style=COLOURS[column.style],
            justify="right" if column.right else "left",
            no_wrap=not column.folds,
            overflow="fold",
        )
    for row in block.rows:
        grid.add_row(*(styled(cell.text, cell.style) if isinstance(cell, Cell) else Text(clean(cell)) for cell in row))
    return Padding(grid, (0, 0, 0, 2), expand=False)
