"""What is in the store: the models' shells, and what each points to.

Where the index has an entry of a shell, and neither shell nor environment was touched since, it is answered from that;
only what is left has its receipt read and its environment looked at.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from msgspec import Struct

from venvkit.errors import MachineError, UsageError
from venvkit.formats.mark import read_mark
from venvkit.formats.receipt import Receipt, read_receipt
from venvkit.proof.integrity import fault
from venvkit.store.layout import Layout
from venvkit.store.lock.lease import in_use
from venvkit.store.look.index import Answer, answers
from venvkit.store.look.shells import shell_target, shells_of

State = Literal["ready", "spoilt", "incomplete", "unknown-schema", "foreign"]


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

    @property
    def rolled_back(self) -> bool:
        """A rollback put its environment in force."""
        mark = read_mark(self.path)
        return mark is not None and mark.is_rolled_back

    @property
    def condition(self) -> str:
        """Its state in words."""
        return f"{self.state}, rolled back" if self.rolled_back else self.state

    @property
    def receipt(self) -> Receipt | None:
        """The environment's receipt, read when it is asked for; None where there is none that can be read."""
        if self.environment is None:
            return None
        with contextlib.suppress(MachineError):
            return read_receipt(self.environment)
        return None


def entries(layout: Layout) -> Iterator[Entry]:
    """Yield every model of the store, sorted by path."""
    known = answers(layout)
    for shell in shells_of(layout):
        yield _entry(layout, shell, known)


def find_entries(layout: Layout, model: str, engine: str | None = None) -> tuple[Entry, ...]:
    """Return the places of a model, for one engine or all.

    Raises:
        UsageError: It has none (`model-not-built`).
    """
    known = answers(layout)
    found = tuple(
        _entry(layout, shell, known)
        for shell in shells_of(layout)
        if shell.parent.parent.name == model and (engine is None or shell.parent.name == engine.lower())
    )
    if not found:
        raise UsageError(
            f"no environment of {model!r} is in the store" + (f" for engine {engine}" if engine else ""),
            code="model-not-built",
            where=str(layout.root),
            remedy="`venvkit list` shows what is there",
        )
    return found


def _entry(layout: Layout, shell: Path, known: dict[str, list[Answer]]) -> Entry:
    model, engine, python = shell.parts[-3:]
    for answer in known.get(str(shell), ()):
        if answer.holds():
            environment, facts = Path(answer.facts.path), answer.facts
            used = in_use(layout.lease(environment.name))
            return Entry(model, engine, python, shell, environment, "ready", "", used, facts.key, answer.size)
    target = shell_target(shell)
    receipt, state, problem = _judge(target)
    used = target is not None and in_use(layout.lease(target.name))
    key, size = (receipt.key, receipt.size) if receipt is not None else ("", 0)
    return Entry(model, engine, python, shell, target, state, problem, used, key, size)


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
