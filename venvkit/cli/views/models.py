"""The models that can be named, as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from venvkit.catalogue.values import Listing, Model
from venvkit.cli.page.blocks import Block, Column, Line, table
from venvkit.cli.page.text import counted

if TYPE_CHECKING:
    pass


class Shelf(Struct, frozen=True):
    """The result of `models`: what can be named, and the files that could not be read."""

    models: tuple[Model, ...]
    faults: tuple[str, ...]
    looked: tuple[str, ...]

    @classmethod
    def of(cls, listing: Listing, text: str) -> Shelf:
        """Return what of a listing has `text` in its name, without regard to case."""
        wanted = text.lower()
        models = tuple(model for model in listing.models if wanted in model.name.lower())
        return cls(models, listing.faults, tuple(place.words for place in listing.looked))

    def data(self) -> object:
        return {"models": [_data(model) for model in self.models], "faults": self.faults, "looked": self.looked}

    def blocks(self) -> Iterator[Block]:
        if self.models:
            columns = (
                Column("name", "strong", folds=True),
                Column("type"),
                Column("variant", "quiet", right=True),
                Column("engine", folds=True),
                Column("formats", "quiet", folds=True),
                Column("from", "quiet"),
            )
            variants = Counter(map(_key, self.models))
            rows = [_row(model, alone=variants[_key(model)] == 1) for model in self.models]
            yield table(counted(len(variants), "model"), columns, rows)
        else:
            yield Line("no model", "strong")
            yield from (Line(f"looked in {place}", "quiet") for place in self.looked)
        yield from (Line(f"could not be read: {fault}", "warn") for fault in self.faults)


def _data(model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "type": model.type,
        "variant": model.variant,
        "engine": model.engine,
        "formats": list(_formats(model)),
        "place": model.place.kind,
        "origin": model.origin,
    }


def _key(model: Model) -> tuple[str, str]:
    return model.name, model.type.lower()


def _row(model: Model, *, alone: bool) -> tuple[str, ...]:
    variant = "" if alone else str(model.variant)
    return model.name, model.type, variant, model.engine, ", ".join(_formats(model)), model.place.kind


def _formats(model: Model) -> tuple[str, ...]:
    return (model.format,) if model.format else model.formats
