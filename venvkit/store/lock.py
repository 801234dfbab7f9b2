"""Exclusive locks between threads and processes, held by the kernel: they end with their last holder.

`fcntl.flock` and not `lockf`: its lock belongs to the open file, so an installer that inherits the descriptor keeps
the lock when its parent is killed, and two threads of one process exclude each other.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from venvkit.errors import CancelledError
from venvkit.events import Observer, Waiting, ignore

_POLL_S = 0.02
_REPORT_S = 1.0


@dataclass(slots=True)
class HeldLock:
    """A lock that this thread holds.

    Args:
        fd: Its descriptor; a child that inherits it keeps the lock.
        discard: Remove the lock's file on release: nothing came of what it guarded.
        waited: Whether somebody else held it first, seconds.
    """

    path: Path
    fd: int
    waited: float = 0.0
    discard: bool = False


@contextlib.contextmanager
def hold(
    path: Path, *, what: str, observer: Observer = ignore, cancel: threading.Event | None = None
) -> Iterator[HeldLock]:
    """Hold the exclusive lock `path` for the block; waiting is told to `observer` about once a second.

    Raises:
        CancelledError: `cancel` was set while waiting.
    """
    lock = _acquire(path, what, observer, cancel)
    try:
        yield lock
    except BaseException:
        lock.discard = True
        raise
    finally:
        if lock.discard:
            with contextlib.suppress(OSError):
                path.unlink()
        os.close(lock.fd)


def _acquire(path: Path, what: str, observer: Observer, cancel: threading.Event | None) -> HeldLock:
    started = reported = time.monotonic()
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            while not _try(fd):
                if cancel is not None and cancel.is_set():
                    raise CancelledError(f"cancelled while waiting for {what}")
                now = time.monotonic()
                if now - reported >= _REPORT_S:
                    reported = now
                    observer(Waiting(what, now - started))
                time.sleep(_POLL_S)
            # Its last holder may have removed the file that we waited on: then this lock guards nothing.
            if _same_file(fd, path):
                return HeldLock(path, fd, time.monotonic() - started)
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _same_file(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False
