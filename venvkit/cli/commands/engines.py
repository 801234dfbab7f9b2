"""`venvkit engines [NAME]`: the engine data in force, and the file that each part of it comes from."""

from __future__ import annotations

import click

from venvkit.cli.options.request import json_option
from venvkit.cli.outcome import Outcome
from venvkit.cli.views.engines import Known
from venvkit.settings import load_settings
from venvkit.spec.data import engine_files
from venvkit.spec.engines import load_engines


@click.command("engines")
@click.argument("name", required=False)
@json_option
def command(name: str | None) -> Outcome:
    """List the engines and special cases, where each comes from, and what it replaces.

    With NAME, an engine or one of its aliases, everything about that one.
    """
    files = engine_files(load_settings())
    found = load_engines(file.path for file in files)
    engine = found.find(name) if name is not None else None
    if name is not None and engine is None:
        raise found.unknown(f"there is no engine {name!r} in the engine data", name, where="NAME")
    return Outcome(Known.of(files, found, engine))
