"""Collection: decide what nobody wants any more, then remove it, each thing under its lock.

The decision is made over a survey of the whole store and removes nothing, so that `--dry-run` is the same decision.
Before an environment goes it is asked again, under its lock, whether it is leased or wanted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from msgspec import Struct

from venvkit.base import crash
from venvkit.base.files import exists
from venvkit.store.change.environment import collect_environment
from venvkit.store.change.index import forget, forget_gone
from venvkit.store.collect.rules import Verdict, Wish, decide
from venvkit.store.collect.sweep import rubble, sweep, sweep_locks
from venvkit.store.disk.space import writing
from venvkit.store.disk.usage import measure
from venvkit.store.layout import Layout
from venvkit.store.lock.flock import hold
from venvkit.store.lock.lease import holders
from venvkit.store.lock.processes import running_from
from venvkit.store.look.shells import wanted_environments
from venvkit.store.look.survey import Survey, survey
from venvkit.store.shell.point import hold_shell, remove_shell

Kind = Literal["environment", "shell", "rubble", "foreign"]


class Collected(Struct, frozen=True):
    """What was removed, or with `dry_run` would be, and why."""

    kind: Kind
    path: Path
    why: str


class Left(Struct, frozen=True):
    """What nobody wants and stays nevertheless: leased by `pids`, at work, or of an unknown schema."""

    path: Path
    why: str
    pids: tuple[int, ...] = ()


class Report(Struct, frozen=True):
    """The result of a collection.

    Args:
        freed: Bytes that the disk got back.
        size: Bytes that the environments hold now, each inode once.
    """

    removed: tuple[Collected, ...]
    left: tuple[Left, ...]
    freed: int
    size: int


def collect(layout: Layout, wish: Wish) -> Report:
    """Collect a store's garbage.

    Raises:
        MachineError: The store cannot be written (`home-unwritable`, `disk`, `disk-space`).
    """
    if not exists(layout.root):
        return Report((), (), 0, 0)
    with contextlib.ExitStack() as held:
        if not wish.dry_run:
            layout.prepare()
            held.enter_context(writing(layout))
            held.enter_context(hold(layout.gc_lock, what="another collection", soft=layout.soft)).discard = True
        found = survey(layout, wish.keep_last)
        stray = tuple(rubble(layout, foreign=wish.foreign))
        usage = measure([*found.environments, *(item.path for item in stray)])
        verdict = decide(found, usage, wish, stray)
        doomed = [*verdict.environments, *(item.path for item in verdict.rubble)]
        kept = [path for path in found.environments if path not in verdict.environments]
        if wish.dry_run:
            return Report(tuple(_listed(verdict)), tuple(_left(layout, found)), usage.freed(doomed), usage.size(kept))
        removed, left = _carry_out(layout, verdict, wish)
    gone = [item.path for item in removed if item.path in usage.links]
    left = (*left, *(item for item in _left(layout, found) if item.path not in {other.path for other in left}))
    kept = [path for path in found.environments if path not in set(gone)]
    return Report(removed, left, usage.freed(gone), usage.size(kept))


def _listed(verdict: Verdict) -> Iterator[Collected]:
    for item in verdict.rubble:
        yield Collected("foreign" if item.foreign else "rubble", item.path, item.why)
    for path, why in verdict.shells.items():
        yield Collected("shell", path, why)
    for path, why in verdict.environments.items():
        yield Collected("environment", path, why)


def _left(layout: Layout, found: Survey) -> Iterator[Left]:
    wanted = found.wanted({})
    for environment in found.environments.values():
        if environment.state == "unknown":
            yield Left(environment.path, "its receipt has a schema of another version; it is left alone")
        elif environment.leased and environment.path not in wanted:
            yield Left(environment.path, "in use", holders(layout.lease(environment.path.name)))


def _carry_out(layout: Layout, verdict: Verdict, wish: Wish) -> tuple[tuple[Collected, ...], tuple[Left, ...]]:
    swept = [item for item in verdict.rubble if sweep(layout, item)]
    removed = [Collected("foreign" if item.foreign else "rubble", item.path, item.why) for item in swept]
    left: list[Left] = []
    crash.at("gc-swept")
    for shell, why in verdict.shells.items():
        if _drop(layout, shell):
            removed.append(Collected("shell", shell, why))
        else:
            left.append(Left(shell, "in use", running_from(shell)))
    crash.at("gc-shells")
    dropped_for_size = wish.max_size is not None
    for path, why in verdict.environments.items():
        # A former generation that is dropped for its size is still in its shell's mark: only what is in force counts.
        least = 1 if dropped_for_size else wish.keep_last

        def wanted(path: Path = path, least: int | None = least) -> bool:
            return path in wanted_environments(layout, least)

        fate = collect_environment(layout, path, wanted)
        if fate == "removed":
            removed.append(Collected("environment", path, why))
        elif fate != "wanted":
            left.append(Left(path, fate, holders(layout.lease(path.name))))
    crash.at("gc-environments")
    forget_gone(layout)
    sweep_locks(layout)
    crash.at("gc-index")
    return tuple(removed), tuple(left)


def _drop(layout: Layout, shell: Path) -> bool:
    """Remove a shell that nobody runs from."""
    with hold_shell(layout, shell) as held:
        if running_from(shell):
            return False
        forget(layout, shell)
        remove_shell(shell, layout.shells)
        held.discard = True
    return True
