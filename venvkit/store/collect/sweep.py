"""What dead processes left: half-built environments, things moved aside, temporary files, locks that guard nothing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from venvkit.base.files import ASIDE, TEMPORARY, delete, listed
from venvkit.formats.receipt import RECEIPT
from venvkit.store.change.drop import is_touched
from venvkit.store.change.environment import collect_environment
from venvkit.store.layout import Layout
from venvkit.store.lock.flock import attempt
from venvkit.store.lock.lease import exclusive
from venvkit.store.lock.processes import running_from
from venvkit.store.look.survey import Survey
from venvkit.store.shell.point import sweep_shell


class Rubble(Struct, frozen=True):
    """Something that nobody needs. `shell` is the shell that it belongs to, when its lock guards it."""

    path: Path
    why: str
    shell: Path | None = None
    unsealed: bool = False
    foreign: bool = False


def rubble(layout: Layout, found: Survey, *, foreign: bool = False) -> Iterator[Rubble]:
    """Yield what may be swept; what a live process is at work on is among it, and `sweep` leaves that."""
    # A shell may still lead to one whose receipt was lost: it goes when the shell leads to another.
    wanted = found.wanted()
    for path, item in found.environments.items():
        if item.state == "incomplete" and path not in wanted and not found.is_used(path):
            yield Rubble(path, "its build did not finish", unsealed=True)
    for path in _leftovers(layout.envs):
        yield Rubble(path, "its removal did not finish")
    for path in _leftovers(layout.requests):
        yield Rubble(path, "its writer died")
    for engine in layout.shells.glob("*/*"):
        for path in _leftovers(engine):
            of = engine / path.name.removeprefix(TEMPORARY)
            yield Rubble(path, "its making or removal did not finish", of if path.name.startswith(TEMPORARY) else None)
    for shell in (shell.path for shell in found.shells if shell.state in ("ours", "spoilt")):
        packages = (Path(version, "site-packages") for version in listed(shell / "lib"))
        for folder in (shell, shell / "bin", *packages):
            for path in _leftovers(folder):
                yield Rubble(path, "its writer died", shell)
    if foreign and layout.foreign.is_dir():
        for path in sorted(layout.foreign.iterdir()):
            yield Rubble(path, "it was moved aside", foreign=True)


def _leftovers(folder: Path) -> list[Path]:
    # A store has thousands of folders, and next to none of them anything of this kind.
    names = (path for path in listed(folder) if os.path.basename(path).startswith((TEMPORARY, ASIDE)))  # noqa: PTH119
    return [Path(path) for path in names]


def sweep(layout: Layout, found: Survey, item: Rubble) -> bool:
    """Delete one thing; returns whether it is gone: not when a live process is at work on it or runs from it."""
    if item.unsealed:
        return (
            collect_environment(layout, item.path, lambda: _is_sealed_or_touched(layout, found, item.path)) == "removed"
        )
    if item.shell is not None:
        with attempt(layout.shell_lock(item.shell), soft=layout.soft) as lock:
            if lock is None:
                return False
            sweep_shell(item.shell)
            delete(item.path)
    elif item.foreign:
        if running_from(item.path):
            return False
        delete(item.path)
        with contextlib.suppress(OSError):
            layout.foreign.rmdir()
    else:
        # Moved aside, so whoever deletes it does no harm; a live writer whose temporary file is gone writes it again.
        delete(item.path)
    return not os.path.lexists(item.path)


def _is_sealed_or_touched(layout: Layout, found: Survey, environment: Path) -> bool:
    return os.path.lexists(environment / RECEIPT) or is_touched(layout, found, environment)


def sweep_locks(layout: Layout) -> None:
    """Remove lock files that nobody holds and leases of environments that are gone, and folders that shells left."""
    for path in layout.locks.glob("*.lease"):
        if (layout.envs / path.stem).exists():
            continue
        with contextlib.suppress(OSError), exclusive(path, soft=layout.soft) as alone:
            if alone and not (layout.envs / path.stem).exists():
                path.unlink()
    for path in layout.locks.glob("*.lock"):
        if path == layout.gc_lock:
            continue
        with attempt(path, soft=layout.soft) as lock:
            if lock is not None:
                lock.discard = True
    for engine in layout.shells.glob("*/*"):
        for folder in (engine, engine.parent):
            with contextlib.suppress(OSError):
                folder.rmdir()
