"""Shells: each model's own small real venv at the Xinference-shaped path, one `.pth` of ours pointing on.

A shell is never shared, others may write in it, and nothing in it is trusted. Its `.pth` is read only at start, so a
process keeps the environment that it started with when the shell moves on. Whoever changes a shell holds its lock.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from venvkit.base import crash
from venvkit.base.files import ASIDE, TEMPORARY, Sync, delete, listed, move_aside, write_atomically
from venvkit.errors import BusyError
from venvkit.events import Observer, ignore
from venvkit.formats.mark import Mark, new_mark, read_mark, write_mark
from venvkit.formats.receipt import Receipt
from venvkit.store.env.child import POINTER, pointed_to, pointer_line
from venvkit.store.layout import Layout
from venvkit.store.lock.flock import HeldLock, hold
from venvkit.store.lock.processes import running_from


@contextlib.contextmanager
def hold_shell(layout: Layout, shell: Path, observer: Observer = ignore) -> Iterator[HeldLock]:
    """Hold the lock under which a shell, and what the index says of it, is changed."""
    with hold(layout.shell_lock(shell), what=f"shell {shell.name}", observer=observer, soft=layout.soft) as held:
        yield held


def shell_target(shell: Path) -> Path | None:
    """Return the environment that a shell is to point to; None when this is no shell of ours."""
    mark = read_mark(shell)
    return mark.environment if mark is not None else None


def wanted_by(shell: Path, keep_last: int | None = None) -> set[Path]:
    """Return the environments that a shell needs: its generations, and what its `.pth` leads to at this instant."""
    mark = read_mark(shell)
    return set() if mark is None else wanted_by_mark(shell, mark, keep_last)


def wanted_by_mark(shell: Path, mark: Mark, keep_last: int | None = None) -> set[Path]:
    """Return what a shell needs whose mark was read just now; see `wanted_by`."""
    kept = mark if keep_last is None else mark.keeping(keep_last)
    pointed = {found for path in _pointers(shell) if (found := _environment_of(path)) is not None}
    return {mark.environment, *(item.environment for item in kept.generations)} | pointed


def is_pointed(shell: Path, receipt: Receipt) -> bool:
    """Tell whether a shell points to an environment, all of it: the `.pth` is changed last."""
    environment = Path(receipt.path)
    line = pointer_line(Path(receipt.site_packages))
    place = shell / Path(receipt.site_packages).relative_to(environment) / POINTER
    whole = _read(place) == line and _read(shell / "pyvenv.cfg") == _read(environment / "pyvenv.cfg")
    return whole and shell_target(shell) == environment and os.access(shell / "bin" / "python", os.X_OK)


def point_shell(layout: Layout, shell: Path, receipt: Receipt) -> None:
    """Make `shell` point to an environment; its former environment stays for the processes that run from it.

    The mark goes first, so that both environments are known to be wanted while the shell is between them; the `.pth`
    goes last, because it is what counts for a process that starts now.

    Raises:
        BusyError: Something that is not ours stands there, and a process runs from it (`foreign-busy`).
    """
    environment = Path(receipt.path)
    mark = read_mark(shell)
    if os.path.lexists(shell) and mark is None:
        _move_foreign(layout, shell)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    mark = mark.with_current(environment, now) if mark is not None else new_mark(environment, now)
    sweep_shell(shell)
    if not shell.exists():
        _create(shell, receipt, mark)
        return
    if read_mark(shell) != mark:
        write_mark(shell, mark)
    crash.at("shell-mark")
    _fit_interpreter(shell, environment)
    _link_scripts(shell / "bin", environment / "bin")
    crash.at("shell-scripts")
    _write_pointer(shell, receipt)
    crash.at("shell-pointed")


def _write_pointer(shell: Path, receipt: Receipt, *, sync: Sync = "content") -> None:
    pointer, line = _site_packages(shell, receipt) / POINTER, pointer_line(Path(receipt.site_packages))
    if _read(pointer) != line:
        write_atomically(pointer, line, what="pointer", sync=sync)


def _site_packages(root: Path, receipt: Receipt) -> Path:
    folder = root / Path(receipt.site_packages).relative_to(receipt.path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _pointers(shell: Path) -> Iterator[Path]:
    for version in listed(shell / "lib"):
        yield Path(version, "site-packages", POINTER)


def _environment_of(pointer: Path) -> Path | None:
    """Return the environment that a shell's `.pth` leads to: `<environment>/lib/<python>/site-packages`."""
    site_packages = pointed_to(_read(pointer))
    return Path(site_packages).parents[2] if site_packages and len(Path(site_packages).parents) > 2 else None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _create(shell: Path, receipt: Receipt, mark: Mark) -> None:
    """Make the venv beside its place, all of it, and rename it there: half a shell is never found.

    Nothing is synced: what a power cut leaves of a new shell is mended, or moved aside, when it is next asked for.
    """
    attempt = shell.with_name(f"{TEMPORARY}{shell.name}")
    environment = Path(receipt.path)
    try:
        (attempt / "bin").mkdir(parents=True)
        _site_packages(attempt, receipt)
        if (environment / "lib64").is_symlink():
            (attempt / "lib64").symlink_to("lib")
        _fit_interpreter(attempt, environment, sync="never")
        _link_scripts(attempt / "bin", environment / "bin")
        _write_pointer(attempt, receipt, sync="never")
        write_mark(attempt, mark, sync="never")
        crash.at("shell-attempt")
        attempt.rename(shell)
        crash.at("shell-made")
    finally:
        shutil.rmtree(attempt, ignore_errors=True)


def _fit_interpreter(shell: Path, environment: Path, *, sync: Sync = "content") -> None:
    """Give the shell the environment's interpreter: the same links, the same pyvenv.cfg."""
    config = (environment / "pyvenv.cfg").read_bytes()
    if _read(shell / "pyvenv.cfg") != config:
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


def sweep_shell(shell: Path) -> None:
    """Delete what dead processes left beside a shell and in it; its lock is held, so nobody is at work there."""
    for folder in (shell.parent, shell, shell / "bin", *shell.glob("lib/*/site-packages")):
        for entry in _entries(folder):
            mine = folder != shell.parent or entry.name.endswith(shell.name)
            if mine and entry.name.startswith((TEMPORARY, ASIDE)):
                delete(entry)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


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
    crash.at("shell-foreign")


def remove_shell(shell: Path, root: Path) -> None:
    """Remove a shell, and the folders above it that it leaves empty."""
    aside = move_aside(shell)
    crash.at("shell-aside")
    if aside is not None:
        delete(aside)
    crash.at("shell-removed")
    for folder in shell.parents:
        if folder == root:
            return
        with contextlib.suppress(OSError):
            folder.rmdir()
