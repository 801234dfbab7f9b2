"""`venvkit list [MODEL]`."""

from __future__ import annotations

import click

from venvkit.cli.options.request import engine_option, json_option
from venvkit.cli.options.select import select, store
from venvkit.cli.outcome import Outcome
from venvkit.cli.views.place import Places
from venvkit.store.look.inventory import entries


@click.command("list")
@click.argument("model", required=False)
@engine_option
@json_option
def command(model: str | None, engine: str | None) -> Outcome:
    """List the models of the store, or the environments of MODEL, a name or the path of a spec."""
    layout = store()
    found = select(layout, model, engine) if model is not None else tuple(entries(layout))
    if engine is not None:
        found = tuple(entry for entry in found if entry.engine == engine.lower())
    return Outcome(Places(layout.root, found))
