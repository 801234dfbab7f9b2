"""`venvkit gc`."""

from __future__ import annotations

from typing import Any

import click

from venvkit.cli.options import values
from venvkit.cli.options.request import json_option
from venvkit.cli.options.select import store
from venvkit.cli.outcome import Outcome
from venvkit.cli.views.collection import Collection
from venvkit.settings import load_settings
from venvkit.store.collect.gc import collect
from venvkit.store.collect.rules import Wish


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
def command(prune: bool, keep: tuple[str, ...], **asked: Any) -> Outcome:
    """Remove the environments that no model wants, and what dead processes left; what is in use stays."""
    layout = store()
    wish = Wish(keep=keep, **asked)
    report = collect(layout, wish)
    cache = None
    if prune and not wish.dry_run:
        from venvkit.store.collect.cache import prune_cache

        cache = prune_cache(layout, load_settings().timeout)
    if not wish.dry_run:
        layout.prune_empty()
    result = Collection(report, wish.dry_run, cache)
    return Outcome(result, result.failure(wish.max_size))
