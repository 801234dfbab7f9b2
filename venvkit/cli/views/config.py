"""The settings as a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from venvkit.cli.page.blocks import Block, Cell, Column, listed
from venvkit.settings import Setting

_COLUMNS = (
    Column("variable", of=lambda item: item.variable.name),
    Column("value", "strong", of=lambda item: _value(item), folds=True),
    Column("origin", of=lambda item: Cell(item.origin, "quiet" if item.origin == "default" else "version")),
    Column("meaning", "quiet", of=lambda item: item.fault or item.variable.meaning, below=True),
)


class Configuration(Struct, frozen=True):
    """The result of `config`."""

    settings: tuple[Setting, ...]

    def data(self) -> dict[str, Any]:
        variables = [
            {
                "name": item.variable.name,
                "value": item.shown,
                "default": item.variable.default,
                "origin": item.origin,
                "acts": item.variable.acts,
                "meaning": item.variable.meaning,
                "fault": item.fault,
            }
            for item in self.settings
        ]
        return {"variables": variables}

    def blocks(self) -> Iterator[Block]:
        for title, acts in (("venvkit acts on", True), ("only shown: they belong to the server", False)):
            yield listed(title, (item for item in self.settings if item.variable.acts is acts), _COLUMNS)


def _value(item: Setting) -> str | Cell:
    return Cell(f"{item.shown} (not valid)", "bad") if item.fault else item.shown or Cell("-", "quiet")
