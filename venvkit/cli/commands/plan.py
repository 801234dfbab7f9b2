"""`venvkit plan MODEL [--explain]`, `venvkit plan MODEL --sources`, `venvkit plan --all`."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import click

from venvkit.api import plan_env
from venvkit.cli.options.request import RequestCommand, enable_option, json_option, quiet_option, request_options
from venvkit.cli.outcome import Outcome
from venvkit.cli.progress.show import reporting
from venvkit.cli.signals import cancellable
from venvkit.cli.views.plan import Decision
from venvkit.cli.views.sources import Sourced
from venvkit.events import Observer, Warned
from venvkit.launch.asked import Call
from venvkit.launch.host import open_services
from venvkit.launch.reading import read_call
from venvkit.settings import load_settings

if TYPE_CHECKING:
    from venvkit.launch.asked import Choices


@click.command("plan", cls=RequestCommand)
@click.argument("model", required=False)
@request_options
@enable_option
@click.option("--all", "everything", is_flag=True, help="Plan every model with every engine that its spec names.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="With --all: how many at the same time.")
@click.option("--refresh", is_flag=True, help="With --all: plan anew what an earlier run has answered.")
@click.option("--explain", is_flag=True, help="Tell each distribution's whole reason; with --all, leave nothing out.")
@click.option("--sources", "account", is_flag=True, help="Show the sources in force and who named them; none is asked.")
@quiet_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    model: str | None,
    choices: Choices,
    enable: bool | None,
    quiet: bool,
    everything: bool,
    **page: Any,
) -> Outcome:
    """Show what `build` would install and inherit for MODEL, and why. Nothing is built.

    With --all: what every model would get with every engine that its spec names, of those that --type and --engine
    leave, and what of it the store has.
    """
    if everything:
        if model is not None:
            ctx.fail("name a model, or give --all, and not both")
        if page.pop("account"):
            ctx.fail("--sources is for one model: name it, and leave --all away")
        from venvkit.cli.commands.fleet import plan_all

        return plan_all(choices, enable=enable, quiet=quiet, full=page.pop("explain"), **page)
    if model is None or page["jobs"] is not None or page["refresh"]:
        ctx.fail("name a model, or give --all" if model is None else "--jobs and --refresh are for --all")
    if page["account"] and page["explain"]:
        ctx.fail("--sources shows no plan that --explain could tell of: give one of them")
    with cancellable() as cancel, reporting(quiet=quiet) as observer:
        if not (load_settings().enable if enable is None else enable):
            observer(Warned("disabled", "environments are switched off: build would hand out the host's interpreter"))
        if page["account"]:
            return Outcome(_sources(model, choices, observer, cancel))
        planned = plan_env(model, observer=observer, cancel=cancel, **choices)
    return Outcome(Decision.of(planned, explain=page["explain"]))


def _sources(model: str, choices: Choices, observer: Observer, cancel: threading.Event) -> Sourced:
    environ = dict(os.environ)
    call = Call(model, choices, load_settings(environ), environ)
    return Sourced.of(read_call(call, open_services(call, observer, cancel)))
