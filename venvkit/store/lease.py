"""Leases: a shared kernel lock on an environment's lease file, for as long as a process lives.

Every interpreter that starts from an environment takes one itself (see `store.child`); these functions are for the
rest: holding one across the gap before a child is up, asking whether one is held, and naming who holds it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


class Lease:
    """A shared lock on an environment; release it by `close` or as a context manager. None as path leases nothing."""

    __slots__ = ("_fd",)

    def __init__(self, path: Path | None) -> None:
        self._fd = -1
        if path is not None:
            self._fd = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
            fcntl.flock(self._fd, fcntl.LOCK_SH)

    @property
    def fd(self) -> int:
        """The descriptor, for a child that is to inherit the lease; -1 when there is none."""
        return self._fd

    def close(self) -> None:
        """Let go; closing twice is no fault."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[bool]:
    """Try to hold a lease file alone for the block; yields False when some process leases it."""
    fd = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(fd)


def in_use(path: Path) -> bool:
    """Tell whether some process leases the environment of this lease file."""
    if not path.exists():
        return False
    with exclusive(path) as alone:
        return not alone


def holders(path: Path) -> tuple[int, ...]:
    """Return the pids that hold the lease open, for a message; empty where /proc cannot tell."""
    try:
        wanted = path.stat()
    except OSError:
        return ()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(_is(entry, wanted) for entry in (process / "fd").iterdir()):
                found.append(int(process.name))
    return tuple(sorted(found))


def _is(entry: Path, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(entry.stat(), wanted)
    except OSError:
        return False
