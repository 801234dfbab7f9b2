"""`venvkit config`."""

from __future__ import annotations

import click

from venvkit.cli.options.request import json_option
from venvkit.cli.outcome import Outcome
from venvkit.cli.views.config import Configuration
from venvkit.settings import load_settings


@click.command("config")
@json_option
def command() -> Outcome:
    """List all variables with their values, where these come from, and what they mean."""
    return Outcome(Configuration(load_settings().explain()))
