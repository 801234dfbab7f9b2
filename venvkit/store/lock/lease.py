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

from venvkit.base.files import exists

# Not empty, because an interpreter maps it: the mapping keeps the lock when a daemon closes all its descriptors.
_CONTENT = b"\n"


class Lease:
    """A shared lock on an environment; release it by `close` or as a context manager. None as path leases nothing."""

    __slots__ = ("_fd",)

    def __init__(self, path: Path | None) -> None:
        self._fd = -1
        while path is not None and self._fd < 0:
            fd = _open(path)
            try:
                fcntl.flock(fd, fcntl.LOCK_SH)
            except OSError:
                # A filesystem without locks: nothing can be leased there, and nothing is collected by leases.
                os.close(fd)
                return
            # A collection may have removed the file between the two: a lock on what is gone protects nothing.
            if _same(fd, path):
                self._fd = fd
            else:
                os.close(fd)

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


def _open(path: Path) -> int:
    """Open a lease file, making it where there is none and the store can be written."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        os.pwrite(fd, _CONTENT, 0)
        return fd


def _same(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[bool]:
    """Try to hold a lease file alone for the block; yields False when some process leases it.

    Keep the block short: an interpreter that starts meanwhile waits for a few milliseconds, then goes without.
    """
    fd = _open(path)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:
            # No locks here, so nobody can hold one; the caller asks /proc as well.
            pass
        yield True
    finally:
        os.close(fd)


def in_use(path: Path) -> bool:
    """Tell whether some process leases the environment of this lease file."""
    if not exists(path):
        return False
    try:
        with exclusive(path) as alone:
            return not alone
    except OSError:
        return True


def touch(path: Path) -> None:
    """Note a use of an environment, on its lease file; another user's file may refuse that."""
    with contextlib.suppress(OSError):
        os.utime(path)


def last_use(path: Path) -> float:
    """Return when an environment was last put in force, or a process last started from it, the latter to the hour.

    In seconds since the epoch; 0.0: never.
    """
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def holders(path: Path) -> tuple[int, ...]:
    """Return the pids that hold the lease, for a message; empty where /proc cannot tell."""
    try:
        wanted = path.stat()
    except OSError:
        return ()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(_is(entry, wanted) for entry in (process / "fd").iterdir()) or _maps(process, path):
                found.append(int(process.name))
    return tuple(sorted(found))


def _is(entry: Path, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(entry.stat(), wanted)
    except OSError:
        return False


def _maps(process: Path, path: Path) -> bool:
    return os.fsencode(path) in (process / "maps").read_bytes()
