"""Shells: each model's own small real venv at the Xinference-shaped path, one `.pth` of ours pointing on.

A shell is never shared, others may write in it, and nothing in it is trusted. Its `.pth` is read only at start, so a
process keeps the environment that it started with when the shell moves on.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from pathlib import Path

from venvkit.errors import BusyError
from venvkit.store.child import POINTER, pointer_line
from venvkit.store.files import sync_folder, write_atomically
from venvkit.store.layout import Layout
from venvkit.store.receipt import Receipt

# Proves that a directory at a shell's path is ours, and says where it points without parsing the `.pth`.
MARK = "venvkit-shell.json"


def shell_target(shell: Path) -> Path | None:
    """Return the environment that a shell points to; None when this is no shell of ours."""
    try:
        mark = json.loads((shell / MARK).read_bytes())
        return Path(mark["environment"]) if mark.get("schema") == 1 else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def point_shell(layout: Layout, shell: Path, receipt: Receipt) -> None:
    """Make `shell` point to an environment; its former environment stays for the processes that run from it.

    Raises:
        BusyError: Something that is not ours stands there, and a process runs from it (`foreign-busy`).
    """
    if os.path.lexists(shell) and shell_target(shell) is None:
        _move_foreign(layout, shell)
    environment = Path(receipt.path)
    if not shell.exists():
        _create(shell, environment, receipt)
    write_atomically(_site_packages(shell, environment, receipt) / POINTER, pointer_line(Path(receipt.site_packages)))
    _link_scripts(shell / "bin", environment / "bin")
    _write_mark(shell, environment)


def _site_packages(root: Path, environment: Path, receipt: Receipt) -> Path:
    folder = root / Path(receipt.site_packages).relative_to(environment)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _create(shell: Path, environment: Path, receipt: Receipt) -> None:
    """Make the venv beside its place and rename it there: half a shell is never found."""
    attempt = shell.with_name(f".{shell.name}.{os.getpid()}")
    shutil.rmtree(attempt, ignore_errors=True)
    attempt.mkdir(parents=True)
    try:
        shutil.copyfile(environment / "pyvenv.cfg", attempt / "pyvenv.cfg")
        site_packages = _site_packages(attempt, environment, receipt)
        if (environment / "lib64").is_symlink():
            (attempt / "lib64").symlink_to("lib")
        (attempt / "bin").mkdir()
        for entry in (environment / "bin").iterdir():
            if entry.is_symlink() and entry.name.startswith(("python", "pypy")):
                (attempt / "bin" / entry.name).symlink_to(entry.readlink())
        (site_packages / POINTER).write_bytes(pointer_line(Path(receipt.site_packages)))
        _write_mark(attempt, environment)
        attempt.rename(shell)
        sync_folder(shell.parent)
    finally:
        shutil.rmtree(attempt, ignore_errors=True)


def _write_mark(shell: Path, environment: Path) -> None:
    write_atomically(shell / MARK, json.dumps({"schema": 1, "environment": str(environment)}).encode())


def _link_scripts(bin_folder: Path, target: Path) -> None:
    """Carry the environment's scripts in the shell's bin as links, and take those of a former environment away."""
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


def _move_foreign(layout: Layout, path: Path) -> None:
    """Move aside what is not ours; nothing that a user made is deleted."""
    pids = running_from(path)
    if pids:
        raise BusyError(
            f"something that is not venvkit's stands here and runs: pid {', '.join(map(str, pids))}",
            code="foreign-busy",
            where=str(path),
            remedy="end those processes, or move the directory away",
        )
    layout.foreign.mkdir(parents=True, exist_ok=True)
    stem = "-".join(path.relative_to(layout.shells).parts)
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    aside = layout.foreign / f"{stem}-{stamp}"
    number = 1
    while os.path.lexists(aside):
        number += 1
        aside = layout.foreign / f"{stem}-{stamp}-{number}"
    path.rename(aside)


def running_from(folder: Path) -> tuple[int, ...]:
    """Return the pids of processes whose program or libraries lie below `folder`; empty where /proc cannot tell."""
    prefix = f"{folder}{os.sep}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            started = (process / "cmdline").read_bytes().split(b"\0", 1)[0]
            if started.startswith(prefix) or prefix in (process / "maps").read_bytes():
                found.append(int(process.name))
    return tuple(sorted(found))


def remove_shell(shell: Path, root: Path) -> None:
    """Remove a shell, and the folders above it that it leaves empty."""
    aside = shell.with_name(f".removed-{os.getpid()}-{shell.name}")
    shell.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)
    for folder in shell.parents:
        if folder == root:
            return
        with contextlib.suppress(OSError):
            folder.rmdir()
