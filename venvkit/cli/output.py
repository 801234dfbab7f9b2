"""The two streams: results on standard output, everything else on standard error; a terminal gets the drawn form."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TextIO

from venvkit.cli.outcome import Outcome, document
from venvkit.cli.page.blocks import Block, Style
from venvkit.cli.page.plain import plain_text
from venvkit.cli.page.text import clean
from venvkit.errors import VenvkitError
from venvkit.events import Warned


def write_json(command: str, outcome: Outcome, warnings: Iterable[Warned]) -> None:
    """Write the envelope, and nothing else, to standard output."""
    print(document(command, outcome, warnings), flush=True)


def write_text(outcome: Outcome) -> None:
    """Write the result to standard output and the failure to standard error."""
    if outcome.result is not None:
        _write_page(sys.stdout, list(outcome.result.blocks()))
    if outcome.failure is not None:
        for style, lead, text in _failure_lines(outcome.failure):
            say(style, lead, text)


def say(style: Style, lead: str, text: str) -> None:
    """Write one line to standard error, its first words in a style."""
    stream = sys.stderr
    if not stream.isatty():
        print(f"{lead}{clean(text)}", file=stream, flush=True)
        return
    from venvkit.cli.page.terminal import console, styled

    console(stream).print(styled(lead, style) + styled(text, "plain"), soft_wrap=True)


def _write_page(stream: TextIO, blocks: list[Block]) -> None:
    if stream.isatty():
        from venvkit.cli.page.terminal import draw

        draw(stream, blocks)
    else:
        # What the stream's encoding lacks (LANG=C) is escaped: a name must not end the command.
        encoding = stream.encoding or "utf-8"
        stream.write(plain_text(blocks).encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def _failure_lines(failure: VenvkitError) -> Iterator[tuple[Style, str, str]]:
    yield "bad", f"error[{failure.code}]: ", failure.message
    if failure.where:
        yield "quiet", "  where: ", failure.where
    for line in failure.details:
        yield "quiet", "  ", line
    if failure.remedy:
        yield "quiet", "  remedy: ", failure.remedy
