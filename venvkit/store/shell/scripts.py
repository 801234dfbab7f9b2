"""A shell's interpreter and scripts: links like those of its environment."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from pathlib import Path

from venvkit.base.files import TEMPORARY, Sync, delete, write_atomically
from venvkit.base.reading import content_of

# The interpreter's own names, and what belongs to the shell that is activated.
_OTHERS = ("python", "pypy", "activate")


def fit_interpreter(shell: Path, environment: Path, *, sync: Sync = "content") -> None:
    """Give the shell the environment's interpreter: the same links, the same pyvenv.cfg."""
    config = (environment / "pyvenv.cfg").read_bytes()
    if content_of(shell / "pyvenv.cfg") != config:
        write_atomically(shell / "pyvenv.cfg", config, what="config", sync=sync)
    bin_folder = shell / "bin"
    bin_folder.mkdir(exist_ok=True)
    for entry in (environment / "bin").iterdir():
        if not entry.is_symlink() or not entry.name.startswith(("python", "pypy")):
            continue
        own = bin_folder / entry.name
        if own.is_symlink() and own.readlink() == entry.readlink():
            continue
        fresh = bin_folder / f"{TEMPORARY}{entry.name}"
        delete(fresh)
        fresh.symlink_to(entry.readlink())
        fresh.replace(own)


def link_scripts(bin_folder: Path, target: Path, homes: Collection[str]) -> None:
    """Link the environment's scripts into the shell's bin, and remove the links to those of a former environment.

    Args:
        homes: The folders of environments. A file, or a link that leads elsewhere, is the user's own and stays.
    """
    wanted = wanted_scripts(target)
    for entry in bin_folder.iterdir():
        if entry.name.startswith(_OTHERS) or not _leads_below(entry, homes):
            continue
        if entry.readlink() != wanted.get(entry.name):
            entry.unlink()
    for name, script in wanted.items():
        with contextlib.suppress(FileExistsError):
            (bin_folder / name).symlink_to(script)


def wanted_scripts(target: Path) -> dict[str, Path]:
    """Return the scripts of an environment that a shell has links to, by name."""
    return {entry.name: entry for entry in target.iterdir() if not entry.name.startswith(_OTHERS)}


def _leads_below(entry: Path, homes: Collection[str]) -> bool:
    """Tell whether an entry is a link to a file below one of `homes`; the file may be gone."""
    if not entry.is_symlink():
        return False
    # The file itself may be a link; its folder is followed, because a former home may have been a link.
    folder = os.path.realpath((entry.parent / entry.readlink()).parent)
    return any(folder.startswith(f"{home}{os.sep}") for home in homes)
