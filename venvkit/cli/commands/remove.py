"""`venvkit remove MODEL`."""

from __future__ import annotations

import click

from venvkit.cli.options.request import json_option, place_options
from venvkit.cli.options.select import one_or_all, store
from venvkit.cli.outcome import Outcome
from venvkit.cli.views.place import Removal


@click.command("remove")
@click.argument("model", required=False)
@place_options
@click.option("--all", "everything", is_flag=True, help="Remove every environment of the store.")
@json_option
def command(model: str | None, engine: str | None, python: str | None, everything: bool) -> Outcome:
    """Remove the environments of MODEL, a name or the path of a spec; one that is in use stays."""
    one_or_all(model, everything=everything)
    result = store().remove(model, engine=engine, python=python)
    return Outcome(Removal(result), result.failure)
