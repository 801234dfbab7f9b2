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

from msgspec.structs import replace

from venvkit.base import crash
from venvkit.base.files import ASIDE, TEMPORARY, Sync, delete, exists, move_aside, write_atomically
from venvkit.base.reading import content_of
from venvkit.errors import MachineError
from venvkit.events import Observer, ignore
from venvkit.formats.mark import Mark, new_mark, read_mark, write_mark
from venvkit.formats.pointer import POINTER, pointer_line
from venvkit.formats.receipt import Receipt
from venvkit.store.layout import Layout
from venvkit.store.lock.flock import HeldLock, hold
from venvkit.store.lock.lease import touch
from venvkit.store.look.shells import Shell, read_shell, shell_target
from venvkit.store.shell.foreign import move_foreign, move_intruders
from venvkit.store.shell.scripts import fit_interpreter, link_scripts, wanted_scripts


@contextlib.contextmanager
def hold_shell(layout: Layout, shell: Path, observer: Observer = ignore) -> Iterator[HeldLock]:
    """Hold the lock under which a shell, and what the index says of it, is changed."""
    with hold(layout.shell_lock(shell), what=f"shell {shell.name}", observer=observer, soft=layout.soft) as held:
        yield held


def is_pointed(shell: Path, receipt: Receipt) -> bool:
    """Tell whether a shell points to an environment, all of it: the `.pth` is changed last."""
    environment = Path(receipt.path)
    line = pointer_line(Path(receipt.site_packages))
    place = shell / Path(receipt.site_packages).relative_to(environment) / POINTER
    whole = content_of(place) == line and content_of(shell / "pyvenv.cfg") == content_of(environment / "pyvenv.cfg")
    if not whole or shell_target(shell) != environment or not os.access(shell / "bin" / "python", os.X_OK):
        return False
    return all(os.path.lexists(shell / "bin" / name) for name in wanted_scripts(environment / "bin"))


def point_shell(layout: Layout, shell: Path, receipt: Receipt, *, rolled_back: bool = False) -> tuple[str, ...]:
    """Make `shell` point to an environment; its former environment stays for the processes that run from it.

    Args:
        rolled_back: The environment is one of the shell's generations, and is put in force again.

    The mark goes first, so that both environments are known to be wanted while the shell is between them; the `.pth`
    goes last, because it is what counts for a process that starts now.

    Returns:
        The distributions that others had installed into the shell, as `name==version`: they are in foreign/ now.

    Raises:
        BusyError: Something that is not ours stands there, and a process runs from it (`foreign-busy`).
        MachineError: A later version of venvkit made the shell (`shell-unknown`).
    """
    environment = Path(receipt.path)
    found = read_shell(layout, shell)
    if found.state == "newer":
        raise MachineError(
            "this shell was made by a later version of venvkit",
            code="shell-unknown",
            where=str(shell),
            remedy="use that version, or set XINFERENCE_HOME to another directory",
        )
    if os.path.lexists(shell) and found.state == "foreign":
        move_foreign(layout, shell)
    # A collection that has read the store before this leaves the environment alone.
    touch(layout.lease(environment.name))
    mark = _next_mark(found, environment, rolled_back=rolled_back)
    homes = _homes(layout, mark)
    # What was collected is not remembered; all that is there is, since a collection may be asked to keep many.
    mark = replace(mark, generations=tuple(item for item in mark.generations if exists(item.environment)))
    sweep_shell(shell)
    if not shell.exists():
        _create(shell, receipt, mark, homes)
        return ()
    if read_mark(shell) != mark:
        write_mark(shell, mark)
    crash.at("shell-mark")
    moved = move_intruders(layout, shell, receipt)
    fit_interpreter(shell, environment)
    link_scripts(shell / "bin", environment / "bin", homes)
    crash.at("shell-scripts")
    _write_pointer(shell, receipt)
    crash.at("shell-pointed")
    return moved


def _next_mark(found: Shell, environment: Path, *, rolled_back: bool) -> Mark:
    """Return the mark of a shell that an environment is put in force in."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if found.mark is None:
        return new_mark(environment, now, *sorted(found.pointed))
    if rolled_back:
        return found.mark.rolled_back(environment, time.time_ns())
    return found.mark.with_current(environment, now)


def _write_pointer(shell: Path, receipt: Receipt, *, sync: Sync = "content") -> None:
    pointer, line = _site_packages(shell, receipt) / POINTER, pointer_line(Path(receipt.site_packages))
    if content_of(pointer) != line:
        write_atomically(pointer, line, what="pointer", sync=sync)


def _site_packages(root: Path, receipt: Receipt) -> Path:
    folder = root / Path(receipt.site_packages).relative_to(receipt.path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _homes(layout: Layout, mark: Mark) -> set[str]:
    """Return the folders that environments of a shell lay in: more than one when the store was moved."""
    return {str(layout.envs), *(os.path.realpath(path.parent) for path in mark.environments)}


def _create(shell: Path, receipt: Receipt, mark: Mark, homes: set[str]) -> None:
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
        fit_interpreter(attempt, environment, sync="never")
        link_scripts(attempt / "bin", environment / "bin", homes)
        _write_pointer(attempt, receipt, sync="never")
        write_mark(attempt, mark, sync="never")
        crash.at("shell-attempt")
        attempt.rename(shell)
        crash.at("shell-made")
    finally:
        shutil.rmtree(attempt, ignore_errors=True)


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
