"""`venvkit build MODEL...`, `venvkit build --all`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from venvkit.api import ensure_env
from venvkit.cli.options.request import RequestCommand, enable_option, json_option, quiet_option, request_options
from venvkit.cli.outcome import Outcome
from venvkit.cli.progress.show import reporting
from venvkit.cli.signals import cancellable
from venvkit.cli.views.built import Built

if TYPE_CHECKING:
    from venvkit.launch.asked import Choices


@click.command("build", cls=RequestCommand)
@click.argument("models", metavar="MODEL...", nargs=-1)
@request_options
@enable_option
@click.option("--all", "everything", is_flag=True, help="Build every model with every engine that its spec names.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Of several models, how many at the same time.")
@quiet_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    models: tuple[str, ...],
    choices: Choices,
    enable: bool | None,
    everything: bool,
    jobs: int | None,
    quiet: bool,
) -> Outcome:
    """Build the environment of MODEL, a name or the path of a spec, or find the one that is there.

    Of several models, or of --all that the sources have, each is built for which that is possible; the command ends
    with the gravest failure.
    """
    if bool(models) is everything:
        ctx.fail("name a model, or several, or give --all, and not both")
    if everything or len(models) > 1:
        from venvkit.cli.commands.fleet import build_many

        return build_many(models, choices, enable=enable, jobs=jobs, quiet=quiet)
    if jobs is not None:
        ctx.fail("--jobs is for several models, or --all")
    with cancellable() as cancel, reporting(quiet=quiet) as observer:
        env = ensure_env(models[0], enable=enable, observer=observer, cancel=cancel, **choices)
        env.release()  # what is shown as in use is used by others
    return Outcome(Built(env))
