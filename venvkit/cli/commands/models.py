"""`venvkit models [TEXT]`: the models that can be named, and where each spec lies."""

from __future__ import annotations

import os
from threading import Event
from typing import TYPE_CHECKING

import click

from venvkit.catalogue.find import all_models
from venvkit.catalogue.values import Listing
from venvkit.cli.options.request import catalogue_options, json_option, quiet_option
from venvkit.cli.outcome import Outcome
from venvkit.cli.progress.show import reporting
from venvkit.cli.signals import cancellable
from venvkit.cli.views.models import Shelf
from venvkit.events import Observer
from venvkit.launch.asked import Call
from venvkit.launch.host import look_at_host, open_services
from venvkit.launch.reading import call_sources
from venvkit.settings import load_settings
from venvkit.spec.model import ModelSpec

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
    services = open_services(call, observer, cancel)
    sources = call_sources(call, look_at_host(call, services), services)
    return all_models(sources, type=call.choices["model_type"])
