"""Progress on standard error: one living line on a terminal, one plain line a phase elsewhere; warnings always."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from venvkit.cli.output import say
from venvkit.cli.page.text import clean, size
from venvkit.events import Event, InstallProgress, Observer, Phase, PhaseStarted, Waiting, Warned

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


@contextlib.contextmanager
def reporting(*, quiet: bool) -> Iterator[Observer]:
    """Yield an observer that shows events until the block ends; `quiet` shows warnings alone."""
    if quiet:
        yield _warn
    elif sys.stderr.isatty():
        with _living_line() as observer:
            yield observer
    else:
        yield _Lines()


def _warn(event: Event) -> None:
    if isinstance(event, Warned):
        say("warn", "warning: ", event.message)


class _Lines:
    """A plain line for each phase, and one for each thing waited for."""

    def __init__(self) -> None:
        self._waited: set[str] = set()

    def __call__(self, event: Event) -> None:
        _warn(event)
        if isinstance(event, Waiting):
            if event.what in self._waited:
                return
            self._waited.add(event.what)
        if isinstance(event, (PhaseStarted, Waiting)) and (text := _sentence(event)):
            say("quiet", "", text)


@contextlib.contextmanager
def _living_line() -> Iterator[Observer]:
    from rich.text import Text

    from venvkit.cli.page.terminal import console

    page = console(sys.stderr)
    with page.status("") as status:

        def observe(event: Event) -> None:
            if isinstance(event, Warned):
                page.print(Text.assemble(("warning: ", "yellow"), clean(event.message)), soft_wrap=True)
            elif text := _sentence(event):
                line = Text(clean(text), no_wrap=True, overflow="ellipsis")
                status.update(line)

        yield observe


def _sentence(event: Event) -> str:
    """Return what an event says to a person; empty when it says nothing."""
    if isinstance(event, PhaseStarted):
        word = _WORDS.get(event.phase, "")
        return f"{word} {event.detail}".rstrip() if word else ""
    if isinstance(event, InstallProgress):
        fetched = f", {size(event.bytes_done)} of {size(event.bytes_total)}" if event.bytes_done else ""
        return f"installing {event.done} of {event.total}{fetched} {event.name}".rstrip()
    if isinstance(event, Waiting):
        return f"waiting for {event.what} ({event.seconds:.0f} s)"
    return ""
