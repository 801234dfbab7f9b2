"""Writing so that a crash leaves the old content or the new, and removing so that half is never found."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` with `content`: temporary file beside it, fsync, rename, fsync of the folder."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
            os.fchmod(out.fileno(), 0o644)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_tree(path: Path) -> None:
    """Remove a directory: first renamed aside, so that nobody finds half of it, then deleted."""
    if not os.path.lexists(path):
        return
    aside = path.with_name(f".removed-{os.getpid()}-{path.name}")
    number = 0
    while os.path.lexists(aside):
        number += 1
        aside = path.with_name(f".removed-{os.getpid()}-{number}-{path.name}")
    path.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)
