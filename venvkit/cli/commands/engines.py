"""`venvkit engines [NAME]`: the engine data in force, and the file that each part of it comes from."""

from __future__ import annotations

import click

from venvkit.cli.options.request import json_option
from venvkit.cli.outcome import Outcome
from venvkit.cli.views.engines import Known
from venvkit.errors import UsageError
from venvkit.settings import load_settings
from venvkit.spec.data import engine_files
from venvkit.spec.engines import Engine, EngineTable, load_engines


@click.command("engines")
@click.argument("name", required=False)
@json_option
def command(name: str | None) -> Outcome:
    """List the engines and special cases, where each comes from, and what it replaces.

    With NAME, an engine or one of its aliases, everything about that one.
    """
    files = engine_files(load_settings())
    found = load_engines(file.path for file in files)
    return Outcome(Known.of(files, found, _named(found, name) if name is not None else None))


def _named(found: EngineTable, name: str) -> Engine:
    engine = found.find(name)
    if engine is not None:
        return engine
    near = found.nearest(name)
    known = ", ".join(sorted(one.name for one in found.engines))
    raise UsageError(
        f"there is no engine {name!r} in the engine data",
        code="engine-unknown",
        where="NAME",
        remedy=f"did you mean {near!r}?" if near else f"known are {known}",
    )
