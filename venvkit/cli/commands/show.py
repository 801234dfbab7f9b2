"""`venvkit show MODEL`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from venvkit.cli.options.request import RequestCommand, json_option, request_options
from venvkit.cli.options.select import select_answer, select_one, store
from venvkit.cli.outcome import Outcome
from venvkit.cli.views.show import Sight
from venvkit.launch.given import is_path

if TYPE_CHECKING:
    from venvkit.launch.asked import Choices


@click.command("show", cls=RequestCommand)
@click.argument("model")
@request_options
@json_option
def command(model: str, choices: Choices) -> Outcome:
    """Show the environment of MODEL: its receipt, its host and its paths.

    With the path of a spec and build's options, the environment that answers exactly those; with a name, the one
    in the store (--engine and --python tell several apart).
    """
    layout = store()
    found = select_answer(layout, model, choices) if is_path(model) else None
    return Outcome(Sight.of(layout, found or select_one(layout, model, choices, alone=True)))
