"""The parts of a page of text: lines, fields and tables, without their drawing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from msgspec import Struct

Style = Literal["plain", "strong", "quiet", "version", "good", "warn", "bad"]


class Line(Struct, frozen=True):
    """One line; never wrapped, so that a path in it can be copied."""

    text: str
    style: Style = "plain"


class Fields(Struct, frozen=True):
    """Names and values, one pair a line."""

    pairs: tuple[tuple[str, str], ...]
    title: str = ""


class Cell(Struct, frozen=True):
    """A cell that stands out from its column."""

    text: str
    style: Style


class Column(Struct, frozen=True):
    """A column of a table.

    Args:
        of: The cell of an item: an attribute, or a function of the item; by default the attribute of the column's name.
        folds: A long cell may be folded where the page is narrow.
        below: It is the last column, and its cells are sentences: a terminal has them under their rows.
    """

    name: str
    style: Style = "plain"
    of: str | Callable[[Any], str | Cell] = ""
    right: bool = False
    folds: bool = False
    below: bool = False


Row = tuple["str | Cell", ...]


class Table(Struct, frozen=True):
    """Rows under named columns; `title` says what they are."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    style: Style = "strong"


Block = Line | Fields | Table


def table(
    title: str, columns: Iterable[Column], rows: Iterable[Sequence[str | Cell]], style: Style = "strong"
) -> Table:
    """Return a table without the columns in which every cell is empty."""
    columns, filled = tuple(columns), [tuple(row) for row in rows]
    kept = [place for place, _ in enumerate(columns) if any(text_of(row[place]) for row in filled)]
    return Table(
        title,
        tuple(columns[place] for place in kept),
        tuple(tuple(row[place] for place in kept) for row in filled),
        style,
    )


def facts(pairs: Iterable[tuple[str, str]], title: str = "") -> Fields:
    """Return names and values without those that are empty."""
    return Fields(tuple((name, value) for name, value in pairs if value), title)


def listed(title: str, items: Iterable[object], columns: Iterable[Column], style: Style = "strong") -> Table:
    """Return a table with a row for each item, without the columns in which every cell is empty."""
    columns = tuple(columns)
    return table(title, columns, [[_cell(item, column) for column in columns] for item in items], style)


def _cell(item: object, column: Column) -> str | Cell:
    value = column.of(item) if callable(column.of) else getattr(item, column.of or column.name)
    return value if isinstance(value, (str, Cell)) else str(value)


def text_of(cell: str | Cell) -> str:
    """Return the text of a cell."""
    return cell if isinstance(cell, str) else cell.text
