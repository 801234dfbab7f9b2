"""Going back to a former environment of a shell."""

from __future__ import annotations

from pathlib import Path

from venvkit.base.files import exists
from venvkit.errors import ProofError, UsageError
from venvkit.formats.mark import Generation, Mark
from venvkit.formats.receipt import Receipt
from venvkit.store.disk.space import writing
from venvkit.store.layout import Layout
from venvkit.store.lock.lease import Lease
from venvkit.store.look.history import judged, mark_of
from venvkit.store.shell.point import hold_shell, point_shell


def rollback(layout: Layout, shell: Path, to: str | None = None) -> tuple[str, str]:
    """Put a former environment of a shell in force again.

    A request that the environment in force answers is answered by the former one afterwards where that one satisfies
    it (see `launch.building.look_again`), until it is asked to upgrade, or changes.

    Args:
        to: The environment's id or the head of one; None for the one before the one in force.

    Returns:
        The ids of what was in force, and of what is now.

    Raises:
        UsageError: There is no such generation (`no-generation`).
        ProofError: It cannot be used any more (`generation-spoilt`).
        MachineError: The store cannot be written (`home-unwritable`, `disk`, `disk-space`).
    """
    layout.prepare()
    with writing(layout), hold_shell(layout, shell):
        mark = mark_of(shell)
        target = _target(mark, to)
        with Lease(layout.lease(target.id)):
            receipt = _usable(target.environment)
            point_shell(layout, shell, receipt, rolled_back=True)
    return mark.environment.name, target.id


def _target(mark: Mark, to: str | None) -> Generation:
    present = [item for item in mark.generations if exists(item.environment)]
    if to is not None:
        found = [item for item in present if item.id == to] or [item for item in present if item.id.startswith(to)]
    else:
        number = next((n for n, item in enumerate(present) if item.environment == mark.environment), -1)
        found = present[number + 1 : number + 2]
    if len(found) == 1:
        return found[0]
    known = ", ".join(item.id for item in present) or "none"
    raise UsageError(
        f"there is no one generation {to!r}" if to is not None else "there is no earlier generation to go back to",
        code="no-generation",
        where=mark.environment.name,
        remedy=f"`venvkit history` shows them: {known}",
    )


def _usable(environment: Path) -> Receipt:
    receipt, problem = judged(environment)
    if receipt is None or problem:
        raise ProofError(
            f"this generation cannot be used any more: {problem}",
            code="generation-spoilt",
            where=str(environment),
            remedy="go back to another one, or build anew with --upgrade",
        )
    return receipt
