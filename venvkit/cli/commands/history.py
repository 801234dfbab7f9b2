"""`venvkit history MODEL`."""

from __future__ import annotations

import click

from venvkit.cli.options.request import json_option, place_options
from venvkit.cli.options.select import store
from venvkit.cli.outcome import Outcome
from venvkit.cli.views.place import Histories


@click.command("history")
@click.argument("model")
@place_options
@json_option
def command(model: str, engine: str | None, python: str | None) -> Outcome:
    """Show the environments that MODEL, a name or the path of a spec, had and can go back to."""
    return Outcome(Histories(store().history(model, engine=engine, python=python)))
