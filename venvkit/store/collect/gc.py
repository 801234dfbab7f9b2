"""Collection: read the store, decide what nobody wants any more, then remove it, each thing under its lock.

The decision removes nothing, so that `--dry-run` is the same decision.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from venvkit.base import crash
from venvkit.base.files import exists
from venvkit.store.change.drop import Collected, Left, drop
from venvkit.store.change.index import forget_entries
from venvkit.store.collect.rules import Verdict, Wish, decide
from venvkit.store.collect.sweep import Rubble, rubble, sweep, sweep_locks
from venvkit.store.disk.space import writing
from venvkit.store.disk.usage import measure
from venvkit.store.layout import Layout
from venvkit.store.lock.flock import hold
from venvkit.store.lock.lease import holders
from venvkit.store.look.survey import Survey, survey


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
        UsageError: Nothing of the store has a name that is to be kept (`keep-unknown`).
        MachineError: The store cannot be written (`home-unwritable`, `disk`, `disk-space`).
    """
    if not exists(layout.root):
        decide(Survey((), {}, (), {}), measure(()), wish, time.time())
        return Report((), (), 0, 0)
    with contextlib.ExitStack() as held:
        if not wish.dry_run:
            layout.prepare()
            held.enter_context(writing(layout))
            held.enter_context(hold(layout.gc_lock, what="another collection", soft=layout.soft)).discard = True
        found = survey(layout)
        stray = tuple(rubble(layout, found, foreign=wish.foreign))
        trees = [*found.environments, *(shell.path for shell in found.shells), *(item.path for item in stray)]
        usage = measure(dict.fromkeys(trees))
        verdict = decide(found, usage, wish, time.time())
        if wish.dry_run:
            removed: tuple[Collected, ...] = tuple(_listed(verdict, stray))
            left: tuple[Left, ...] = ()
        else:
            removed, left = _carry_out(layout, found, verdict, stray)
    gone = dict.fromkeys(item.path for item in removed if item.path in usage.links)
    left = (*left, *_left(layout, found, found.wanted(wish.keep_last), {item.path for item in left}))
    kept = (path for path, item in found.environments.items() if path not in gone and item.state != "incomplete")
    return Report(removed, left, usage.freed(gone), usage.size(kept))


def _swept(item: Rubble) -> Collected:
    return Collected("foreign" if item.foreign else "rubble", item.path, item.why)


def _listed(verdict: Verdict, stray: Iterable[Rubble]) -> Iterator[Collected]:
    yield from map(_swept, stray)
    for path, why in verdict.shells.items():
        yield Collected("shell", path, why)
    for path, why in verdict.environments.items():
        yield Collected("environment", path, why)


def _left(layout: Layout, found: Survey, wanted: Collection[Path], told: Collection[Path]) -> Iterator[Left]:
    for path, item in found.environments.items():
        if path in told:
            continue
        if item.state == "unknown":
            yield Left(path, "its receipt has a schema of another version; it is left alone")
        elif item.state == "sealed" and found.is_used(path) and path not in wanted:
            yield Left(path, "in use", holders(layout.lease(path.name)))
    for shell in found.shells:
        if shell.state == "newer" and shell.path not in told:
            yield Left(shell.path, "a later version of venvkit made it; it is left alone")


def _carry_out(
    layout: Layout, found: Survey, verdict: Verdict, stray: Iterable[Rubble]
) -> tuple[tuple[Collected, ...], tuple[Left, ...]]:
    swept = [item for item in stray if sweep(layout, found, item)]
    crash.at("gc-swept")
    removed, left = drop(layout, found, verdict.shells, verdict.environments)
    forget_entries(layout, found.useless({item.path for item in removed}))
    sweep_locks(layout)
    crash.at("gc-index")
    return (*map(_swept, swept), *removed), left
