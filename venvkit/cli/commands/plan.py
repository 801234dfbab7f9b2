"""`venvkit plan MODEL [--explain]`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from venvkit.api import plan_env
from venvkit.cli.blocks import Block, Fields, Line
from venvkit.cli.options import enable_option, json_option, quiet_option, request_options
from venvkit.cli.outcome import Outcome
from venvkit.cli.planned import PlanView
from venvkit.cli.progress import reporting
from venvkit.cli.reasons import chain_of, explained
from venvkit.cli.signals import cancellable
from venvkit.events import Warned
from venvkit.job import Planned
from venvkit.plan.explain import Why
from venvkit.settings import load_settings

if TYPE_CHECKING:
    from venvkit.call import Choices


@dataclass(frozen=True, slots=True)
class Decision:
    """The result of `plan`. `why` explains each distribution of the plan; None where nobody asked."""

    model: str
    plan: PlanView
    why: tuple[Why, ...] | None = None

    @classmethod
    def of(cls, planned: Planned, *, explain: bool = False) -> Decision:
        """Return what is shown of a plan that was made."""
        host = planned.recipe.host
        view = PlanView.of(
            planned.plan,
            python=planned.recipe.interpreter.version,
            host=host.interpreter.python if host is not None else "",
            key=planned.key,
            unreadable=planned.job.host.unreadable,
        )
        why = explained(planned.plan, planned.recipe.problem) if explain else None
        return cls(planned.job.spec.name, view, why)

    def data(self) -> object:
        why = {} if self.why is None else {"why": [asdict(item) for item in self.why]}
        return {**self.plan.data(), **why}

    def blocks(self) -> Iterator[Block]:
        plan = self.plan
        yield Fields(
            (("python", plan.python), ("host", plan.host or "not visible"), ("key", plan.key[:16])),
            title=f"{self.model}: plan",
        )
        yield from plan.tables(verb="to install")
        yield from map(chain_of, self.why or ())
        if not plan.broken:
            yield Line("consistent: every requirement that is reached holds, and nothing of the host is broken", "good")


@click.command("plan")
@click.argument("model")
@request_options
@enable_option
@click.option("--explain", is_flag=True, help="Tell each distribution's whole reason, and why it was not inherited.")
@quiet_option
@json_option
def command(model: str, choices: Choices, enable: bool | None, explain: bool, quiet: bool) -> Outcome:
    """Show what `build` would install and inherit for MODEL, and why. Nothing is built."""
    with cancellable() as cancel, reporting(quiet=quiet) as observer:
        if not (load_settings().enable if enable is None else enable):
            observer(Warned("disabled", "environments are switched off: build would hand out the host's interpreter"))
        planned = plan_env(model, observer=observer, cancel=cancel, **choices)
    return Outcome(Decision.of(planned, explain=explain))
