"""`venvkit lint SPEC...`."""

from __future__ import annotations

import click
from msgspec.structs import replace

from venvkit.cli.options.request import json_option, quiet_option
from venvkit.cli.options.values import variable_names
from venvkit.cli.outcome import Outcome
from venvkit.cli.progress.show import reporting
from venvkit.cli.signals import cancellable
from venvkit.cli.views.lint import Findings
from venvkit.lint.check import lint
from venvkit.lint.findings import strict
from venvkit.lint.releases import open_releases
from venvkit.settings import load_settings
from venvkit.spec.data import engine_files
from venvkit.spec.engines import load_engines


@click.command("lint")
@click.argument("specs", metavar="SPEC...", nargs=-1, required=True)
@click.option("--offline", is_flag=True, help="Do not ask the indexes whether there are releases.")
@click.option("--strict", "strictly", is_flag=True, help="Take warnings for errors.")
@click.option(
    "--var",
    "variables",
    metavar="NAME",
    multiple=True,
    callback=variable_names,
    help="Name a variable that launches pass. Repeatable.",
)
@quiet_option
@json_option
def command(specs: tuple[str, ...], offline: bool, strictly: bool, variables: frozenset[str], quiet: bool) -> Outcome:
    """Look over specs: files of them, and folders with all that lies below."""
    settings = load_settings()
    engines = load_engines(file.path for file in engine_files(settings))
    with cancellable() as cancel, reporting(quiet=quiet) as observer:
        releases = None if offline else open_releases(settings, observer, cancel)
        # What the hub is called is the one variable that every launch has.
        checked = lint(specs, engines=engines, variables={"model_src", *variables}, releases=releases)
    if strictly:
        checked = replace(checked, findings=strict(checked.findings))
    result = Findings(checked)
    return Outcome(result, result.failure)
