"""`venvkit check [MODEL] [--all]`."""

from __future__ import annotations

import click

from venvkit.cli.options.request import engine_option, json_option
from venvkit.cli.options.select import select_or_all, store
from venvkit.cli.outcome import Outcome
from venvkit.cli.progress.show import reporting
from venvkit.cli.signals import cancellable
from venvkit.cli.views.check import Verdicts
from venvkit.launch.examine import Examiner
from venvkit.settings import load_settings


@click.command("check")
@click.argument("model", required=False)
@engine_option
@click.option("--all", "everything", is_flag=True, help="Check every environment of the store.")
@click.option("--repair", is_flag=True, help="Rebuild each environment that is not proved.")
@click.option("--quick", is_flag=True, help="Compare sizes of files in place of their digests.")
@json_option
def command(model: str | None, engine: str | None, everything: bool, repair: bool, quick: bool) -> Outcome:
    """Prove the environments of MODEL, a name or the path of a spec, again.

    Requirements, files, start, shared objects, and the imports that the build made.
    """
    layout = store()
    with cancellable() as cancel, reporting(quiet=False) as observer:
        examiner = Examiner(layout, load_settings(), cancel, quick=quick)
        found = select_or_all(layout, model, engine, everything=everything)
        verdicts = examiner.repair(found, observer) if repair else examiner.examine(found)
    result = Verdicts(verdicts)
    return Outcome(result, result.failure)
