"""Progress of a fleet on standard error: a bar on a terminal, a plain line now and then elsewhere; warnings always."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

from msgspec import Struct, field

from venvkit.cli.output import say
from venvkit.cli.page.text import clean
from venvkit.events import Event, Warned
from venvkit.fleet.values import Step

_WORDS = {"read": "reading", "plan": "planning", "build": "building"}
_EVERY_S = 10.0


class Teller:
    """Tells nothing but warnings."""

    def observe(self, event: Event) -> None:
        """Receive an event of what all launches have in common."""
        if isinstance(event, Warned):
            self.warn(event.message)

    def warn(self, message: str) -> None:
        """Tell a warning."""
        say("warn", "warning: ", message)

    def step(self, step: Step) -> None:
        """Receive a step of the run."""


class _Lines(Struct, Teller):
    """A plain line when a stage begins or ends, and one every ten seconds between."""

    told: float = field(default=0.0)
    troubles: int = 0

    def step(self, step: Step) -> None:
        """Tell it, if it is time."""
        self.troubles = 0 if step.done == 0 else self.troubles + step.trouble
        now = time.monotonic()
        if step.stage == "read" or not step.total:
            return
        if step.done in (0, step.total) or now - self.told >= _EVERY_S:
            self.told = now
            say("quiet", "", _sentence(step, self.troubles))


@contextlib.contextmanager
def telling(*, quiet: bool) -> Iterator[Teller]:
    """Yield what receives the events and steps of a fleet's run until the block ends."""
    if quiet:
        yield Teller()
    elif sys.stderr.isatty():
        with _bar() as teller:
            yield teller
    else:
        yield _Lines()


@contextlib.contextmanager
def _bar() -> Iterator[Teller]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Column

    from venvkit.cli.page.terminal import console, styled

    page = console(sys.stderr)
    label = TextColumn("{task.fields[label]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis"))
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, label, console=page, transient=True) as progress:
        task = progress.add_task("looking at the host", total=None, label="")

        class Bar(Teller):
            stage = ""

            def warn(self, message: str) -> None:
                page.print(styled("warning: ", "warn") + styled(message, "plain"), soft_wrap=True)

            def step(self, step: Step) -> None:
                if step.stage != self.stage:
                    self.stage = step.stage
                    progress.reset(task, total=step.total, description=_WORDS[step.stage])
                progress.update(task, completed=step.done, total=step.total, label=clean(step.label))

        yield Bar()


def _sentence(step: Step, troubles: int) -> str:
    without = f", {troubles} without success" if troubles else ""
    return f"{_WORDS[step.stage]} {step.done} of {step.total}{without}"
