"""Results about places in the store: one row, a list of them, and the environment that one leads to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from venvkit.cli.outcome import plain
from venvkit.cli.page.blocks import Block, Cell, Column, Line, Style, table
from venvkit.cli.page.text import counted, size
from venvkit.store.look.history import Past
from venvkit.store.look.inventory import Entry

_STATE_STYLES: dict[str, Style] = {"ready": "good", "host": "good", "foreign": "quiet"}


class Place(Struct, frozen=True):
    """One model's place in the store. `path` is its shell; `engine` as in that path."""

    model: str
    engine: str
    python: str
    path: str
    key: str
    state: str
    size: int
    in_use: bool
    rolled_back: bool = False

    @classmethod
    def of(cls, entry: Entry) -> Place:
        """Return what is listed of an entry."""
        return cls(
            entry.model,
            entry.engine,
            entry.python,
            str(entry.path),
            entry.key,
            entry.state,
            entry.size,
            entry.in_use,
            entry.rolled_back,
        )

    @property
    def condition(self) -> str:
        """Its state in words."""
        return f"{self.state}, rolled back" if self.rolled_back else self.state


class Places(Struct, frozen=True):
    """The models of a store."""

    root: Path
    places: tuple[Place, ...]
    problems: tuple[str, ...]

    def data(self) -> object:
        return plain(self.places)

    def blocks(self) -> Iterator[Block]:
        if not self.places:
            yield Line(f"no model has an environment in {self.root}")
            return
        columns = (
            Column("model", "strong", folds=True),
            Column("engine"),
            Column("python", "version"),
            Column("state"),
            Column("size", right=True),
            Column("use"),
            Column("key", "quiet"),
            Column("problem", "quiet", folds=True),
        )
        rows = [
            (
                place.model,
                place.engine,
                place.python,
                Cell(place.condition, _STATE_STYLES.get(place.state, "bad")),
                size(place.size) if place.key else "-",
                "in use" if place.in_use else "",
                place.key[:16],
                problem,
            )
            for place, problem in zip(self.places, self.problems, strict=True)
        ]
        yield table(f"{counted(len(rows), 'environment')} in {self.root}", columns, rows)


class Generations(Struct, frozen=True):
    """The environments that one model had."""

    model: str
    engine: str
    python: str
    path: str
    generations: tuple[Past, ...]


class Histories(Struct, frozen=True):
    """The result of `history`."""

    models: tuple[Generations, ...]

    def data(self) -> object:
        return plain(self.models)

    def blocks(self) -> Iterator[Block]:
        columns = (
            Column("environment", "strong"),
            Column("since"),
            Column("state"),
            Column("use"),
            Column("problem", "bad", folds=True),
            Column("installed", "quiet", folds=True),
        )
        for item in self.models:
            rows = [
                (
                    past.id,
                    past.since,
                    Cell("in force", "good") if past.current else Cell("kept", "quiet"),
                    "in use" if past.in_use else "",
                    past.problem,
                    ", ".join(past.installed),
                )
                for past in item.generations
            ]
            title = f"{item.model} ({item.engine}, Python {item.python}): {counted(len(rows), 'environment')}"
            yield table(title, columns, rows) if rows else Line(title)


class RolledBack(Struct, frozen=True):
    """The result of `rollback`: the ids of what was in force, and of what is now."""

    model: str
    engine: str
    python: str
    path: str
    former: str
    environment: str

    def data(self) -> object:
        return plain(self)

    def blocks(self) -> Iterator[Block]:
        yield Line(f"{self.model} ({self.engine}, Python {self.python}): {self.former} -> {self.environment}", "good")
        yield Line("what runs keeps what it started with; `--upgrade` or a changed request builds anew", "quiet")


class Removed(Struct, frozen=True):
    """A place that is no more. `environment_removed` is false where another model uses the environment."""

    place: Place
    environment_removed: bool


class Removal(Struct, frozen=True):
    """The result of `remove`."""

    removed: tuple[Removed, ...]

    def data(self) -> object:
        return [{**plain(item.place), "environment_removed": item.environment_removed} for item in self.removed]

    def blocks(self) -> Iterator[Block]:
        if not self.removed:
            yield Line("nothing was removed")
        for item in self.removed:
            place = item.place
            freed = f", {size(place.size)} freed" if item.environment_removed else ", its environment is still used"
            yield Line(f"removed {place.model} ({place.engine}, Python {place.python}){freed}")
