"""The settings as a page."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from venvkit.cli.outcome import plain
from venvkit.cli.page.blocks import Block, Cell, Column, table
from venvkit.settings import Setting


class Shown(Struct, frozen=True):
    """A variable as it may be shown."""

    name: str
    value: str
    default: str
    origin: str
    acts: bool
    meaning: str
    fault: str

    @classmethod
    def of(cls, setting: Setting) -> Shown:
        """Return what is shown of a setting."""
        known = setting.variable
        return cls(known.name, setting.shown, known.default, setting.origin, known.acts, known.meaning, setting.fault)


class Configuration(Struct, frozen=True):
    """The result of `config`."""

    variables: tuple[Shown, ...]

    def data(self) -> object:
        return plain(self.variables)

    def blocks(self) -> Iterator[Block]:
        yield self._table("venvkit acts on", acts=True)
        yield self._table("only shown: they belong to the server", acts=False)

    def _table(self, title: str, *, acts: bool) -> Block:
        columns = (
            Column("variable"),
            Column("value", "strong", folds=True),
            Column("origin"),
            Column("meaning", "quiet", below=True),
        )
        rows = [
            (
                item.name,
                Cell(f"{item.value} (not valid)", "bad") if item.fault else item.value or Cell("-", "quiet"),
                Cell(item.origin, "quiet" if item.origin == "default" else "version"),
                item.fault or item.meaning,
            )
            for item in self.variables
            if item.acts is acts
        ]
        return table(title, columns, rows)
