"""`venvkit models [TEXT]`: the models that can be named, and where each spec lies."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from venvkit.base.process import Runner
from venvkit.catalogue.find import all_models
from venvkit.catalogue.sources import call_sources
from venvkit.catalogue.values import Listing, Model
from venvkit.cli.options.request import catalogue_options, json_option, quiet_option
from venvkit.cli.outcome import Outcome
from venvkit.cli.page.blocks import Block, Column, Line, table
from venvkit.cli.page.text import counted
from venvkit.cli.progress.show import reporting
from venvkit.cli.signals import cancellable
from venvkit.events import Observer
from venvkit.host.probe import find_host_python
from venvkit.host.snapshot import take_snapshot
from venvkit.launch.asked import Call
from venvkit.launch.job import cache_folder
from venvkit.settings import load_settings
from venvkit.spec.model import ModelSpec

if TYPE_CHECKING:
    from venvkit.launch.asked import Choices


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


@click.command("models")
@click.argument("text", default="")
@catalogue_options
@click.option("--host-python", metavar="PATH", help="Interpreter whose packages are the host.")
@quiet_option
@json_option
def command(text: str, choices: Choices, host_python: str | None, quiet: bool) -> Outcome:
    """List the models that can be named, or those with TEXT in their name, and where their specs lie."""
    if host_python:
        choices = {**choices, "host_python": host_python}
    with cancellable() as cancel, reporting(quiet=quiet) as observer:
        listing = _listing(choices, observer, cancel)
    return Outcome(Shelf.of(listing, text))


def _listing(choices: Choices, observer: Observer, cancel: Event) -> Listing:
    environ = dict(os.environ)
    settings = load_settings(environ)
    call = Call(ModelSpec("models", ()), choices, settings, environ)
    cache: Path = cache_folder(call)
    python = find_host_python(call.choices["host_python"], settings.host_python)
    runner = Runner(cancel=cancel, timeout=settings.timeout)
    host = take_snapshot(python, runner=runner, cache_dir=cache / "hosts", environ=environ)
    sources = call_sources(call, host, cache=cache, observer=observer, cancel=cancel)
    return all_models(sources, type=call.choices["model_type"])
