"""`venvkit list [MODEL]`."""

from __future__ import annotations

import click

from venvkit.cli.options.request import json_option, place_options
from venvkit.cli.options.select import store
from venvkit.cli.outcome import Outcome
from venvkit.cli.views.place import Places


@click.command("list")
@click.argument("model", required=False)
@place_options
@json_option
def command(model: str | None, engine: str | None, python: str | None) -> Outcome:
    """List the models of the store, or the environments of MODEL, a name or the path of a spec."""
    return Outcome(Places(store().list(model, engine=engine, python=python)))
