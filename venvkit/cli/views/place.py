"""Results about places in the store: one row, a list of them, and the environment that one leads to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct, to_builtins

from venvkit.cli.page.blocks import Block, Cell, Column, Line, Style, table
from venvkit.cli.page.text import counted, size
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
        )


class Places(Struct, frozen=True):
    """The models of a store."""

    root: Path
    places: tuple[Place, ...]
    problems: tuple[str, ...]

    def data(self) -> object:
        return [to_builtins(place) for place in self.places]

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
                state_cell(place.state),
                size(place.size) if place.key else "-",
                "in use" if place.in_use else "",
                place.key[:16],
                problem,
            )
            for place, problem in zip(self.places, self.problems, strict=True)
        ]
        yield table(f"{counted(len(rows), 'environment')} in {self.root}", columns, rows)


def state_cell(state: str) -> Cell:
    """Return a state in its colour."""
    return Cell(state, _STATE_STYLES.get(state, "bad"))
