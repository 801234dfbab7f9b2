"""`venvkit show MODEL`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from venvkit.cli.options.request import RequestCommand, json_option, request_options
from venvkit.cli.options.select import select, select_one, store
from venvkit.cli.outcome import Outcome
from venvkit.cli.views.show import Sight
from venvkit.errors import UsageError
from venvkit.formats.entry import read_entry
from venvkit.launch.asked import Call
from venvkit.launch.given import is_path
from venvkit.settings import load_settings
from venvkit.store.layout import Layout
from venvkit.store.look.inventory import Entry

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
    found = _exact(layout, model, choices) if is_path(model) else None
    return Outcome(Sight.of(layout, found or _by_name(layout, model, choices)))


def _exact(layout: Layout, model: str, choices: Choices) -> Entry | None:
    """Return the place that answered this very request, as long as it still leads to the same environment."""
    environ = dict(os.environ)
    answer = read_entry(str(layout.request(Call(model, choices, load_settings(environ), environ).key())))
    if answer is None:
        return None
    facts = answer["facts"]
    wanted = (Path(facts["shell"]), Path(facts["path"]))
    try:
        entries = select(layout, facts["model"], facts["engine"])
    except UsageError:
        return None
    return next((entry for entry in entries if (entry.path, entry.environment) == wanted), None)


def _by_name(layout: Layout, model: str, choices: Choices) -> Entry:
    other = sorted(choices.keys() - {"engine", "python"})
    if other:
        raise UsageError(
            f"nothing in the store was built with these options: {', '.join(other)}",
            code="model-not-built",
            where=model,
            remedy="`venvkit build` with the same options makes it; without options, show takes any of the model's",
        )
    return select_one(layout, model, choices)
