"""Writing so that a crash leaves the old content or the new, and removing so that half is never found."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Literal, TypeAlias

from venvkit.base import crash

# Marks what a dead process may leave behind: a sweep may take everything that is named so.
TEMPORARY = ".venvkit-new-"
ASIDE = ".venvkit-old-"
_ATTEMPTS = 5
Sync: TypeAlias = Literal["never", "content", "folder"]

_numbers = count()


def write_atomically(path: Path, content: bytes, *, what: str, sync: Sync = "content") -> None:
    """Replace `path` with `content`: written beside it, synced, renamed.

    Args:
        what: Names the file in the crash points `<what>-written` and `<what>-replaced`.
        sync: What a power cut shall leave, since a crash of the process leaves the old content or the new in any case.
            `folder`: that as well, and once this returns the new. `content`: the old or the new. `never`: perhaps an
            empty file, for what is found out and made again. A sync of a folder takes several milliseconds.
    """
    for attempt in range(_ATTEMPTS):
        try:
            _replace(path, content, what, sync=sync != "never")
            break
        except FileNotFoundError:
            # A sweep took the temporary file for a dead writer's, or an empty folder was removed: write it again.
            if attempt == _ATTEMPTS - 1:
                raise
            path.parent.mkdir(parents=True, exist_ok=True)
    crash.at(f"{what}-replaced")
    if sync == "folder":
        _sync_folder(path.parent)


def _replace(path: Path, content: bytes, what: str, *, sync: bool) -> None:
    descriptor, name = _temporary(path)
    try:
        with open(descriptor, "wb") as out:  # noqa: PTH123 - it is open already
            out.write(content)
            out.flush()
            if sync:
                os.fsync(descriptor)
        crash.at(f"{what}-written")
        os.replace(name, path)  # noqa: PTH105 - text, as it was opened by
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108
        raise


def _temporary(path: Path) -> tuple[int, str]:
    """Open a new file beside `path`, for the owner to write and for all to read."""
    stem = f"{path.parent}/{TEMPORARY}{path.name}.{os.getpid()}"
    while True:
        name = f"{stem}-{next(_numbers)}"
        try:
            descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError:  # of a dead process that had our number
            continue
        os.fchmod(descriptor, 0o644)
        return descriptor, name


def exists(path: str | Path) -> bool:
    """Tell whether something is at `path`; never so at a path that cannot be, such as one with too long a name."""
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises there


def listed(folder: str | Path) -> list[str]:
    """Return the paths of a folder's entries, sorted; none where there is no folder. A store has thousands of them."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries)
    except OSError:
        return []


def _sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def made_once(place: Path, mark: str) -> Iterator[Path]:
    """Yield a new folder to fill, which gets the name `place` when the block ends.

    Where another process was first, its folder, which holds an entry `mark` too, stays.
    """
    import tempfile

    place.parent.mkdir(parents=True, exist_ok=True)
    attempt = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        yield attempt
        try:
            attempt.rename(place)
        except OSError:
            if not (place / mark).exists():
                raise
    finally:
        shutil.rmtree(attempt, ignore_errors=True)


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
