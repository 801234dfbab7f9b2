"""Progress on standard error: a living line or a bar on a terminal, plain lines elsewhere; warnings always."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from venvkit.cli.output import say
from venvkit.cli.page.text import clean, size
from venvkit.cli.session import Session
from venvkit.events import Event, InstallProgress, Observer, Phase, PhaseStarted, Step, Waiting, Warned

if TYPE_CHECKING:
    from rich.console import Console

_WORDS: dict[Phase, str] = {
    "request": "reading the request of",
    "probe": "looking at the host",
    "resolve": "resolving",
    "describe": "asking the sources about",
    "create": "creating",
    "install": "installing",
    "verify": "verifying",
    "seal": "sealing",
    "wait": "waiting for",
}
_STAGES = {"read": "reading", "plan": "planning", "build": "building"}
_EVERY_S = 10.0


@contextlib.contextmanager
def reporting(*, quiet: bool) -> Iterator[Observer]:
    """Yield an observer that shows events until the block ends; `quiet` shows warnings alone."""
    with _showing(quiet=quiet) as show:
        context = click.get_current_context(silent=True)
        session = context.find_object(Session) if context is not None else None

        def observe(event: Event) -> None:
            if session is not None and isinstance(event, Warned):
                session.warnings.append(event)
            show(event)

        yield observe


@contextlib.contextmanager
def _showing(*, quiet: bool) -> Iterator[Observer]:
    if quiet:
        yield _warn
    elif sys.stderr.isatty():
        with _living() as observer:
            yield observer
    else:
        yield _Lines()


def _warn(event: Event) -> None:
    if isinstance(event, Warned):
        say("warn", "warning: ", event.message)


class _Lines:
    """A plain line for each phase and each thing waited for; of steps the first, the last, one in ten seconds."""

    def __init__(self) -> None:
        self._waited: set[str] = set()
        self._told = 0.0
        self._troubles = 0

    def __call__(self, event: Event) -> None:
        _warn(event)
        if isinstance(event, Waiting):
            if event.what in self._waited:
                return
            self._waited.add(event.what)
        if isinstance(event, Step):
            self._step(event)
        elif isinstance(event, (PhaseStarted, Waiting)) and (text := _sentence(event)):
            say("quiet", "", text)

    def _step(self, step: Step) -> None:
        self._troubles = 0 if step.done == 0 else self._troubles + step.trouble
        now = time.monotonic()
        if step.stage == "read" or not step.total:
            return
        if step.done in (0, step.total) or now - self._told >= _EVERY_S:
            self._told = now
            without = f", {self._troubles} without success" if self._troubles else ""
            say("quiet", "", f"{_STAGES[step.stage]} {step.done} of {step.total}{without}")


@contextlib.contextmanager
def _living() -> Iterator[Observer]:
    """Show phases on one living line, and the steps of a run over many models, once they begin, as a bar."""
    from rich.text import Text

    from venvkit.cli.page.terminal import console, styled

    page = console(sys.stderr)
    with contextlib.ExitStack() as shown:
        status = shown.enter_context(page.status(""))
        draw: Callable[[Step], None] | None = None

        def observe(event: Event) -> None:
            nonlocal draw
            if isinstance(event, Warned):
                page.print(styled("warning: ", "warn") + styled(event.message, "plain"), soft_wrap=True)
            elif isinstance(event, Step):
                if draw is None:
                    status.stop()
                    draw = shown.enter_context(_bar(page))
                draw(event)
            elif draw is None and (text := _sentence(event)):
                status.update(Text(clean(text), no_wrap=True, overflow="ellipsis"))

        yield observe


@contextlib.contextmanager
def _bar(page: Console) -> Iterator[Callable[[Step], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Column

    label = TextColumn("{task.fields[label]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis"))
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, label, console=page, transient=True) as progress:
        task = progress.add_task("", total=None, label="")
        stage = ""

        def draw(step: Step) -> None:
            nonlocal stage
            if step.stage != stage:
                stage = step.stage
                progress.reset(task, total=step.total, description=_STAGES[stage])
            progress.update(task, completed=step.done, total=step.total, label=clean(step.label))

        yield draw


def _sentence(event: Event) -> str:
    """Return the sentence for an event; empty for one that is not shown."""
    if isinstance(event, PhaseStarted):
        word = _WORDS.get(event.phase, "")
        return f"{word} {event.detail}".rstrip() if word else ""
    if isinstance(event, InstallProgress):
        fetched = f", {size(event.bytes_done)} of {size(event.bytes_total)}" if event.bytes_done else ""
        return f"installing {event.done} of {event.total}{fetched} {event.name}".rstrip()
    if isinstance(event, Waiting):
        return f"waiting for {event.what} ({event.seconds:.0f} s)"
    return ""
