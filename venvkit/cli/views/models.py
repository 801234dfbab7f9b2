"""The models that can be named, as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from venvkit.catalogue.values import Listing, Model
from venvkit.cli.page.blocks import Block, Column, Line, listed
from venvkit.cli.page.text import counted


class Shelf(Struct, frozen=True):
    """The result of `models`: what can be named, and the files that could not be read."""

    models: tuple[Model, ...]
    faults: tuple[str, ...]
    looked: tuple[str, ...]

    @classmethod
    def of(cls, listing: Listing, text: str) -> Shelf:
        """Return the models of a listing with `text` in their name, without regard to case."""
        wanted = text.lower()
        models = tuple(model for model in listing.models if wanted in model.name.lower())
        return cls(models, listing.faults, tuple(place.words for place in listing.looked))

    def data(self) -> dict[str, Any]:
        models = [
            {
                "name": model.name,
                "type": model.type,
                "variant": model.variant,
                "engine": model.engine,
                "formats": _formats(model),
                "place": model.place.kind,
                "origin": model.origin,
            }
            for model in self.models
        ]
        return {"models": models, "faults": self.faults, "looked": self.looked}

    def blocks(self) -> Iterator[Block]:
        if self.models:
            variants = Counter(map(_key, self.models))
            columns = (
                Column("name", "strong", folds=True),
                Column("type"),
                Column("variant", "quiet", lambda one: str(one.variant) if variants[_key(one)] > 1 else "", right=True),
                Column("engine", folds=True),
                Column("formats", "quiet", lambda one: ", ".join(_formats(one)), folds=True),
                Column("from", "quiet", lambda one: one.place.kind),
            )
            yield listed(counted(len(variants), "model"), self.models, columns)
        else:
            yield Line("no model", "strong")
            yield from (Line(f"looked in {place}", "quiet") for place in self.looked)
        yield from (Line(f"could not be read: {fault}", "warn") for fault in self.faults)


def _key(model: Model) -> tuple[str, str]:
    return model.name, model.type.lower()


def _formats(model: Model) -> tuple[str, ...]:
    return (model.format,) if model.format else model.formats
