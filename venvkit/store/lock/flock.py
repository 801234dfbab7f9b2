"""Exclusive locks between threads and processes.

By default the kernel holds them (`flock`): they end with their last holder. `flock` and not `lockf`, because its lock
belongs to the open file, so that an installer that inherits the descriptor keeps the lock when its parent is killed,
and two threads of one process exclude each other. Soft locks are for filesystems that have no `flock`: the lock is
that a file exists (see `docs/store.md` for what they cannot promise).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from venvkit.base.forks import close_in_children, lent
from venvkit.base.turns import waiting
from venvkit.errors import CancelledError, MachineError
from venvkit.events import Observer, Waiting, ignore

_POLL_S = 0.01
# A waiter must notice within a second that its builder died; polling faster would take the builder's processor.
_POLL_MOST_S = 0.25
_REPORT_S = 1.0


class HeldLock(Struct):
    """A lock that this thread holds.

    Args:
        fd: Its descriptor; a child that inherits it keeps the lock. -1 for a soft lock.
        waited: Seconds for which somebody else held it first; 0.0 when nobody did.
        discard: Remove the lock's file on release: nothing came of what it guarded.
    """

    path: Path
    fd: int
    waited: float = 0.0
    discard: bool = False

    @property
    def keep_fds(self) -> tuple[int, ...]:
        """What a child that writes under this lock must inherit."""
        return (self.fd,) if self.fd >= 0 else ()


class _Grip(Protocol):
    fd: int

    def release(self, *, discard: bool) -> None: ...


@contextlib.contextmanager
def hold(
    path: Path,
    *,
    what: str,
    observer: Observer = ignore,
    cancel: threading.Event | None = None,
    soft: bool = False,
) -> Iterator[HeldLock]:
    """Hold the exclusive lock `path` for the block; waiting is told to `observer` about once a second.

    Raises:
        CancelledError: `cancel` was set while waiting.
        MachineError: The filesystem has no such locks (`no-locks`).
    """
    with hold_any([path], what=what, observer=observer, cancel=cancel, soft=soft) as lock:
        yield lock


@contextlib.contextmanager
def hold_any(
    paths: Sequence[Path],
    *,
    what: str,
    observer: Observer = ignore,
    cancel: threading.Event | None = None,
    soft: bool = False,
) -> Iterator[HeldLock]:
    """Hold whichever of several locks is free first: slots for a bounded number of holders. Raises as `hold`."""
    path, grip, waited = _wait(paths, what, observer, cancel, soft)
    lock = HeldLock(path, grip.fd, waited)
    try:
        yield lock
    except BaseException:
        lock.discard = True
        raise
    finally:
        grip.release(discard=lock.discard)


@contextlib.contextmanager
def attempt(path: Path, *, soft: bool = False) -> Iterator[HeldLock | None]:
    """Hold a lock for the block if nobody holds it now; yields None when somebody does."""
    grip = _grip(path, soft)
    if grip is None:
        yield None
        return
    lock = HeldLock(path, grip.fd)
    try:
        yield lock
    finally:
        grip.release(discard=lock.discard)


def _wait(
    paths: Sequence[Path], what: str, observer: Observer, cancel: threading.Event | None, soft: bool
) -> tuple[Path, _Grip, float]:
    started = reported = time.monotonic()
    pause = _POLL_S
    waited = 0.0
    while True:
        for path in paths:
            grip = _grip(path, soft)
            if grip is not None:
                return path, grip, waited
        if cancel is not None and cancel.is_set():
            raise CancelledError(f"cancelled while waiting for {what}")
        now = time.monotonic()
        if now - reported >= _REPORT_S:
            reported = now
            observer(Waiting(f"{what}{_holder(paths)}", now - started))
        # Uneven, so that many who wait do not all wake at once.
        with waiting():
            time.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(pause * 1.5, _POLL_MOST_S)
        waited = time.monotonic() - started


def _holder(paths: Sequence[Path]) -> str:
    """Return who holds what is waited for, as far as the lock's file tells: the end of a message."""
    if len(paths) > 1:
        return ""
    try:
        pid = paths[0].read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return ""
    return f" (held by pid {pid[0]})" if pid and pid[0].isdigit() else ""


def _grip(path: Path, soft: bool) -> _Grip | None:
    try:
        return _soft(path) if soft else _flock(path)
    except FileNotFoundError:
        # Somebody whose request was refused has just removed the store's empty folders.
        path.parent.mkdir(parents=True, exist_ok=True)
        return None


class _FlockGrip(Struct):
    path: Path
    fd: int

    def release(self, *, discard: bool) -> None:
        if _held.pop(self.fd, None) is not self:  # a forked child, which has closed its copy
            return
        with contextlib.suppress(OSError):
            if discard:
                self.path.unlink()
            else:
                os.ftruncate(self.fd, 0)
            # A copy that a process forked by foreign code has does not keep the lock, and that of an installer does.
            if self.fd not in lent:
                fcntl.flock(self.fd, fcntl.LOCK_UN)
        os.close(self.fd)


_held: dict[int, _FlockGrip] = {}


def _close_copies() -> None:
    """Close, in a forked child, the locks of its parent."""
    for fd in _held:
        with contextlib.suppress(OSError):
            os.close(fd)
    _held.clear()


close_in_children(_close_copies)


def _flock(path: Path) -> _FlockGrip | None:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its last holder may have removed the file that we opened: then this lock guards nothing.
        if os.path.samestat(os.fstat(fd), path.stat()):
            with contextlib.suppress(OSError):
                os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
            _held[fd] = grip = _FlockGrip(path, fd)
            return grip
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError as error:
        os.close(fd)
        raise MachineError(
            f"this filesystem has no locks: {error.strerror}",
            code="no-locks",
            where=str(path),
            remedy="set VENVKIT_LOCK=soft, or put XINFERENCE_HOME on a local filesystem",
        ) from error
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


class _SoftGrip(Struct):
    lock: _SoftLock
    pid: int
    fd: int = -1

    def release(self, *, discard: bool) -> None:  # noqa: ARG002 - a soft lock's file always goes
        if self.pid == os.getpid():  # not in a forked child
            self.lock.release()


class _SoftLock(Protocol):
    def release(self) -> None: ...


def _soft(path: Path) -> _SoftGrip | None:
    from filelock import SoftFileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    # Not shared between threads: each of ours is a holder of its own.
    lock = SoftFileLock(f"{path}.soft", thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return _SoftGrip(lock, os.getpid())
