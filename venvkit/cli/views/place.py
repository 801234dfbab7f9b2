"""Results about places in the store: a list of them, the environments that they had, and what was removed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from venvkit.cli.outcome import plain
from venvkit.cli.page.blocks import Block, Cell, Column, Line, Style, listed
from venvkit.cli.page.text import counted, size
from venvkit.store.change.remove import Removed
from venvkit.store.look.history import Past
from venvkit.store.look.inventory import Entry

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


def place(entry: Entry) -> dict[str, object]:
    """Return what is told of a place; `path` is its shell, and `engine` as in that path."""
    names = ("model", "engine", "python", "path", "key", "state", "size", "in_use", "rolled_back")
    return {name: plain(getattr(entry, name)) for name in names}


def called(entry: Entry) -> str:
    """Return a place in words."""
    return f"{entry.model} ({entry.engine}, Python {entry.python})"


class Places(Struct, frozen=True):
    """The models of a store."""

    root: Path
    entries: tuple[Entry, ...]

    def data(self) -> object:
        return list(map(place, self.entries))

    def blocks(self) -> Iterator[Block]:
        if self.entries:
            yield listed(f"{counted(len(self.entries), 'environment')} in {self.root}", self.entries, _PLACES)
        else:
            yield Line(f"no model has an environment in {self.root}")


class Histories(Struct, frozen=True):
    """The result of `history`: the environments that each place had."""

    places: tuple[tuple[Entry, tuple[Past, ...]], ...]

    def data(self) -> object:
        return [{**_head(entry), "generations": plain(past)} for entry, past in self.places]

    def blocks(self) -> Iterator[Block]:
        for entry, past in self.places:
            title = f"{called(entry)}: {counted(len(past), 'environment')}"
            yield listed(title, past, _GENERATIONS) if past else Line(title)


class RolledBack(Struct, frozen=True):
    """The result of `rollback`: the ids of what was in force, and of what is now."""

    entry: Entry
    former: str
    environment: str

    def data(self) -> object:
        return {**_head(self.entry), "former": self.former, "environment": self.environment}

    def blocks(self) -> Iterator[Block]:
        yield Line(f"{called(self.entry)}: {self.former} -> {self.environment}", "good")
        yield Line("what runs keeps what it started with; `--upgrade` or a changed request builds anew", "quiet")


class Removal(Struct, frozen=True):
    """The result of `remove`."""

    removed: tuple[Removed, ...]

    def data(self) -> object:
        return [{**place(item.entry), "environment_removed": item.whole, "freed": item.freed} for item in self.removed]

    def blocks(self) -> Iterator[Block]:
        if not self.removed:
            yield Line("nothing was removed")
        for item in self.removed:
            used = "" if item.whole else "; its environment is still used"
            yield Line(f"removed {called(item.entry)}, {size(item.freed)} freed{used}")


def _head(entry: Entry) -> dict[str, object]:
    return {"model": entry.model, "engine": entry.engine, "python": entry.python, "path": str(entry.path)}
