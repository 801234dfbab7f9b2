"""Removing models: their shells, and the environments that only they wanted, as long as nobody runs from them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from venvkit.errors import BusyError, UsageError, VenvkitError
from venvkit.store.change.drop import Left, drop
from venvkit.store.disk.space import writing
from venvkit.store.disk.usage import Freed, measure
from venvkit.store.layout import Layout
from venvkit.store.lock.lease import holders
from venvkit.store.look.inventory import Entry
from venvkit.store.look.shells import Shell
from venvkit.store.look.survey import Survey, survey


class Removed(Struct, frozen=True):
    """A place that was removed.

    Args:
        whole: Its environment went too; otherwise another model uses that.
        freed: Bytes that the disk got back.
    """

    entry: Entry
    whole: bool
    freed: int


def remove(layout: Layout, entries: Iterable[Entry]) -> tuple[tuple[Removed, ...], tuple[VenvkitError, ...]]:
    """Remove models, and each environment that no other model wants and nobody runs from.

    Returns:
        What was removed, and for each place that stays the reason: a process runs from it or its environment
        (`in-use`), or it was not made by venvkit or by a later version of it (`not-ours`).

    Raises:
        MachineError: The store cannot be written (`home-unwritable`, `disk`, `disk-space`).
    """
    chosen = {entry.path: entry for entry in entries}
    if not chosen:
        return (), ()
    layout.prepare()
    with writing(layout):
        found = survey(layout)
        shells = [shell for shell in found.shells if shell.path in chosen]
        refused = _refusals(layout, found, shells)
        doomed = [shell for shell in shells if shell.path not in refused]
        trees = list(_environments(found, doomed))
        freed = Freed(measure([*trees, *(shell.path for shell in doomed)]))
        going = dict.fromkeys((shell.path for shell in doomed), "removed")
        removed, left = drop(layout, found, going, dict.fromkeys(trees, "no shell wants it"))
    gone = {item.path for item in removed}
    refused |= {item.path: _busy(chosen[item.path], item) for item in left if item.path in chosen}
    done = []
    for shell in doomed:
        if shell.path in gone:
            own = [path for path in sorted(shell.wants(None, found.environments)) if path in gone]
            done.append(Removed(chosen[shell.path], shell.environment in gone, freed.drop([shell.path, *own])))
    return tuple(done), tuple(refused[path] for path in chosen if path in refused)


def remove_entry(layout: Layout, entry: Entry) -> bool:
    """Remove one model, see `remove`.

    Returns:
        Whether the environment in force went too.

    Raises:
        BusyError: A process runs from the shell or the environment in force (`in-use`).
        UsageError: It was not made by venvkit, or by a later version of it (`not-ours`).
        MachineError: The store cannot be written.
    """
    done, refused = remove(layout, [entry])
    for error in refused:
        raise error
    return any(item.whole for item in done)


def _environments(found: Survey, doomed: Iterable[Shell]) -> Iterable[Path]:
    """Yield what only the doomed shells remember; what another version sealed stays."""
    paths = {shell.path for shell in doomed}
    wanted = {path for shell in found.shells if shell.path not in paths for path in _remembered(shell)}
    own = {path for shell in doomed for path in _remembered(shell)} - wanted
    return sorted(path for path in own & found.environments.keys() if found.environments[path].state != "unknown")


def _remembered(shell: Shell) -> frozenset[Path]:
    return shell.in_force | (shell.mark.environments if shell.mark is not None else frozenset())


def _refusals(layout: Layout, found: Survey, shells: Iterable[Shell]) -> dict[Path, VenvkitError]:
    """Return why shells stay, by their path. What is in use is kept by the last of its shells; the others may go."""
    wants = {shell.path: shell.wants(None, found.environments) for shell in found.shells}
    wanted = Counter(path for paths in wants.values() for path in paths)
    refused: dict[Path, VenvkitError] = {}
    for shell in shells:
        wanted.subtract(wants[shell.path])
        own = [path for path in sorted(shell.in_force) if not wanted[path]]
        error = _refusal(layout, found, shell, own)
        if error is not None:
            refused[shell.path] = error
            wanted.update(wants[shell.path])
    return refused


def _refusal(layout: Layout, found: Survey, shell: Shell, own: Iterable[Path]) -> VenvkitError | None:
    """Return why a shell stays; `own` are the environments in force that no other shell wants."""
    if shell.state in ("foreign", "newer"):
        made = "not made by venvkit" if shell.state == "foreign" else "made by a later version of venvkit"
        return UsageError(
            f"{shell.path} was {made}", code="not-ours", where=str(shell.path), remedy="remove it with what made it"
        )
    pids = found.running.get(shell.path, ())
    for environment in own:
        if not pids and found.is_used(environment):
            pids = found.running.get(environment) or holders(layout.lease(environment.name)) or (0,)
    return _busy_error(shell.model, shell.path, pids) if pids else None


def _busy(entry: Entry, item: Left) -> BusyError:
    return _busy_error(entry.model, entry.path, item.pids)


def _busy_error(model: str, path: Path, pids: tuple[int, ...]) -> BusyError:
    named = ", ".join("this process" if pid == os.getpid() else str(pid) for pid in pids if pid) or "unknown"
    own = "call release() of each Environment that this process has" if os.getpid() in pids else ""
    others = "end those processes first" if set(pids) != {os.getpid()} else ""
    return BusyError(
        f"{model} is in use by pid {named}",
        code="in-use",
        where=str(path),
        remedy=", and ".join(filter(None, (own, others))),
    )
