"""Writing so that a crash leaves the old content or the new, and removing so that half is never found."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from venvkit.store import crash

# Marks what a dead process may leave behind: a sweep may take everything that is named so.
TEMPORARY = ".venvkit-new-"
ASIDE = ".venvkit-old-"
_ATTEMPTS = 5


def write_atomically(path: Path, content: bytes, *, what: str) -> None:
    """Replace `path` with `content`: temporary file beside it, fsync, rename, fsync of the folder.

    Args:
        what: Names the file in the crash points `<what>-written` and `<what>-replaced`.
    """
    for attempt in range(_ATTEMPTS):
        try:
            _replace(path, content, what)
            break
        except FileNotFoundError:
            # A sweep took the temporary file for a dead writer's, or an empty folder was removed: write it again.
            if attempt == _ATTEMPTS - 1:
                raise
            path.parent.mkdir(parents=True, exist_ok=True)
    crash.at(f"{what}-replaced")
    sync_folder(path.parent)


def _replace(path: Path, content: bytes, what: str) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f"{TEMPORARY}{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fchmod(out.fileno(), 0o644)
            os.fsync(out.fileno())
        crash.at(f"{what}-written")
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_tree(path: Path) -> None:
    """Remove a directory: first renamed aside, so that nobody finds half of it, then deleted."""
    aside = move_aside(path)
    crash.at("tree-aside")
    if aside is not None:
        delete(aside)


def move_aside(path: Path) -> Path | None:
    """Rename a directory to a name that a sweep may take, and return that; None when there is nothing."""
    for number in range(1000):
        aside = path.with_name(f"{ASIDE}{os.getpid()}-{number}-{path.name}")
        if os.path.lexists(aside):
            continue
        try:
            path.rename(aside)
        except FileNotFoundError:
            return None
        return aside
    raise FileExistsError(17, "too many leftovers beside it; `venvkit gc` sweeps them", str(path))


def delete(path: Path) -> None:
    """Delete what was moved aside, file or directory; what resists is left to the next sweep."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        path.unlink()
