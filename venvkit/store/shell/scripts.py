"""A shell's interpreter and scripts: links like those of its environment."""

from __future__ import annotations

import contextlib
from pathlib import Path

from venvkit.base.files import TEMPORARY, Sync, delete, write_atomically
from venvkit.base.reading import content_of


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


def link_scripts(bin_folder: Path, target: Path) -> None:
    """Link the environment's scripts into the shell's bin, and remove the links to those of a former environment."""
    wanted = {
        entry.name: entry for entry in target.iterdir() if not entry.name.startswith(("python", "pypy", "activate"))
    }
    for entry in bin_folder.iterdir():
        if entry.name.startswith(("python", "pypy")) or not entry.is_symlink():
            continue
        if entry.readlink().parent.name == "bin" and entry.readlink() != wanted.get(entry.name):
            entry.unlink()
    for name, script in wanted.items():
        with contextlib.suppress(FileExistsError):
            (bin_folder / name).symlink_to(script)
