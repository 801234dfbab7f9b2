"""`venvkit rollback MODEL [--to ID]`."""

from __future__ import annotations

import click

from venvkit.cli.options.request import json_option, place_options
from venvkit.cli.options.select import store
from venvkit.cli.outcome import Outcome
from venvkit.cli.views.place import RolledBack


@click.command("rollback")
@click.argument("model")
@click.option("--to", metavar="ID", help="The environment to go back to, or the head of its id; default: the former.")
@place_options
@json_option
def command(model: str, to: str | None, engine: str | None, python: str | None) -> Outcome:
    """Put a former environment of MODEL, a name or the path of a spec, in force again."""
    return Outcome(RolledBack(store().rollback(model, to, engine=engine, python=python)))
