"""Collection: decide what nobody wants any more, then remove it, each thing under its lock.

The decision is made over a survey of the whole store and removes nothing, so that `--dry-run` is the same decision.
Before an environment goes it is asked again, under its lock, whether it is leased or wanted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from msgspec import Struct

from venvkit.base import crash
from venvkit.store.change.remove import forget
from venvkit.store.collect.environment import collect_environment, wanted_environments
from venvkit.store.collect.sweep import Rubble, rubble, sweep, sweep_locks
from venvkit.store.disk.usage import Usage, measure
from venvkit.store.layout import Layout
from venvkit.store.lock.flock import attempt, hold
from venvkit.store.lock.lease import holders
from venvkit.store.lock.processes import running_from
from venvkit.store.look.survey import Survey, survey
from venvkit.store.shell.point import hold_shell, remove_shell

Kind = Literal["environment", "shell", "rubble", "foreign"]


class Wish(Struct, frozen=True):
    """What a collection is asked to do; by default it removes what no shell and no kept generation wants.

    Args:
        older_than: Also drop shells not used for that many seconds.
        max_size: Also drop generations, then shells, the least recently used first, until the environments hold at
            most that many bytes on the disk.
        keep_last: How many generations of each shell are kept; None keeps what the shells keep.
        keep: Models, shells or environments that stay, by name or path.
        foreign: Delete what was moved aside.
        dry_run: Decide and report, and remove nothing.
    """

    older_than: float | None = None
    max_size: int | None = None
    keep_last: int | None = None
    keep: tuple[str, ...] = ()
    foreign: bool = False
    dry_run: bool = False


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


class _Verdict(Struct, frozen=True):
    """What goes: shells with the reason, environments with the reason, rubble."""

    shells: dict[Path, str]
    environments: dict[Path, str]
    rubble: tuple[Rubble, ...]


def collect(layout: Layout, wish: Wish) -> Report:
    """Collect a store's garbage.

    Raises:
        OSError: The store cannot be read or written.
    """
    if not layout.root.is_dir():
        return Report((), (), 0, 0)
    layout.locks.mkdir(exist_ok=True)
    with hold(layout.gc_lock, what="another collection", soft=layout.soft) as held:
        found = survey(layout, wish.keep_last)
        stray = tuple(rubble(layout, foreign=wish.foreign))
        usage = measure([*found.environments, *(item.path for item in stray)])
        verdict = _decide(found, usage, wish, stray)
        doomed = [*verdict.environments, *(item.path for item in verdict.rubble)]
        kept = [path for path in found.environments if path not in verdict.environments]
        if wish.dry_run:
            return Report(tuple(_listed(verdict)), tuple(_left(layout, found)), usage.freed(doomed), usage.size(kept))
        removed, left = _carry_out(layout, verdict, wish)
        held.discard = True
    gone = [item.path for item in removed if item.path in usage.links]
    left = (*left, *(item for item in _left(layout, found) if item.path not in {other.path for other in left}))
    kept = [path for path in found.environments if path not in set(gone)]
    return Report(removed, left, usage.freed(gone), usage.size(kept))


def _decide(found: Survey, usage: Usage, wish: Wish, stray: tuple[Rubble, ...]) -> _Verdict:
    shells: dict[Path, str] = {}
    now = time.time()
    if wish.older_than is not None:
        for shell in found.shells:
            if found.may_drop(shell, wish.keep) and now - found.last_use(shell) > wish.older_than:
                shells[shell.path] = f"not used for {(now - found.last_use(shell)) / 86400:.1f} days"
    environments = dict.fromkeys(found.unwanted(shells, wish.keep), "no shell wants it")
    if wish.max_size is not None:
        _fit(found, usage, wish, shells, environments)
    return _Verdict(shells, environments, stray)


def _fit(found: Survey, usage: Usage, wish: Wish, shells: dict[Path, str], environments: dict[Path, str]) -> None:
    """Drop more, the least recently used first, until what stays fits: old generations, then whole shells."""
    assert wish.max_size is not None

    def too_large() -> bool:
        return usage.size(path for path in found.environments if path not in environments) > (wish.max_size or 0)

    for path in found.former_generations(shells, wish.keep):
        if not too_large():
            return
        environments.setdefault(path, "the store is too large, and this is a former generation")
    for shell in sorted(found.shells, key=found.last_use):
        if not too_large():
            return
        if shell.path not in shells and found.may_drop(shell, wish.keep):
            shells[shell.path] = "the store is too large, and this was not used for longest"
            for path in found.unwanted(shells, wish.keep):
                environments.setdefault(path, "its shells were dropped")


def _listed(verdict: _Verdict) -> Iterator[Collected]:
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


def _carry_out(layout: Layout, verdict: _Verdict, wish: Wish) -> tuple[tuple[Collected, ...], tuple[Left, ...]]:
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
    _forget_gone(layout)
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


def _forget_gone(layout: Layout) -> None:
    """Remove index entries whose environment or shell is gone: they can never be true again."""
    from venvkit.launch.warm import read_entry

    for path in layout.requests.glob("*.json"):
        entry = read_entry(str(path))
        if entry is not None and all(Path(entry["facts"][name]).exists() for name in ("path", "shell")):
            continue
        with attempt(layout.request_lock(path.stem), soft=layout.soft) as lock:
            if lock is not None:
                path.unlink(missing_ok=True)
                lock.discard = True
