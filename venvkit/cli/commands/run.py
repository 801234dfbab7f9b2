"""`venvkit run MODEL -- COMMAND...`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from venvkit.api import ensure_env
from venvkit.cli.options.request import RequestCommand, enable_option, quiet_option, request_options
from venvkit.cli.progress.show import reporting
from venvkit.cli.signals import attend, cancellable
from venvkit.errors import CancelledError, UsageError
from venvkit.launch.installs import refuse_install
from venvkit.settings import load_settings

if TYPE_CHECKING:
    from venvkit.launch.asked import Choices


@click.command("run", cls=RequestCommand)
@click.argument("model")
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="-- COMMAND...")
@request_options
@enable_option
@quiet_option
def command(model: str, argv: tuple[str, ...], choices: Choices, enable: bool | None, quiet: bool) -> int:
    """Run COMMAND in the environment of MODEL, the path of a spec; what is missing is built first.

    The command has standard input, output and error to itself, and its exit status becomes ours (128 + n when
    signal n ends it).
    """
    if not argv:
        raise UsageError(
            "there is no command to run",
            code="command-missing",
            where="venvkit run",
            remedy="put it after two dashes: venvkit run MODEL -- python -c 'print(1)'",
        )
    if load_settings().enable if enable is None else enable:
        refuse_install(argv, model)
    with cancellable() as cancel, reporting(quiet=quiet) as observer:
        env = ensure_env(model, enable=enable, observer=observer, cancel=cancel, **choices)
    if cancel.is_set():
        raise CancelledError("cancelled before the command was started")
    return attend(lambda: env.popen(argv))
