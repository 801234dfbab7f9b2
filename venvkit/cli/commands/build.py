"""`venvkit build MODEL`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from venvkit.api import ensure_env
from venvkit.cli.built import Built
from venvkit.cli.options import enable_option, json_option, quiet_option, request_options
from venvkit.cli.outcome import Outcome
from venvkit.cli.progress import reporting
from venvkit.cli.selection import store
from venvkit.cli.signals import cancellable

if TYPE_CHECKING:
    from venvkit.call import Choices


@click.command("build")
@click.argument("model")
@request_options
@enable_option
@quiet_option
@json_option
def command(model: str, choices: Choices, enable: bool | None, quiet: bool) -> Outcome:
    """Build the environment of MODEL, the path of a spec, or find the one that is there."""
    with cancellable() as cancel, reporting(quiet=quiet) as observer:
        env = ensure_env(model, enable=enable, observer=observer, cancel=cancel, **choices)
    return Outcome(Built.of(env, store()))
