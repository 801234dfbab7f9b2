"""`venvkit diff A B`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from venvkit.cli.options.request import RequestCommand, json_option, quiet_option, request_options
from venvkit.cli.options.subjects import refuse_options, subject
from venvkit.cli.outcome import Outcome
from venvkit.cli.progress.show import reporting
from venvkit.cli.signals import cancellable
from venvkit.cli.views.diff import Difference
from venvkit.plan.explain import diff

if TYPE_CHECKING:
    from venvkit.launch.asked import Choices


@click.command("diff", cls=RequestCommand)
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@request_options
@quiet_option
@json_option
def command(before: str, after: str, choices: Choices, quiet: bool) -> Outcome:
    """Show what differs from A to B: versions, and what is installed or inherited.

    Each is the path of a spec, which is planned anew with the options given, or a model or environment of the store.
    """
    refuse_options((before, after), choices)
    with cancellable() as cancel, reporting(quiet=quiet) as observer:
        first = subject(before, choices, observer, cancel)
        second = subject(after, choices, observer, cancel)
    return Outcome(Difference(first, second, diff(first.plan, second.plan)))
