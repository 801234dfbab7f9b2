"""`venvkit models [TEXT]`: the models that can be named, and where each spec lies."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import click

from venvkit.base.caches import cache_folder
from venvkit.base.process import Runner
from venvkit.catalogue.find import all_models
from venvkit.catalogue.sources import call_sources
from venvkit.catalogue.values import Listing
from venvkit.cli.options.request import catalogue_options, json_option, quiet_option
from venvkit.cli.outcome import Outcome
from venvkit.cli.progress.show import reporting
from venvkit.cli.signals import cancellable
from venvkit.cli.views.models import Shelf
from venvkit.events import Observer
from venvkit.host.probe import find_host_python
from venvkit.host.snapshot import take_snapshot
from venvkit.launch.asked import Call
from venvkit.settings import load_settings
from venvkit.spec.model import ModelSpec
from venvkit.store.layout import Layout

if TYPE_CHECKING:
    from venvkit.launch.asked import Choices


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
    cache = cache_folder(environ, Layout(Path(settings.home)).cache)
    python = find_host_python(call.choices["host_python"], settings.host_python)
    runner = Runner(cancel=cancel, timeout=settings.timeout)
    host = take_snapshot(python, runner=runner, cache_dir=cache / "hosts", environ=environ)
    sources = call_sources(call, host, cache=cache, observer=observer, cancel=cancel)
    return all_models(sources, type=call.choices["model_type"])
