"""`venvkit check [MODEL] [--all]`."""

from __future__ import annotations

import click

from venvkit.cli.options.request import json_option, place_options
from venvkit.cli.options.select import one_or_all, store
from venvkit.cli.outcome import Outcome
from venvkit.cli.progress.show import reporting
from venvkit.cli.signals import cancellable
from venvkit.cli.views.check import Verdicts


@click.command("check")
@click.argument("model", required=False)
@place_options
@click.option("--all", "everything", is_flag=True, help="Check every environment of the store.")
@click.option("--repair", is_flag=True, help="Rebuild each environment that is not proved.")
@click.option("--quick", is_flag=True, help="Compare sizes of files in place of their digests.")
@json_option
def command(
    model: str | None, engine: str | None, python: str | None, everything: bool, repair: bool, quick: bool
) -> Outcome:
    """Prove the environments of MODEL, a name or the path of a spec, again.

    Requirements, files, start, shared objects, and the imports that the build made.
    """
    one_or_all(model, everything=everything)
    with cancellable() as cancel, reporting(quiet=False) as observer:
        result = store().check(
            model, engine=engine, python=python, repair=repair, quick=quick, observer=observer, cancel=cancel
        )
    return Outcome(Verdicts(result), result.failure)
