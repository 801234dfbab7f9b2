"""Removing a model's shell and the environments that only it wanted, as long as nobody runs from them."""

from __future__ import annotations

import os
from pathlib import Path

from venvkit.base.files import exists
from venvkit.errors import BusyError
from venvkit.formats.receipt import is_known
from venvkit.store.change.environment import collect_environment
from venvkit.store.change.index import forget
from venvkit.store.disk.space import writing
from venvkit.store.layout import Layout
from venvkit.store.lock.lease import holders, in_use
from venvkit.store.lock.processes import running_from
from venvkit.store.look.inventory import Entry
from venvkit.store.look.shells import wanted_by, wanted_environments
from venvkit.store.shell.point import hold_shell, remove_shell


def remove_entry(layout: Layout, entry: Entry) -> bool:
    """Remove a model's shell, and each environment that no other shell wants and nobody runs from.

    Returns:
        Whether the environment in force went too.

    Raises:
        BusyError: A process runs from the shell or the environment in force (`in-use`).
        MachineError: The store cannot be written (`home-unwritable`, `disk`, `disk-space`).
    """
    layout.prepare()
    with writing(layout), hold_shell(layout, entry.path) as held:
        former = wanted_by(entry.path)
        environment = entry.environment
        shared = environment is not None and environment in _wanted_by_others(layout, entry.path)
        pids = running_from(entry.path)
        if not pids and environment is not None and not shared:
            pids = _users(layout, environment)
        if pids:
            raise _busy(entry, pids)
        # The index first: an entry may not lead to a shell that is gone.
        forget(layout, entry.path)
        remove_shell(entry.path, layout.shells)
        removed = {path for path in former if _collect(layout, path)}
        held.discard = True
    return environment in removed


def _users(layout: Layout, environment: Path) -> tuple[int, ...]:
    lease = layout.lease(environment.name)
    if in_use(lease):
        return holders(lease) or (0,)
    return running_from(environment) if layout.soft else ()


def _collect(layout: Layout, environment: Path) -> bool:
    if not exists(environment) or environment.parent != layout.envs or not is_known(environment):
        return False
    return collect_environment(layout, environment, lambda: environment in wanted_environments(layout)) == "removed"


def _wanted_by_others(layout: Layout, shell: Path) -> set[Path]:
    others = (path for path in layout.shells.glob("*/*/*") if path != shell)
    return {environment for path in others for environment in wanted_by(path)}


def _busy(entry: Entry, pids: tuple[int, ...]) -> BusyError:
    named = ", ".join("this process" if pid == os.getpid() else str(pid) for pid in pids if pid) or "unknown"
    own = "call release() of each Environment that this process has" if os.getpid() in pids else ""
    others = "end those processes first" if set(pids) != {os.getpid()} else ""
    return BusyError(
        f"{entry.model} is in use by pid {named}",
        code="in-use",
        where=str(entry.path),
        remedy=", and ".join(filter(None, (own, others))),
    )
