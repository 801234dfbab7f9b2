"""`venvkit history MODEL`."""

from __future__ import annotations

import click

from venvkit.cli.options.request import engine_option, json_option
from venvkit.cli.options.select import select, store
from venvkit.cli.outcome import Outcome
from venvkit.cli.views.place import Histories
from venvkit.store.look.history import history


@click.command("history")
@click.argument("model")
@engine_option
@json_option
def command(model: str, engine: str | None) -> Outcome:
    """Show the environments that MODEL, a name or the path of a spec, had and can go back to."""
    layout = store()
    found = (entry for entry in select(layout, model, engine) if entry.state != "foreign")
    return Outcome(Histories(tuple((entry, history(layout, entry.path)) for entry in found)))
