"""`venvkit remove MODEL`."""

from __future__ import annotations

import click

from venvkit.cli.options.request import engine_option, json_option
from venvkit.cli.options.select import select_or_all, store
from venvkit.cli.outcome import Outcome
from venvkit.cli.views.place import Removal
from venvkit.errors import BusyError, VenvkitError
from venvkit.store.change.remove import remove


@click.command("remove")
@click.argument("model", required=False)
@engine_option
@click.option("--all", "everything", is_flag=True, help="Remove every environment of the store.")
@json_option
def command(model: str | None, engine: str | None, everything: bool) -> Outcome:
    """Remove the environments of MODEL, a name or the path of a spec; one that is in use stays."""
    layout = store()
    removed, refused = remove(layout, select_or_all(layout, model, engine, everything=everything))
    layout.prune_empty()
    return Outcome(Removal(removed), _failure(refused))


def _failure(refused: tuple[VenvkitError, ...]) -> VenvkitError | None:
    if len(refused) < 2:
        return next(iter(refused), None)
    return BusyError(
        f"{len(refused)} environments stay",
        code="in-use",
        remedy="end the processes that use them first",
        details=tuple(f"{error.where}: {error.message}" for error in refused),
    )
