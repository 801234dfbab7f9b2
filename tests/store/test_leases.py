"""Leases of this process and of others: who has one, who is asked, and what a fork, a deletion or NFS change."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from venvkit.store.lock.flock import attempt, hold
from venvkit.store.lock.lease import Lease, exclusive, holders, in_use, last_use, share

ASK = """
import sys
from venvkit.store.lock.lease import in_use
sys.exit(in_use(sys.argv[1]))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "locks" / "x.lease"


def leased(path: Path) -> bool:
    """Ask in another process, which has no part in the leases of this one."""
    return bool(subprocess.run([sys.executable, "-c", ASK, path], check=False).returncode)


def descriptors(path: Path) -> int:
    """Return how many descriptors of this process are open on a file."""
    return sum(_is(f"/proc/self/fd/{fd}", path) for fd in os.listdir("/proc/self/fd"))  # noqa: PTH208


def _is(entry: str, path: Path) -> bool:
    try:
        return path.samefile(entry)
    except OSError:
        return False


def in_fork(work: Callable[[], object]) -> Iterator[bytes]:
    """Fork a worker that does `work`, tells its result, and lives until the generator goes on."""
    reader, writer = os.pipe()
    go, wait = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(wait)
        try:
            os.write(writer, repr(work()).encode())
            os.read(go, 1)
        finally:
            os._exit(0)
    os.close(go)
    yield os.read(reader, 1000)
    os.close(wait)
    os.waitpid(pid, 0)
    os.close(reader)
    os.close(writer)


def test_one_descriptor_is_shared_and_ends_with_the_last_lease(path: Path) -> None:
    many = [Lease(path), *(share(str(path)) for _ in range(2000))]
    assert descriptors(path) == 1
    assert leased(path)
    for item in many[1:]:
        assert item is not None
        item.close()
    assert leased(path)
    many[0].close()  # type: ignore[union-attr]
    assert descriptors(path) == 0
    assert not leased(path)


def test_the_last_reference_ends_a_lease(path: Path) -> None:
    item = Lease(path)
    assert leased(path)
    del item
    assert not leased(path)


def test_a_missing_lease_file_is_made_by_the_cold_way_alone(path: Path) -> None:
    assert share(str(path)) is None
    assert not path.exists()
    first = Lease(path)
    path.unlink()
    assert share(str(path)) is None, "a lock on a deleted file protects nothing"
    assert not path.exists()
    second = Lease(path)
    assert leased(path)
    first.close()
    assert leased(path)
    second.close()
    assert not leased(path)


def test_threads_share_one_descriptor(path: Path) -> None:
    Lease(path).close()
    for _ in range(50):
        found: list[Lease | None] = []
        start = threading.Barrier(8)

        def work(found: list[Lease | None] = found, start: threading.Barrier = start) -> None:
            start.wait()
            found.append(share(str(path)))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 8
        assert descriptors(path) == 1
        found.clear()
        assert descriptors(path) == 0


def test_a_forked_worker_neither_keeps_nor_ends_a_lease(path: Path) -> None:
    mine = Lease(path)
    worker = in_fork(lambda: (mine.fd, descriptors(path), mine.close()))
    assert next(worker) == b"(-1, 0, None)"
    assert leased(path), "the worker's end of it is not ours"
    mine.close()
    assert not leased(path), "the worker has no copy"
    next(worker, None)


def test_a_forked_worker_takes_a_lease_of_its_own(path: Path) -> None:
    mine = Lease(path)
    kept: list[object] = []
    worker = in_fork(lambda: kept.append(share(str(path))) or descriptors(path))
    assert next(worker) == b"1"
    mine.close()
    assert leased(path)
    next(worker, None)
    assert not leased(path)


@pytest.mark.parametrize("soft", [False, True])
def test_a_forked_worker_has_no_part_in_a_lock(tmp_path: Path, soft: bool) -> None:
    lock = tmp_path / "x.lock"
    with hold(lock, what="it", soft=soft) as held:
        worker = in_fork(lambda: "up")
        next(worker)
        leaver = in_fork(lambda: held)
        next(leaver)
        next(leaver, None)
        with attempt(lock, soft=soft) as other:
            assert other is None, "a worker's end released its parent's lock"
    with attempt(lock, soft=soft) as mine:
        assert mine is not None, "the worker keeps its parent's lock"
    next(worker, None)


def test_a_worker_that_leaves_the_block_releases_nothing(tmp_path: Path) -> None:
    lock = tmp_path / "x.lock"
    with hold(lock, what="it"):
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
            with attempt(lock) as other:
                assert other is None
    if not pid:
        os._exit(0)
    assert lock.exists()


def test_a_copy_of_foreign_code_does_not_keep_a_lock(tmp_path: Path) -> None:
    """A process that C code forks runs no hooks of Python's: a duplicate of the descriptor stands for its copy."""
    lock = tmp_path / "x.lock"
    with hold(lock, what="it") as held:
        copy = os.dup(held.fd)
    with attempt(lock) as mine:
        assert mine is not None
    os.close(copy)


def test_the_question_is_asked_of_a_file_open_for_writing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As NFS does: an exclusive lock needs a descriptor that may write, a shared one a descriptor that may read."""
    real = fcntl.flock

    def flock(fd: int, kind: int) -> None:
        mode = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
        if (kind & fcntl.LOCK_EX and mode == os.O_RDONLY) or (kind & fcntl.LOCK_SH and mode == os.O_WRONLY):
            raise OSError(errno.EBADF, "Bad file descriptor")
        real(fd, kind)

    monkeypatch.setattr(fcntl, "flock", flock)
    with Lease(path):
        assert in_use(path)
    assert not in_use(path)
    with exclusive(path) as alone:
        assert alone


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOLCK, errno.EBADF, errno.EINVAL])
def test_an_answer_that_is_not_understood_means_in_use(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    Lease(path).close()

    def flock(fd: int, kind: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    assert in_use(path)
    with exclusive(path) as alone:
        assert not alone
    with exclusive(path, soft=True) as alone:
        assert alone, "with soft locks nobody has a lease: the caller asks /proc"


def test_two_questions_at_once_do_not_take_each_other_for_a_lease(path: Path) -> None:
    Lease(path).close()
    os.utime(path, (1e9, 1e9))
    many = ASK.replace("in_use(sys.argv[1])", "any(in_use(sys.argv[1]) for _ in range(500))")
    askers = [subprocess.Popen([sys.executable, "-c", many, path]) for _ in range(3)]
    assert [asker.wait() for asker in askers] == [0, 0, 0]
    assert last_use(path) == 1e9


def test_what_is_found_in_use_was_used_now(path: Path) -> None:
    with Lease(path):
        os.utime(path, (1e9, 1e9))
        assert in_use(path)
        assert time.time() - last_use(path) < 60


def test_the_end_of_a_lease_is_its_last_use(path: Path) -> None:
    with Lease(path):
        os.utime(path, (1e9, 1e9))
    assert time.time() - last_use(path) < 60


def test_every_user_may_tell_that_it_uses(path: Path) -> None:
    former = os.umask(0o077)
    try:
        Lease(path).close()
    finally:
        os.umask(former)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    path.chmod(0o644)  # as version 0.1 made it
    Lease(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o666


def test_holders_are_named(path: Path) -> None:
    with Lease(path):
        assert holders(path) == (os.getpid(),)
    assert holders(path) == ()


def test_a_program_that_closes_all_descriptors_harms_no_file(path: Path, tmp_path: Path) -> None:
    """A daemon closes what it does not know, and then opens files of its own under the same numbers."""
    mine = Lease(path)
    fd = mine.fd
    os.close(fd)
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    assert other == fd
    again = share(str(path))
    assert again is not None and again.fd != fd
    assert leased(path)
    mine.close()
    os.fstat(other)
    os.close(other)
    again.close()
    assert not leased(path)
