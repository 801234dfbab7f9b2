"""Results about places in the store: a list of them, the environments that they had, and what was removed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from venvkit.api import results
from venvkit.cli.page.blocks import Block, Cell, Column, Line, Style, listed
from venvkit.cli.page.text import counted, size

_STATE_STYLES: dict[str, Style] = {"ready": "good", "host": "good", "foreign": "quiet"}
_USE = Column("use", of=lambda item: "in use" if item.in_use else "")
_PLACES = (
    Column("model", "strong", folds=True),
    Column("engine"),
    Column("python", "version"),
    Column("state", of=lambda entry: Cell(entry.condition, _STATE_STYLES.get(entry.state, "bad"))),
    Column("size", of=lambda entry: size(entry.size) if entry.key else "-", right=True),
    _USE,
    Column("key", "quiet", of=lambda entry: entry.key[:16]),
    Column("problem", "quiet", folds=True),
)
_GENERATIONS = (
    Column("environment", "strong", of="id"),
    Column("since"),
    Column("state", of=lambda past: Cell("in force", "good") if past.current else Cell("kept", "quiet")),
    _USE,
    Column("problem", "bad", folds=True),
    Column("installed", "quiet", of=lambda past: ", ".join(past.installed), folds=True),
)


class Places(Struct, frozen=True):
    """The models of a store."""

    result: results.Places

    def data(self) -> dict[str, Any]:
        return self.result.to_dict()

    def blocks(self) -> Iterator[Block]:
        found, root = self.result.entries, self.result.root
        if found:
            yield listed(f"{counted(len(found), 'environment')} in {root}", found, _PLACES)
        else:
            yield Line(f"no model has an environment in {root}")


class Histories(Struct, frozen=True):
    """The result of `history`: the environments that each place had."""

    result: results.Histories

    def data(self) -> dict[str, Any]:
        return self.result.to_dict()

    def blocks(self) -> Iterator[Block]:
        for entry, past in self.result.places:
            title = f"{entry.label}: {counted(len(past), 'environment')}"
            yield listed(title, past, _GENERATIONS) if past else Line(title)


class RolledBack(Struct, frozen=True):
    """The result of `rollback`."""

    result: results.RolledBack

    def data(self) -> dict[str, Any]:
        return self.result.to_dict()

    def blocks(self) -> Iterator[Block]:
        yield Line(f"{self.result.entry.label}: {self.result.former} -> {self.result.environment}", "good")
        yield Line("what runs keeps what it started with; `--upgrade` or a changed request builds anew", "quiet")


class Removal(Struct, frozen=True):
    """The result of `remove`."""

    result: results.Removal

    def data(self) -> dict[str, Any]:
        return self.result.to_dict()

    def blocks(self) -> Iterator[Block]:
        if not self.result.removed:
            yield Line("nothing was removed")
        for item in self.result.removed:
            used = "" if item.whole else "; its environment is still used"
            yield Line(f"removed {item.entry.label}, {size(item.freed)} freed{used}")
