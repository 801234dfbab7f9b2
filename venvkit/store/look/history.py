"""Generations: which environments a shell had."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from venvkit.base.files import exists
from venvkit.errors import MachineError, UsageError
from venvkit.formats.mark import Generation, Mark, read_mark
from venvkit.formats.receipt import Receipt, read_receipt
from venvkit.proof.integrity import fault
from venvkit.store.layout import Layout
from venvkit.store.lock.lease import in_use


class Past(Struct, frozen=True):
    """One generation of a shell.

    Args:
        current: It is in force.
        since: When it was first put in force (UTC, ISO 8601).
        problem: Why one cannot go back to it; empty when one can.
    """

    id: str
    path: Path
    current: bool
    since: str
    in_use: bool
    problem: str
    installed: tuple[str, ...]


def history(layout: Layout, shell: Path) -> tuple[Past, ...]:
    """Return the generations of a shell, the newest first; those that were collected are not among them.

    Raises:
        UsageError: This is no shell of ours (`model-not-built`).
    """
    mark = mark_of(shell)
    return tuple(_past(layout, mark, item) for item in mark.generations if exists(item.environment))


def mark_of(shell: Path) -> Mark:
    """Return the mark of a shell.

    Raises:
        UsageError: This is no shell of ours (`model-not-built`).
    """
    mark = read_mark(shell)
    if mark is None:
        raise UsageError("this is no environment of venvkit", code="model-not-built", where=str(shell))
    return mark


def judged(environment: Path) -> tuple[Receipt | None, str]:
    """Return an environment's receipt, where it can be read, and why it cannot be used; empty when it can."""
    try:
        receipt = read_receipt(environment)
    except MachineError as error:
        return None, error.message
    if receipt is None:
        return None, "it has no receipt"
    damage = fault(environment, receipt)
    if damage is not None:
        return receipt, damage
    # A distribution's metadata folder carries its version: when it is gone, so is what the environment relied on.
    gone = [f"{item.name}=={item.version}" for item in receipt.relied if not exists(item.location)]
    return receipt, f"the host no longer has {', '.join(gone)}" if gone else ""


def _past(layout: Layout, mark: Mark, item: Generation) -> Past:
    receipt, problem = judged(item.environment)
    installed = tuple(f"{pin.name}=={pin.version}" for pin in receipt.plan.install) if receipt is not None else ()
    return Past(
        id=item.id,
        path=item.environment,
        current=item.environment == mark.environment,
        since=item.since,
        in_use=in_use(layout.lease(item.id), soft=layout.soft),
        problem=problem,
        installed=installed,
    )
