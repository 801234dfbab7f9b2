"""The rules of collection: what goes, decided over a survey of the store. A new rule of collection belongs here."""

from __future__ import annotations

import time
from pathlib import Path

from msgspec import Struct

from venvkit.store.collect.sweep import Rubble
from venvkit.store.disk.usage import Usage
from venvkit.store.look.survey import Survey


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


class Verdict(Struct, frozen=True):
    """What goes: shells with the reason, environments with the reason, rubble."""

    shells: dict[Path, str]
    environments: dict[Path, str]
    rubble: tuple[Rubble, ...]


def decide(found: Survey, usage: Usage, wish: Wish, stray: tuple[Rubble, ...]) -> Verdict:
    """Return what goes."""
    shells: dict[Path, str] = {}
    now = time.time()
    if wish.older_than is not None:
        for shell in found.shells:
            if found.may_drop(shell, wish.keep) and now - found.last_use(shell) > wish.older_than:
                shells[shell.path] = f"not used for {(now - found.last_use(shell)) / 86400:.1f} days"
    environments = dict.fromkeys(found.unwanted(shells, wish.keep), "no shell wants it")
    if wish.max_size is not None:
        _fit(found, usage, wish, shells, environments)
    return Verdict(shells, environments, stray)


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
