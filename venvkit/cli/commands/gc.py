"""`venvkit gc`."""

from __future__ import annotations

from typing import Any

import click

from venvkit.cli.options import values
from venvkit.cli.options.request import json_option
from venvkit.cli.options.select import store
from venvkit.cli.outcome import Outcome
from venvkit.cli.views.collection import Collection


@click.command("gc")
@click.option(
    "--older-than", metavar="AGE", callback=values.age, help="Also drop models not used for that long: 30d, 12h."
)
@click.option(
    "--max-size", metavar="SIZE", callback=values.size, help="Also drop the least recently used, down to 50GB."
)
@click.option("--keep-last", type=click.IntRange(1), metavar="N", help="Keep N environments of each model, at least 1.")
@click.option("--keep", multiple=True, metavar="NAME", help="Keep a model, a shell or an environment. Repeatable.")
@click.option("--cache", "prune", is_flag=True, help="Prune uv's cache too.")
@click.option("--foreign", is_flag=True, help="Delete what was moved aside because it was not venvkit's.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@json_option
def command(prune: bool, **asked: Any) -> Outcome:
    """Remove the environments that no model wants, and what dead processes left; what is in use stays."""
    result = store().gc(cache=prune, **asked)
    return Outcome(Collection(result), result.failure)
