"""What is in the store: the models' shells, and what each points to, computed from one reading.

Where the index has an entry of a shell, and neither shell nor environment was touched since, it is answered from that;
only of what is left are the receipt read and the environment looked at, once however many shells share it.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from venvkit.errors import MachineError, UsageError
from venvkit.formats.receipt import Receipt, read_receipt
from venvkit.proof.integrity import fault
from venvkit.store.layout import Layout
from venvkit.store.look.index import Indexed
from venvkit.store.look.shells import Shell
from venvkit.store.look.survey import Survey, survey

State = Literal["ready", "spoilt", "incomplete", "unknown-schema", "foreign"]
Select = Callable[[Shell], bool]
_MARKS: dict[str, tuple[State, str]] = {
    "foreign": ("foreign", "it was not made by venvkit"),
    "newer": ("unknown-schema", "a later version of venvkit made it"),
    "spoilt": ("spoilt", "its mark cannot be read"),
}


class Entry(Struct, frozen=True):
    """One model's place in the store.

    Args:
        python: Version of the interpreter, from the path.
        path: The shell.
        environment: What it points to; None for what is not ours.
        state: `ready`; `spoilt` (edited or moved); `incomplete` (rubble); `unknown-schema`; `foreign` (not ours).
        problem: Why it is not ready; empty when it is.
        key: The content key; empty when unknown.
        size: Bytes of the environment when it was sealed.
        rolled_back: A rollback put the environment in force, and a newer one is kept.
        last_used: When it was put in force or last used, in seconds since the epoch; 0.0 when unknown.
    """

    model: str
    engine: str
    python: str
    path: Path
    environment: Path | None
    state: State
    problem: str
    in_use: bool
    key: str = ""
    size: int = 0
    rolled_back: bool = False
    last_used: float = 0.0

    @property
    def condition(self) -> str:
        """Its state in words."""
        return f"{self.state}, rolled back" if self.rolled_back else self.state

    @property
    def label(self) -> str:
        """Its place in words."""
        return f"{self.model} ({self.engine}, Python {self.python})"

    def head(self) -> dict[str, Any]:
        """Return its place; `path` is the shell, and `engine` is as in that path."""
        return {"model": self.model, "engine": self.engine, "python_version": self.python, "path": str(self.path)}

    def to_dict(self) -> dict[str, Any]:
        """Return what `--json` prints of it."""
        return {
            **self.head(),
            "key": self.key,
            "state": self.state,
            "size_bytes": self.size,
            "in_use": self.in_use,
            "last_used": utc(self.last_used),
            "rolled_back": self.rolled_back,
        }

    @property
    def receipt(self) -> Receipt | None:
        """The environment's receipt, read when it is asked for; None where there is none that can be read."""
        if self.environment is None:
            return None
        with contextlib.suppress(MachineError):
            return read_receipt(self.environment)
        return None


def utc(seconds: float) -> str | None:
    """Return a time, in seconds since the epoch, as ISO 8601; None for 0.0."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)) if seconds else None


def entries(layout: Layout, engine: str | None = None, python: str | None = None) -> Iterator[Entry]:
    """Yield every model of the store, sorted by path; with `engine` and `python` as `find_entries` takes them."""
    yield from entries_in(survey(layout, processes=False), selected(None, engine, python))


def find_entries(layout: Layout, model: str, engine: str | None = None, python: str | None = None) -> tuple[Entry, ...]:
    """Return the places of a model, for one engine and one version of Python or all.

    Args:
        python: The version, the head of it (`3.11` is any 3.11), or the path of an interpreter.

    Raises:
        UsageError: It has none (`model-not-built`).
    """
    chosen = selected(model, engine, python)
    found = tuple(entries_in(survey(layout, processes=False), chosen))
    if not found:
        told = (f" for engine {engine}" if engine else "", f" on Python {python}" if python else "")
        raise UsageError(
            f"no environment of {model!r} is in the store{''.join(told)}",
            code="model-not-built",
            where=str(layout.root),
            remedy="`venvkit list` shows what is there",
        )
    return found


def selected(model: str | None, engine: str | None = None, python: str | None = None) -> Select:
    """Return what tells the shells of a model, an engine and a version of Python from others; None: of any."""

    def select(shell: Shell) -> bool:
        return (
            model in (None, shell.model)
            and (engine is None or shell.engine == engine.lower())
            and (python is None or _runs(shell, python))
        )

    return select


def _runs(shell: Shell, python: str) -> bool:
    if os.sep in python:
        return os.path.realpath(shell.path / "bin" / "python") == os.path.realpath(python)
    return f"{shell.python}.".startswith(f"{python.removeprefix('python')}.")


def ambiguous(model: str, found: Collection[Entry]) -> UsageError:
    """Return the refusal where several places of a model fit, and one is meant."""
    there = ", ".join(f"{entry.engine} on Python {entry.python}" for entry in found)
    return UsageError(
        f"{len(found)} environments of {model!r} fit: {there}",
        code="model-ambiguous",
        where=model,
        remedy="tell them apart with --engine and --python",
    )


def entries_in(found: Survey, select: Select | None = None) -> Iterator[Entry]:
    """Yield the models of a store that was read, sorted by path; with `select` only the shells that it takes."""
    known = found.entries_of()
    judged: dict[Path, tuple[Receipt | None, State, str]] = {}
    for shell in found.shells:
        if select is None or select(shell):
            yield _entry(found, shell, known.get(str(shell.path), ()), judged)


def _entry(
    found: Survey, shell: Shell, known: Iterable[Indexed], judged: dict[Path, tuple[Receipt | None, State, str]]
) -> Entry:
    environment = shell.environment
    used = environment is not None and found.is_used(environment)
    head = (shell.model, shell.engine, shell.python, shell.path, environment)
    if shell.mark is None or environment is None:
        return Entry(*head, *_MARKS[shell.state], used)
    rolled_back = shell.mark.is_rolled_back
    for item in known:
        answer = item.answer
        if answer is not None and answer.facts.path == str(environment) and answer.holds():
            return Entry(*head, "ready", "", used, answer.facts.key, answer.size, rolled_back, found.last_use(shell))
    if environment not in judged:
        judged[environment] = _judge(environment)
    receipt, state, problem = judged[environment]
    key, size = (receipt.key, receipt.size) if receipt is not None else ("", 0)
    return Entry(*head, state, problem, used, key, size, rolled_back, found.last_use(shell))


def _judge(environment: Path) -> tuple[Receipt | None, State, str]:
    try:
        receipt = read_receipt(environment)
    except MachineError as error:
        return None, "unknown-schema" if error.code == "receipt-unknown" else "spoilt", error.message
    if receipt is None:
        return None, "incomplete", "it has no receipt"
    problem = fault(environment, receipt)
    return receipt, "spoilt" if problem else "ready", problem or ""
