"""What is in the store: the models' shells, and what each points to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from venvkit.errors import MachineError, UsageError
from venvkit.store.integrity import fault
from venvkit.store.layout import Layout
from venvkit.store.lease import in_use
from venvkit.store.receipt import Receipt, read_receipt
from venvkit.store.shell import shell_target

State = Literal["ready", "spoilt", "incomplete", "unknown-schema", "foreign"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One model's place in the store.

    Args:
        python: Version of the interpreter, from the path.
        path: The shell.
        environment: What it points to; None for what is not ours.
        state: `ready`; `spoilt` (edited or moved); `incomplete` (rubble); `unknown-schema`; `foreign` (not ours).
        problem: Why it is not ready; empty when it is.
    """

    model: str
    engine: str
    python: str
    path: Path
    environment: Path | None
    receipt: Receipt | None
    state: State
    problem: str
    in_use: bool

    @property
    def key(self) -> str:
        """The content key; empty when unknown."""
        return self.receipt.key if self.receipt else ""

    @property
    def size(self) -> int:
        """Bytes of the environment when it was sealed."""
        return self.receipt.size if self.receipt else 0


def entries(layout: Layout) -> Iterator[Entry]:
    """Yield every model of the store, sorted by path."""
    for shell in sorted(layout.shells.glob("*/*/*")):
        if shell.is_dir() and not shell.name.startswith("."):
            yield _entry(layout, shell)


def find_entries(layout: Layout, model: str, engine: str | None = None) -> tuple[Entry, ...]:
    """Return the places of a model, for one engine or all.

    Raises:
        UsageError: It has none (`model-not-built`).
    """
    found = tuple(
        entry
        for entry in entries(layout)
        if entry.model == model and (engine is None or entry.engine == engine.lower())
    )
    if not found:
        raise UsageError(
            f"no environment of {model!r} is in the store" + (f" for engine {engine}" if engine else ""),
            code="model-not-built",
            where=str(layout.root),
            remedy="`venvkit list` shows what is there",
        )
    return found


def _entry(layout: Layout, shell: Path) -> Entry:
    model, engine, python = shell.relative_to(layout.shells).parts
    environment = shell_target(shell)
    receipt, state, problem = _judge(environment)
    used = environment is not None and in_use(layout.lease(environment.name))
    return Entry(model, engine, python, shell, environment, receipt, state, problem, used)


def _judge(environment: Path | None) -> tuple[Receipt | None, State, str]:
    if environment is None:
        return None, "foreign", "it was not made by venvkit"
    try:
        receipt = read_receipt(environment)
    except MachineError as error:
        return None, "unknown-schema" if error.code == "receipt-unknown" else "spoilt", error.message
    if receipt is None:
        return None, "incomplete", "it has no receipt"
    problem = fault(environment, receipt)
    return receipt, "spoilt" if problem else "ready", problem or ""
