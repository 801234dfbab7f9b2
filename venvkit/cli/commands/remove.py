"""`venvkit remove MODEL`."""

from __future__ import annotations

import click

from venvkit.cli.options.request import engine_option, json_option
from venvkit.cli.options.select import select_or_all, store
from venvkit.cli.outcome import Outcome
from venvkit.cli.views.place import Removal
from venvkit.errors import BusyError
from venvkit.store.change.remove import remove_entry
from venvkit.store.look.inventory import Entry


@click.command("remove")
@click.argument("model", required=False)
@engine_option
@click.option("--all", "everything", is_flag=True, help="Remove every environment of the store.")
@json_option
def command(model: str | None, engine: str | None, everything: bool) -> Outcome:
    """Remove the environments of MODEL, a name or the path of a spec; one that is in use stays."""
    layout = store()
    removed: list[tuple[Entry, bool]] = []
    busy: list[BusyError] = []
    for entry in select_or_all(layout, model, engine, everything=everything):
        try:
            removed.append((entry, remove_entry(layout, entry)))
        except BusyError as error:
            busy.append(error)
    layout.prune_empty()
    return Outcome(Removal(tuple(removed)), _failure(busy))


def _failure(busy: list[BusyError]) -> BusyError | None:
    if len(busy) < 2:
        return next(iter(busy), None)
    return BusyError(
        f"{len(busy)} environments are in use",
        code="in-use",
        remedy="end those processes first",
        details=tuple(f"{error.where}: {error.message}" for error in busy),
    )
