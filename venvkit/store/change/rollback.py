"""Going back to a former environment of a shell."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from venvkit.base import crash
from venvkit.base.digest import canonical_json
from venvkit.base.files import exists, write_atomically
from venvkit.base.watch import Watch
from venvkit.errors import ProofError, UsageError
from venvkit.formats.entry import read_entry
from venvkit.formats.mark import Generation, Mark
from venvkit.formats.receipt import Receipt
from venvkit.store.change.index import facts_of
from venvkit.store.layout import Layout
from venvkit.store.lock.lease import Lease
from venvkit.store.look.history import judged, mark_of
from venvkit.store.look.index import index_entries, own_watches
from venvkit.store.shell.point import hold_shell, point_shell


def rollback(layout: Layout, shell: Path, to: str | None = None) -> tuple[str, str]:
    """Put a former environment of a shell in force again.

    Every request that led to the environment in force leads to the former one afterwards, so that `ensure_env` gives
    that until it is asked to upgrade, or asked for something else.

    Args:
        to: The environment's id or the head of one; None for the one before the one in force.

    Returns:
        The ids of what was in force, and of what is now.

    Raises:
        UsageError: There is no such generation (`no-generation`).
        ProofError: It cannot be used any more (`generation-spoilt`).
    """
    with hold_shell(layout, shell):
        mark = mark_of(shell)
        target = _target(mark, to)
        with Lease(layout.lease(target.id)):
            receipt = _usable(target.environment)
            # The index first. An entry that was not written through does not hold, and is then looked at again with
            # what it says, which is this environment.
            moved = _lead(layout, shell, mark.environment, receipt, done=False)
            crash.at("rollback-indexed")
            point_shell(layout, shell, receipt)
            for path in moved:
                _write(layout, path, shell, receipt, done=True)
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


def _lead(layout: Layout, shell: Path, former: Path, receipt: Receipt, *, done: bool) -> list[Path]:
    """Make the index entries that lead a shell to `former` lead to another environment, and return them."""
    moved = []
    for path, entry in index_entries(layout):
        if entry is not None and (entry["facts"]["shell"], entry["facts"]["path"]) == (str(shell), str(former)):
            _write(layout, path, shell, receipt, done=done)
            moved.append(path)
    return moved


def _write(layout: Layout, path: Path, shell: Path, receipt: Receipt, *, done: bool) -> None:
    entry = read_entry(str(path))
    if entry is None:
        return
    facts: Mapping[str, Any] = entry["facts"]
    watches = [watch for watch in entry["watches"] if not _is_own(watch, (facts["path"], str(shell)))]
    pending: list[Watch] = [["pending", str(shell)]]
    watches += own_watches(receipt, shell) if done else pending
    watches = [watch for watch in watches if not done or watch not in pending]
    fresh = facts_of(layout, receipt, shell, model=facts["model"], engine=facts["engine"])
    now = {**entry, "facts": fresh, "size": receipt.size, "watches": watches}
    write_atomically(path, canonical_json(now), what="index")


def _is_own(watch: Watch, folders: tuple[str, str]) -> bool:
    return isinstance(watch[1], str) and watch[1].startswith(tuple(f"{folder}/" for folder in folders))
