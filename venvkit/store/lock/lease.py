"""Leases: a shared kernel lock on an environment's lease file, which keeps removal and collection away.

Every interpreter that starts from an environment takes one itself (see `store.env.child`). This process takes one for
the environments that it was given: one descriptor for each, shared by all handles of it. The exclusive lock on the
same file is the question whether anybody has a lease.

The warm path imports this module: text paths, and few imports.
"""

from __future__ import annotations

# ruff: noqa: PTH103, PTH110, PTH116, PTH120, PTH208
import contextlib
import errno
import fcntl
import os
import time
from _thread import allocate_lock
from _weakref import ref

from venvkit.base.forks import close_in_children

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Path = str | os.PathLike[str]

# Not empty, because an interpreter maps it: the mapping keeps the lock when a daemon closes all its descriptors.
_CONTENT = b"\n"
# Whoever may start the environment may tell that it was used: that needs the right to write the lease file.
_MODE = 0o666
# A filesystem that has no `flock`: nobody can have a lease there.
_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
# The question whether there is a lease takes microseconds: who meets it asks again, for a twentieth of a second.
_PAUSES = (0.00005, 0.0002, 0.002, 0.008, 0.04)
_TOUCH_S = 3600.0


class _Lock:
    """This process's lock on one lease file; it ends with the last lease that refers to it."""

    __slots__ = ("__weakref__", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd


class _Open(ref[_Lock]):
    """The open lease file of a lock. Closed by a callback, since a lock may be found again while a finalizer runs."""

    __slots__ = ("fd", "inode", "path")

    fd: int
    inode: int
    path: str

    def links(self) -> int:
        """Return under how many names the file is there; -1 when the program has closed the descriptor."""
        try:
            found = os.fstat(self.fd)
        except OSError:
            return -1
        return found.st_nlink if found.st_ino == self.inode else -1


_by_path: dict[str, _Open] = {}
_by_fd: dict[int, _Open] = {}
_opening = allocate_lock()


class Lease:
    """A share in this process's lock on an environment: neither removed nor collected until the last one is closed.

    Args:
        path: The lease file, made when it is missing; None leases nothing.

    Raises:
        OSError: The lease file cannot be made or locked.
    """

    __slots__ = ("_lock",)

    def __init__(self, path: Path | None, _lock: _Lock | None = None) -> None:
        self._lock = _take(os.fspath(path)) if path is not None else _lock

    @property
    def fd(self) -> int:
        """The descriptor; -1 when there is none, and in a forked child, which has closed its copy."""
        return self._lock.fd if self._lock is not None else -1

    def close(self) -> None:
        """Give up this share; closing twice is no fault."""
        self._lock = None

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def share(path: str) -> Lease | None:
    """Return a lease without making the lease file: for the warm path.

    Returns:
        None when the lease file is missing, so that the environment may be gone, or cannot be locked now.
    """
    lock = _held(path)
    if lock is None:
        with _opening:
            lock = _held(path) or _register(path, open_alone(path))
    return Lease(None, lock) if lock is not None else None


def open_alone(path: Path) -> int:
    """Open and lock a lease file for another process, which inherits the descriptor; -1 where that cannot be."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1
    try:
        for pause in _PAUSES:
            if _try(fd, fcntl.LOCK_SH):
                return fd
            time.sleep(pause)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return fd
    os.close(fd)
    return -1


def _held(path: str) -> _Lock | None:
    """Return this process's lock of a lease file, unless the file was deleted since."""
    entry = _by_path.get(path)
    lock = entry() if entry is not None else None
    return lock if lock is not None and entry is not None and entry.links() > 0 else None


def _register(path: str, fd: int) -> _Lock | None:
    if fd < 0:
        return None
    lock = _Lock(fd)
    entry = _Open(lock, _end)
    entry.fd, entry.inode, entry.path = fd, os.fstat(fd).st_ino, path
    _by_path[path] = _by_fd[fd] = entry
    return lock


def _end(entry: _Open) -> None:
    """Close the lease file of a lock that nobody refers to any more."""
    if _by_path.get(entry.path) is entry:
        del _by_path[entry.path]
    if _by_fd.pop(entry.fd, None) is entry and entry.links() >= 0:
        _touch(entry.fd)
        with contextlib.suppress(OSError):
            # A copy that a process forked by foreign code has does not keep the lock.
            fcntl.flock(entry.fd, fcntl.LOCK_UN)
        os.close(entry.fd)


def _close_copies() -> None:
    """Forget, in a forked child, what its parent leases."""
    global _opening
    _opening = allocate_lock()  # another thread of the parent may have held it
    for entry in _by_fd.values():
        if entry.links() >= 0:
            os.close(entry.fd)
        lock = entry()
        if lock is not None:
            lock.fd = -1
    _by_path.clear()
    _by_fd.clear()


close_in_children(_close_copies)


def _take(path: str) -> _Lock:
    while True:
        lock = _held(path)
        if lock is not None:
            return lock
        fd = _open(path)
        try:
            # Waits for a collection that looks at the environment.
            _lock_shared(fd)
        except BaseException:
            os.close(fd)
            raise
        with _opening:
            lock = _held(path)
            # A collection may have removed the file meanwhile: a lock on what is gone protects nothing.
            if lock is None and _is_at(fd, path):
                lock, fd = _register(path, fd), -1
        if fd >= 0:
            os.close(fd)
        if lock is not None:
            return lock


def _open(path: str) -> int:
    """Open a lease file, making it where there is none and the store can be written."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        os.pwrite(fd, _CONTENT, 0)
    if os.fstat(fd).st_mode & _MODE != _MODE:
        with contextlib.suppress(OSError):  # another user's
            os.fchmod(fd, _MODE)
    return fd


def _lock_shared(fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
    except OSError as error:
        if error.errno not in (*_NO_LOCKS, errno.ENOLCK):
            raise


def _is_at(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def _touch(fd: int) -> None:
    """Note, at most hourly, that the environment of a lease file is used now."""
    with contextlib.suppress(OSError):
        if time.time() - os.fstat(fd).st_mtime > _TOUCH_S:
            os.utime(fd)


@contextlib.contextmanager
def exclusive(path: Path, *, soft: bool = False) -> Iterator[bool]:
    """Try to hold a lease file alone for the block; yields False when some process leases it, or may do so.

    Keep the block short: an interpreter that starts meanwhile waits.

    Args:
        soft: The store is on a filesystem without kernel locks: nobody can have a lease, and the caller asks /proc.
    """
    fd = _open_to_ask(os.fspath(path))
    try:
        yield _is_alone(fd, soft=soft)
    finally:
        os.close(fd)


def _open_to_ask(path: str) -> int:
    """Open a lease file for an exclusive lock; NFS gives that for a file open for writing alone."""
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT):
            raise
    return _open(path)


def _is_alone(fd: int, *, soft: bool) -> bool:
    shared = 0
    for pause in _PAUSES:
        try:
            if _try(fd, fcntl.LOCK_EX):
                return True
            # Shared by others and by nobody alone: a lease, or others who ask at the same moment, but not three times.
            if _try(fd, fcntl.LOCK_SH):
                if _try(fd, fcntl.LOCK_EX):
                    return True
                shared += 1
        except OSError as error:
            return soft or error.errno in _NO_LOCKS
        if shared == 3:
            _touch(fd)
            return False
        time.sleep(pause)
    return False


def _try(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def in_use(path: Path, *, soft: bool = False) -> bool:
    """Tell whether some process leases the environment of this lease file; what is in use now was used now."""
    if not os.path.exists(path):
        return False
    try:
        with exclusive(path, soft=soft) as alone:
            return not alone
    except OSError:
        return True


def touch(path: Path) -> None:
    """Note a use of an environment, on its lease file; another user's file may refuse that."""
    with contextlib.suppress(OSError):
        os.utime(path)


def last_use(path: Path) -> float:
    """Return when an environment was last put in force, or known to be in use, the latter to the hour.

    In seconds since the epoch; 0.0: never.
    """
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def holders(path: Path) -> tuple[int, ...]:
    """Return the pids that hold the lease, for a message; empty where /proc cannot tell."""
    try:
        wanted = os.stat(path)
        processes = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return ()
    mapped = os.fsencode(path)
    found = []
    for process in processes:
        with contextlib.suppress(OSError):
            folder = f"/proc/{process}/fd"
            if any(_is(f"{folder}/{fd}", wanted) for fd in os.listdir(folder)) or _maps(process, mapped):
                found.append(int(process))
    return tuple(sorted(found))


def _is(entry: str, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(entry), wanted)
    except OSError:
        return False


def _maps(process: str, path: bytes) -> bool:
    with open(f"/proc/{process}/maps", "rb") as maps:  # noqa: PTH123
        return path in maps.read()
