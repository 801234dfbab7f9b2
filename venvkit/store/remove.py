"""Removing a model's environment, as long as nobody runs from it."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from venvkit.errors import BusyError
from venvkit.store.files import remove_tree
from venvkit.store.inventory import Entry, entries
from venvkit.store.layout import Layout
from venvkit.store.lease import exclusive, holders
from venvkit.store.lock import hold
from venvkit.store.shell import remove_shell, running_from


def remove_entry(layout: Layout, entry: Entry) -> bool:
    """Remove a model's shell, and its environment when no other shell points to it.

    Returns:
        Whether the environment went too.

    Raises:
        BusyError: A process runs from the shell or the environment (`in-use`).
    """
    pids = running_from(entry.path)
    if pids:
        raise _busy(entry, pids)
    environment = entry.environment
    if environment is None or not environment.exists() or _others(layout, entry):
        remove_shell(entry.path, layout.shells)
        _forget(layout, entry.path)
        return False
    key = environment.name.rpartition("-")[0]
    with hold(layout.environment_lock(key), what=f"environment {key}"):
        lease = layout.lease(environment.name)
        with exclusive(lease) as alone:
            if not alone:
                raise _busy(entry, holders(lease))
            remove_shell(entry.path, layout.shells)
            _forget(layout, entry.path)
            remove_tree(environment)
            lease.unlink(missing_ok=True)
    return True


def _others(layout: Layout, entry: Entry) -> bool:
    return any(other.environment == entry.environment and other.path != entry.path for other in entries(layout))


def _forget(layout: Layout, shell: Path) -> None:
    """Remove the index entries that lead to a shell."""
    for path in layout.requests.glob("*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            if json.loads(path.read_bytes())["facts"]["shell"] == str(shell):
                path.unlink()


def _busy(entry: Entry, pids: tuple[int, ...]) -> BusyError:
    return BusyError(
        f"{entry.model} is in use by pid {', '.join(map(str, pids)) or 'unknown'}",
        code="in-use",
        where=str(entry.path),
        remedy="end those processes first",
    )
