"""Dropping shells and environments that a reading of the store says may go, each thing under its lock.

Before one goes it is asked again whether it was used since the reading: a launch in between saves the model. Who puts
an environment in force, or starts from one, touches its lease: so the question costs one stat, however large the store.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

from msgspec import Struct

from venvkit.base import crash
from venvkit.base.files import exists
from venvkit.store.change.environment import collect_environment
from venvkit.store.change.index import forget_entries
from venvkit.store.layout import Layout
from venvkit.store.lock.lease import holders, in_use, last_use
from venvkit.store.lock.processes import running_in
from venvkit.store.look.index import Indexed
from venvkit.store.look.shells import Shell, read_shell, read_shells
from venvkit.store.look.survey import Survey
from venvkit.store.shell.point import hold_shell, remove_shell

Kind = Literal["environment", "shell", "rubble", "foreign"]


class Collected(Struct, frozen=True):
    """What was removed, or with `dry_run` would be, and why."""

    kind: Kind
    path: Path
    why: str


class Left(Struct, frozen=True):
    """What stays though nobody wants it: leased by `pids`, at work, used meanwhile, or of an unknown schema."""

    path: Path
    why: str
    pids: tuple[int, ...] = ()


def drop(
    layout: Layout, found: Survey, shells: Mapping[Path, str], environments: Mapping[Path, str]
) -> tuple[tuple[Collected, ...], tuple[Left, ...]]:
    """Drop shells and environments, each with the reason why it goes.

    Args:
        environments: Those that no shell wants, once these shells are gone.
    """
    removed: list[Collected] = []
    left: list[Left] = []
    kept: set[Path] = set()
    running = running_in(layout) if shells else {}
    index = found.entries_of()
    for shell in found.shells:
        if shell.path not in shells:
            continue
        why = _drop_shell(layout, found, shell, index.get(str(shell.path), ()), running)
        if why:
            kept |= shell.wants(None, found.environments)
            left.append(Left(shell.path, why, _users(layout, shell, running)))
        else:
            removed.append(Collected("shell", shell.path, shells[shell.path]))
    crash.at("gc-shells")
    for path, reason in environments.items():
        if path in kept:
            continue
        fate = collect_environment(layout, path, partial(is_touched, layout, found, path))
        if fate == "removed":
            removed.append(Collected("environment", path, reason))
        elif exists(path):
            why = "used meanwhile" if fate == "wanted" else fate
            left.append(Left(path, why, holders(layout.lease(path.name))))
    crash.at("gc-environments")
    return tuple(removed), tuple(left)


def is_touched(layout: Layout, found: Survey, environment: Path) -> bool:
    """Tell whether an environment was put in force, or a process started from it, since the reading."""
    known = found.environments.get(environment)
    if known is None:
        return True
    if not known.used:  # its lease file was deleted
        return any(environment in shell.in_force for shell in read_shells(layout))
    return last_use(layout.lease(environment.name)) != known.used


def _drop_shell(
    layout: Layout, found: Survey, shell: Shell, index: Collection[Indexed], running: Mapping[Path, object]
) -> str:
    """Remove a shell and the index entries that lead to it; returns why it stays, or nothing."""
    with hold_shell(layout, shell.path) as held:
        now = read_shell(layout, shell.path)
        if shell.path in running:
            return "in use"
        if (now.state, now.mark) != (shell.state, shell.mark) or not now.pointed <= shell.pointed:
            return "changed meanwhile"
        for environment in shell.in_force & found.environments.keys():
            known = found.is_used(environment)
            if is_touched(layout, found, environment) or (
                not known and in_use(layout.lease(environment.name), soft=layout.soft)
            ):
                return "used meanwhile"
        # The index first: an entry may not lead to a shell that is gone.
        forget_entries(layout, index, answered=True)
        remove_shell(shell.path, layout.shells)
        held.discard = True
    return ""


def _users(layout: Layout, shell: Shell, running: Mapping[Path, tuple[int, ...]]) -> tuple[int, ...]:
    pids = running.get(shell.path, ())
    return pids or tuple(pid for path in sorted(shell.in_force) for pid in holders(layout.lease(path.name)))
