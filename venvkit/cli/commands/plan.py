"""`venvkit plan MODEL [--explain]`, `venvkit plan MODEL --sources`, `venvkit plan --all`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from venvkit.api import plan_env
from venvkit.cli.options import request as options
from venvkit.cli.outcome import Outcome
from venvkit.cli.progress.show import reporting
from venvkit.cli.signals import cancellable
from venvkit.cli.views.plan import Decision
from venvkit.cli.views.sources import Sourced
from venvkit.launch.asked import Call
from venvkit.launch.host import open_services
from venvkit.launch.reading import read_call
from venvkit.settings import load_settings

if TYPE_CHECKING:
    from venvkit.launch.asked import Choices


@click.command("plan", cls=options.RequestCommand)
@click.argument("model", required=False)
@options.request_options
@options.enable_option
@click.option("--all", "everything", is_flag=True, help="Plan every model with every engine that its spec names.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="With --all: how many at the same time.")
@click.option("--refresh", is_flag=True, help="With --all: plan anew what an earlier run has answered.")
@click.option("--explain", is_flag=True, help="Tell each distribution's whole reason; with --all, leave nothing out.")
@click.option("--sources", "account", is_flag=True, help="Show the sources in force and who named them; none is asked.")
@options.quiet_option
@options.json_option
@click.pass_context
def command(ctx: click.Context, /, model: str | None, choices: Choices, quiet: bool, **page: Any) -> Outcome:
    """Show what `build` would install and inherit for MODEL, and why. Nothing is built.

    With --all: what every model would get with every engine that its spec names, of those that --type and --engine
    leave, and what of it the store has.
    """
    if (model is None) is not page.pop("everything"):
        ctx.fail("name a model, or give --all" if model is None else "name a model, or give --all, and not both")
    if model is None:
        if page.pop("account"):
            ctx.fail("--sources is for one model: name it, and leave --all away")
        from venvkit.cli.commands.fleet import plan_all

        return plan_all(choices, quiet=quiet, full=page.pop("explain"), **page)
    if page["jobs"] is not None or page["refresh"]:
        ctx.fail("--jobs and --refresh are for --all")
    if page["account"] and page["explain"]:
        ctx.fail("--sources shows no plan that --explain could tell of: give one of them")
    with cancellable() as cancel, reporting(quiet=quiet) as observer:
        options.warn_disabled(page["enable"], observer)
        if page["account"]:
            environ = dict(os.environ)
            call = Call(model, choices, load_settings(environ), environ)
            return Outcome(Sourced.of(read_call(call, open_services(call, observer, cancel))))
        planned = plan_env(model, observer=observer, cancel=cancel, **choices)
    return Outcome(Decision.of(planned, explain=page["explain"]))
