"""`venvkit rollback MODEL [--to ID]`."""

from __future__ import annotations

import click

from venvkit.cli.options.request import engine_option, json_option
from venvkit.cli.options.select import select, store
from venvkit.cli.outcome import Outcome
from venvkit.cli.views.place import RolledBack
from venvkit.errors import UsageError
from venvkit.store.change.rollback import rollback


@click.command("rollback")
@click.argument("model")
@click.option("--to", metavar="ID", help="The environment to go back to, or the head of its id; default: the former.")
@engine_option
@json_option
def command(model: str, to: str | None, engine: str | None) -> Outcome:
    """Put a former environment of MODEL, a name or the path of a spec, in force again."""
    layout = store()
    found = [entry for entry in select(layout, model, engine) if entry.state != "foreign"]
    if len(found) != 1:
        raise UsageError(
            f"{model} has {len(found)} environments",
            code="model-ambiguous",
            where=", ".join(f"{entry.engine}/{entry.python}" for entry in found),
            remedy="name one with --engine",
        )
    entry = found[0]
    former, now = rollback(layout, entry.path, to)
    return Outcome(RolledBack(entry, former, now))
