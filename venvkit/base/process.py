"""The one runner of child processes: nobody else imports subprocess.

A child gets an argv list (never a shell), no standard input, a process group of its own, a deadline and a cancel
event. Stopping goes interrupt, terminate, kill, within two seconds, and reaches the whole group.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from venvkit.base.forks import lent, starting
from venvkit.base.mask import mask
from venvkit.base.prepare import die_with, hand_on
from venvkit.base.turns import waiting
from venvkit.errors import CancelledError, MachineError

_POLL_S = 0.1
# How long the output of an ended child is read: what left its process group may write for ever.
_DRAIN_S = 1.0
# The last bytes of each stream that are kept; a tool's answer is a few hundred kilobytes.
_KEPT_BYTES = 32 << 20
# Interrupt, terminate, kill: together below the two seconds in which a cancelled build must be over.
_STEPS: tuple[tuple[signal.Signals, float], ...] = (
    (signal.SIGINT, 0.8),
    (signal.SIGTERM, 0.6),
    (signal.SIGKILL, 5.0),
)
# The status of a child whose end somebody else was told of: not a success, and none that programs use.
_LOST = 255

ProcessError = subprocess.CalledProcessError
"""The exception that callers of other installers catch; venvkit raises it only together with an error of its own."""


class Completed(Struct, frozen=True):
    """The result of a child process.

    Attributes:
        argv: Program and arguments.
        status: Exit status; negative is the number of the signal that ended the child.
        stdout: Standard output, decoded; bytes that are no UTF-8 are replaced. Of a longer one the last 32 MiB.
        stderr: Standard error, likewise.
        seconds: Time from start to end.
    """

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str
    seconds: float

    def tail(self, lines: int = 12) -> tuple[str, ...]:
        """Return the last `lines` non-empty lines of standard error, else of standard output, secrets masked."""
        text = self.stderr.strip() or self.stdout.strip()
        return tuple(mask(line) for line in text.splitlines() if line.strip())[-lines:]


class Runner(Struct, frozen=True):
    """The settings with which one call of the library runs its child processes.

    Args:
        cancel: Set by the caller to stop whatever child is running; `CancelledError` is raised.
        timeout: Default deadline of one child, in seconds.
        on_line: Receives each line a child writes to standard error, as it comes, secrets masked.
        on_start: Called when a child has been started, before it is waited for.
        logs: Folder in which readers of a failure keep the whole output of the child; empty keeps none.
        spawned: Arguments of each child that was started.
    """

    cancel: threading.Event | None = None
    timeout: float = 3600.0
    on_line: Callable[[str], None] | None = None
    on_start: Callable[[], None] | None = None
    logs: str = ""
    spawned: list[tuple[str, ...]] = field(default_factory=list)

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        timeout: float | None = None,
        keep_fds: Sequence[int] = (),
        die_with_parent: bool = False,
        stdin: int = subprocess.DEVNULL,
    ) -> Completed:
        """Run one child to its end.

        Args:
            env: The child's whole environment; None passes ours on.
            cwd: Working directory; callers name a neutral one for tools that read configuration from it.
            timeout: Deadline in seconds, else the runner's.
            keep_fds: Descriptors the child inherits (a lock that must outlive us).
            die_with_parent: On Linux, the kernel kills the child when the thread that started it ends.
            stdin: A descriptor that the child reads; by default there is nothing to read.

        Raises:
            MachineError: The program is not there or cannot be run (`no-program`), the deadline passed (`timeout`), or
                the program's exit status was lost (`status-lost`).
            CancelledError: The cancel event was set.
        """
        self.check_cancel()
        self.spawned.append(tuple(argv))
        started = time.monotonic()
        lent.update(keep_fds)
        child = None
        try:
            child = _captured(argv, env, keep_fds, die_with_parent=die_with_parent, cwd=cwd, stdin=stdin)
            if self.on_start is not None:
                self.on_start()
            out, err = self._collect(child, started + (timeout or self.timeout))
        except BaseException:
            if child is not None:
                _stop(child)
            raise
        finally:
            if child is None or child.returncode is not None:
                lent.difference_update(keep_fds)
        return Completed(tuple(argv), child.status(), out, err, time.monotonic() - started)

    def check_cancel(self) -> None:
        if self.cancel is not None and self.cancel.is_set():
            raise CancelledError(
                "cancelled; nothing of the attempt is left, and what was downloaded is kept for the next"
            )

    def _collect(self, child: _Child, deadline: float) -> tuple[str, str]:
        """Read both streams until the child has ended, also when it closes them before.

        Raises:
            MachineError: The deadline passed (`timeout`).
            CancelledError: The cancel event was set.
        """
        assert child.stdout is not None
        assert child.stderr is not None
        out, err = _Stream(None), _Stream(self.on_line)
        ended_at = None
        with selectors.DefaultSelector() as selector, child.stdout, child.stderr:
            selector.register(child.stdout, selectors.EVENT_READ, out)
            selector.register(child.stderr, selectors.EVENT_READ, err)
            while True:
                # Ask before reading: then the pipes hold all that the child wrote before its end.
                if ended_at is None and child.poll() is not None:
                    ended_at = time.monotonic()
                    _kill_group(child)
                with waiting():
                    ready = selector.select(_POLL_S if ended_at is None else 0)
                for key, _ in ready:
                    if not key.data.add(os.read(key.fd, 65536)):
                        selector.unregister(key.fileobj)
                if ended_at is not None and (not ready or time.monotonic() > ended_at + _DRAIN_S):
                    return out.text(), err.text()
                self.check_cancel()
                if time.monotonic() > deadline:
                    raise MachineError(
                        f"{_name(child.args)} did not finish in time",
                        code="timeout",
                        remedy="raise the time limit, or look whether an index or build hangs",
                    )


class _Stream:
    """The end of one stream of a child, and its lines as they come."""

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        self._bytes = bytearray()
        self._told = 0
        self._on_line = on_line

    def add(self, chunk: bytes) -> bool:
        """Take what was read; return False at the end of the stream."""
        self._bytes += chunk
        while self._on_line is not None and (end := self._bytes.find(b"\n", self._told)) >= 0:
            self._on_line(mask(self._bytes[self._told : end].decode("utf-8", "replace").rstrip()))
            self._told = end + 1
        if (excess := len(self._bytes) - _KEPT_BYTES) > _KEPT_BYTES:
            del self._bytes[:excess]
            self._told = max(0, self._told - excess)
        return bool(chunk)

    def text(self) -> str:
        return self._bytes[-_KEPT_BYTES:].decode("utf-8", "replace")


class _Child(subprocess.Popen[Any]):
    """A started program, whose exit status is not taken for success when it was lost.

    A process that ignores SIGCHLD, as daemons do, gets no statuses from the kernel, and `subprocess` gives 0 for them.

    Args:
        relayed: Where SIGCHLD is ignored, a process between us and the program waits for it and tells its status.
            The program has another pid then, and is killed with that process (on Linux).
        die_with_parent: On Linux, the kernel kills the program when the thread that started it ends.

    Raises:
        MachineError: The program is not there or cannot be run (`no-program`).
    """

    _told = -1
    _lost = False

    def __init__(
        self, argv: Sequence[str], *, relayed: bool = False, die_with_parent: bool = False, **options: Any
    ) -> None:
        self._reaping = threading.Lock()
        writer = -1
        if relayed and signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
            self._told, writer = os.pipe()
            options["preexec_fn"] = hand_on(writer, die_with_parent=die_with_parent)
        elif die_with_parent:
            options["preexec_fn"] = die_with(os.getpid())
        starting.add(threading.get_ident())
        try:
            super().__init__(list(argv), **options)
        except OSError as error:
            raise _no_program(argv[0], error) from error
        finally:
            starting.discard(threading.get_ident())
            if writer >= 0:
                os.close(writer)

    def __del__(self) -> None:
        """Close the pipe of a program that nobody waited for."""
        self._read_told()
        super().__del__()

    def poll(self) -> int | None:
        """See `subprocess.Popen.poll`; 255 for a status that was lost."""
        if self.returncode is None and self._reaping.acquire(blocking=False):
            try:
                self._reap(os.WNOHANG)
            finally:
                self._reaping.release()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """See `subprocess.Popen.wait`; 255 for a status that was lost."""
        if timeout is None:
            try:
                with self._reaping:
                    self._reap(0)
            except KeyboardInterrupt:
                # The program has got it too, and is given the time to end by itself, as by `subprocess`.
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.wait(0.25)
                raise
            return self.returncode
        deadline, pause = time.monotonic() + timeout, 0.0005
        while self.poll() is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(min(pause, left))
            pause = min(pause * 2, 0.05)
        return self.returncode

    def status(self) -> int:
        """Wait for the program and return its exit status.

        Raises:
            MachineError: It was lost (`status-lost`).
        """
        if self.wait() == _LOST and self._lost:
            raise MachineError(
                f"the exit status of {_name(self.args)} was lost: something in this process waits for all children",
                code="status-lost",
                remedy="have the program that uses venvkit wait only for the children that it started",
            )
        return self.returncode

    def _reap(self, options: int) -> None:
        if self.returncode is not None:
            return
        try:
            pid, status = os.waitpid(self.pid, options)
        except ChildProcessError:
            pid, status = self.pid, -1
        if pid == self.pid:
            told = self._read_told()
            status = told if told is not None else status
            self._lost = status < 0
            self.returncode = _LOST if self._lost else os.waitstatus_to_exitcode(status)

    def _read_told(self) -> int | None:
        """Return the wait status that the process between told, -1 when it told none; None without such a process."""
        if self._told < 0:
            return None
        reader, self._told = self._told, -1
        try:
            # A forked worker may have a copy of the other end: there may be no end of file.
            os.set_blocking(reader, False)
            return int(os.read(reader, 32) or -1)
        except BlockingIOError:
            return -1
        finally:
            os.close(reader)


def run_attached(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    capture: bool = False,
    timeout: float | None = None,
    cwd: str | os.PathLike[str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a user's command in the foreground, with our standard streams unless `capture`.

    Raises:
        MachineError: The program is not there (`no-program`), `timeout` seconds have passed (`timeout`), or the
            program's exit status was lost (`status-lost`).
    """
    pipe = subprocess.PIPE if capture else None
    child = _Child(
        argv, relayed=True, env=dict(env), stdout=pipe, stderr=pipe, cwd=cwd, encoding="utf-8", errors="replace"
    )
    with child:
        try:
            out, err = child.communicate(timeout=timeout)
        except BaseException as error:
            child.kill()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise MachineError(f"{argv[0]} did not finish in {timeout} s", code="timeout") from error
    return subprocess.CompletedProcess(list(argv), child.status(), out, err)


def start(argv: Sequence[str], *, env: Mapping[str, str], keep_fd: int = -1, **options: Any) -> subprocess.Popen[bytes]:
    """Start a user's command; `options` are those of `subprocess.Popen`, and the child inherits `keep_fd`."""
    kept = (*options.pop("pass_fds", ()), *([keep_fd] if keep_fd >= 0 else []))
    return _Child(argv, env=dict(env), pass_fds=kept, **options)


def _no_program(program: str, error: OSError) -> MachineError:
    return MachineError(f"cannot run {program}: {error.strerror or error}", code="no-program", where=program)


def _name(argv: Any) -> str:
    return os.path.basename(str(argv[0]))  # noqa: PTH119


def _captured(argv: Sequence[str], env: Mapping[str, str] | None, keep_fds: Sequence[int], **options: Any) -> _Child:
    """Start a program in a session of its own, with both of its output streams captured."""
    return _Child(
        argv,
        relayed=True,
        env=dict(env) if env is not None else None,
        pass_fds=tuple(keep_fds),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        **options,
    )


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End the child's whole process group: ask, insist, kill."""
    for number, grace in _STEPS:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)
        try:
            child.wait(grace)
        except subprocess.TimeoutExpired:
            continue
        break
    _kill_group(child)


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the process group of a child that has ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
