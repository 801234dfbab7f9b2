"""The end of a command: a result, a failure or both; and the JSON envelope that carries them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Protocol

from msgspec import Struct

from venvkit.api.results import Result as StoreResult
from venvkit.cli.page.blocks import Block
from venvkit.cli.page.text import masked
from venvkit.errors import VenvkitError
from venvkit.events import Warned
from venvkit.formats.envelope import envelope


class Result(Protocol):
    """The result of a command: a frozen value with two renderings."""

    def data(self) -> dict[str, Any]:
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


def document(command: str, outcome: Outcome, warnings: Iterable[Warned] = ()) -> str:
    """Return the one line of JSON that a command prints: pure ASCII, whatever the terminal's encoding."""
    result = outcome.result
    data = result.data() if result is not None else {}
    # The views of what a `Store` found or did.
    kept = getattr(result, "result", None)
    own = kept.warnings if isinstance(kept, StoreResult) else ()
    told = envelope(command, data, (*warnings, *own), outcome.failure)
    # Masked string by string: over the finished text, a mask could reach from one string into the next.
    return json.dumps(_masked(told, lru_cache(maxsize=4096)(masked)), allow_nan=False)


def _masked(value: Any, mask: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {name: _masked(item, mask) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(item, mask) for item in value]
    return value
