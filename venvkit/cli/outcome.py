"""The end of a command: a result, a failure or both; and the JSON envelope that carries them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Protocol

from msgspec import Struct

from venvkit.cli.page.blocks import Block
from venvkit.cli.page.text import masked
from venvkit.errors import VenvkitError

ENVELOPE_SCHEMA = 1


class Result(Protocol):
    """The result of a command: a frozen value with two renderings."""

    def data(self) -> object:
        """Return it as dicts, lists and scalars."""
        ...

    def blocks(self) -> Iterable[Block]:
        """Return it as a page of text."""
        ...


class Outcome(Struct, frozen=True):
    """The end of a command. A failure may come with a result: what was done or found before it."""

    result: Result | None = None
    failure: VenvkitError | None = None

    @property
    def status(self) -> int:
        """The exit status."""
        return self.failure.exit_code if self.failure else 0


def told(fault: object) -> dict[str, object]:
    """Return an error, or the record of one, as dicts and scalars."""
    return {name: getattr(fault, name) for name in ("code", "message", "where", "remedy", "details")}


def envelope(command: str, outcome: Outcome) -> str:
    """Return the one line of JSON that a command prints: pure ASCII, whatever the terminal's encoding."""
    failure = outcome.failure
    document = {
        "schema": ENVELOPE_SCHEMA,
        "command": command,
        "ok": failure is None,
        "data": outcome.result.data() if outcome.result is not None else None,
        "error": failure and told(failure),
    }
    # Masked string by string: over the finished text, a mask could reach from one string into the next.
    return json.dumps(_masked(document, lru_cache(maxsize=4096)(masked)), allow_nan=False)


def _masked(value: Any, mask: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {name: _masked(item, mask) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(item, mask) for item in value]
    return value
