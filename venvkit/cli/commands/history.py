"""`venvkit history MODEL`."""

from __future__ import annotations

from collections.abc import Iterator

import click
from msgspec import Struct, to_builtins

from venvkit.cli.options.request import engine_option, json_option
from venvkit.cli.options.select import select, store
from venvkit.cli.outcome import Outcome
from venvkit.cli.page.blocks import Block, Cell, Column, Line, table
from venvkit.cli.page.text import counted
from venvkit.store.look.history import Past, history


class Generations(Struct, frozen=True):
    """The environments that one model had."""

    model: str
    engine: str
    python: str
    path: str
    generations: tuple[Past, ...]


class Histories(Struct, frozen=True):
    """The result of `history`."""

    models: tuple[Generations, ...]

    def data(self) -> object:
        return [
            {
                **to_builtins(item),
                "generations": [{**to_builtins(past), "path": str(past.path)} for past in item.generations],
            }
            for item in self.models
        ]

    def blocks(self) -> Iterator[Block]:
        columns = (
            Column("environment", "strong"),
            Column("since"),
            Column("state"),
            Column("use"),
            Column("problem", "bad", folds=True),
            Column("installed", "quiet", folds=True),
        )
        for item in self.models:
            rows = [
                (
                    past.id,
                    past.since,
                    Cell("in force", "good") if past.current else Cell("kept", "quiet"),
                    "in use" if past.in_use else "",
                    past.problem,
                    ", ".join(past.installed),
                )
                for past in item.generations
            ]
            title = f"{item.model} ({item.engine}, Python {item.python}): {counted(len(rows), 'environment')}"
            yield table(title, columns, rows) if rows else Line(title)


@click.command("history")
@click.argument("model")
@engine_option
@json_option
def command(model: str, engine: str | None) -> Outcome:
    """Show the environments that MODEL, a name or the path of a spec, had and can go back to."""
    layout = store()
    found = (entry for entry in select(layout, model, engine) if entry.state != "foreign")
    return Outcome(
        Histories(
            tuple(
                Generations(entry.model, entry.engine, entry.python, str(entry.path), history(layout, entry.path))
                for entry in found
            )
        )
    )
