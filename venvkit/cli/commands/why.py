"""`venvkit why MODEL NAME`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from packaging.utils import InvalidName, canonicalize_name

from venvkit.cli.options.request import RequestCommand, json_option, quiet_option, request_options
from venvkit.cli.options.subjects import ordered, refuse_options, subject
from venvkit.cli.outcome import Outcome
from venvkit.cli.progress.show import reporting
from venvkit.cli.signals import cancellable
from venvkit.cli.views.why import Answer, explain
from venvkit.errors import UsageError

if TYPE_CHECKING:
    from venvkit.launch.asked import Choices


@click.command("why", cls=RequestCommand)
@click.argument("model")
@click.argument("name")
@request_options
@quiet_option
@json_option
def command(model: str, name: str, choices: Choices, quiet: bool) -> Outcome:
    """Explain the distribution NAME: what asks for it, and why it was not inherited.

    MODEL is the path of a spec, which is planned anew, or a model or environment of the store. The two may come in
    either order.
    """
    model, name = ordered(model, name)
    refuse_options((model,), choices)
    _check_name(name)
    with cancellable() as cancel, reporting(quiet=quiet) as observer:
        asked = subject(model, choices, observer, cancel)
        found = explain(asked.plan, asked.problem(cancel), name)
    return Outcome(Answer(asked.model, asked.environment, asked.label, found))


def _check_name(name: str) -> None:
    try:
        canonicalize_name(name, validate=True)
    except InvalidName as error:
        raise UsageError(
            f"{name!r} is not the name of a distribution",
            code="name-invalid",
            where="NAME",
            remedy="write the name alone, without a version",
        ) from error
