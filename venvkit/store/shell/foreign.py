"""What stands at a shell's path and is not ours: it is moved aside, and deleted only when the user asks."""

from __future__ import annotations

# ruff: noqa: PTH105, PTH118, PTH119
import os
import time
from pathlib import Path

from venvkit.base import crash
from venvkit.errors import BusyError
from venvkit.formats.pointer import POINTER
from venvkit.formats.receipt import Receipt
from venvkit.host.contents import files, import_names
from venvkit.host.distribution import Distribution
from venvkit.proof.shell import intruders
from venvkit.store.layout import Layout
from venvkit.store.lock.processes import running_from


def move_foreign(layout: Layout, path: Path) -> None:
    """Move a folder that venvkit did not make from a shell's path to foreign/.

    Raises:
        BusyError: A process runs from it (`foreign-busy`).
    """
    pids = running_from(path)
    if pids:
        raise BusyError(
            f"something that is not venvkit's stands here and runs: pid {', '.join(map(str, pids))}",
            code="foreign-busy",
            where=str(path),
            remedy="end those processes, or move the directory away",
        )
    path.rename(_aside(layout, path))
    crash.at("shell-foreign")


def move_intruders(layout: Layout, shell: Path, receipt: Receipt) -> tuple[str, ...]:
    """Move the distributions that others installed into a shell to foreign/, since they win over its environment.

    Returns:
        Them, as `name==version`.
    """
    found = intruders(shell, receipt)
    aside = _aside(layout, shell) if found else shell
    for item in found:
        # The metadata last: a distribution that was moved in part is found again.
        places = [*(_place(item.site_dir, path) for path in files(item)), *_named(item), item.location]
        for place in dict.fromkeys(places):
            inside = os.path.relpath(place, shell)
            if inside.startswith(os.pardir) or not os.path.lexists(place) or os.path.basename(place) == POINTER:
                continue
            (aside / inside).parent.mkdir(parents=True, exist_ok=True)
            os.replace(place, aside / inside)
    return tuple(f"{item.name}=={item.version}" for item in found)


def _place(site_dir: str, path: str) -> str:
    """Return what is moved for a file: its top-level entry, or the file itself where it lies elsewhere in the shell."""
    path = os.path.normpath(path)
    return os.path.normpath(os.path.join(site_dir, path if path.startswith(os.pardir) else path.partition(os.sep)[0]))


def _named(item: Distribution) -> list[str]:
    """Return the places of the import names of a distribution, for one without a record of its files."""
    return [f"{item.site_dir}/{name}{end}" for name in sorted(import_names(item)) for end in ("", ".py")]


def _aside(layout: Layout, path: Path) -> Path:
    """Return a place in foreign/ that is free, for something at or in a shell's path."""
    layout.foreign.mkdir(parents=True, exist_ok=True)
    stem = "-".join(path.relative_to(layout.shells).parts)
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    aside = layout.foreign / f"{stem}-{stamp}"
    number = 1
    while os.path.lexists(aside):
        number += 1
        aside = layout.foreign / f"{stem}-{stamp}-{number}"
    return aside
