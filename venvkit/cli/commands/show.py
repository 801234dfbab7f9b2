"""`venvkit show MODEL`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from venvkit.cli.options.request import RequestCommand, json_option, request_options
from venvkit.cli.options.select import store
from venvkit.cli.options.subjects import refuse_unused
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
    there = store()
    found = there.answer(model, choices) if is_path(model) else None
    if found is None:
        refuse_unused(model, choices)
        found = there.find(model, engine=choices.get("engine"), python=choices.get("python"))
    return Outcome(Sight.of(there, found))
