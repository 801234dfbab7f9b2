"""The one runner of child processes: nobody else imports subprocess.

A child gets an argv list (never a shell), no standard input, a process group of its own, a deadline and a cancel
event. Stopping goes interrupt, terminate, kill, within two seconds, and reaches the whole group.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from venvkit.base.mask import mask
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
_PR_SET_PDEATHSIG = 1

ProcessError = subprocess.CalledProcessError
"""What callers of other installers catch; venvkit raises it only together with an error of its own."""


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
    """How children are run in one call of the library.

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
            argv: Program and arguments.
            env: The child's whole environment; None passes ours on.
            cwd: Working directory; callers name a neutral one for tools that read configuration from it.
            timeout: Deadline in seconds, else the runner's.
            keep_fds: Descriptors the child inherits (a lock that must outlive us).
            die_with_parent: On Linux, the kernel kills the child when the thread that started it ends.
            stdin: A descriptor that the child reads; by default there is nothing to read.

        Raises:
            MachineError: The program is not there or cannot be run (`no-program`), or the deadline passed (`timeout`).
            CancelledError: The cancel event was set.
        """
        self.check_cancel()
        self.spawned.append(tuple(argv))
        started = time.monotonic()
        try:
            child = subprocess.Popen(
                list(argv),
                env=dict(env) if env is not None else None,
                cwd=cwd,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=tuple(keep_fds),
                start_new_session=True,
                preexec_fn=_death_signal() if die_with_parent else None,
            )
        except OSError as error:
            raise _no_program(argv[0], error) from error
        try:
            if self.on_start is not None:
                self.on_start()
            out, err = self._collect(child, started + (timeout or self.timeout))
        except BaseException:
            _stop(child)
            raise
        return Completed(tuple(argv), child.wait(), out, err, time.monotonic() - started)

    def check_cancel(self) -> None:
        if self.cancel is not None and self.cancel.is_set():
            raise CancelledError(
                "cancelled; nothing of the attempt is left, and what was downloaded is kept for the next"
            )

    def _collect(self, child: subprocess.Popen[bytes], deadline: float) -> tuple[str, str]:
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
                ready = selector.select(_POLL_S if ended_at is None else 0)
                for key, _ in ready:
                    if not key.data.add(os.read(key.fd, 65536)):
                        selector.unregister(key.fileobj)
                if ended_at is not None and (not ready or time.monotonic() > ended_at + _DRAIN_S):
                    return out.text(), err.text()
                self.check_cancel()
                if time.monotonic() > deadline:
                    raise MachineError(
                        f"{os.path.basename(str(child.args[0]))} did not finish in time",  # type: ignore[index]  # noqa: PTH119
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
        MachineError: The program is not there (`no-program`), or `timeout` seconds have passed (`timeout`).
    """
    try:
        return subprocess.run(
            list(argv),
            env=dict(env),
            capture_output=capture,
            timeout=timeout,
            cwd=cwd,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise _no_program(argv[0], error) from error
    except subprocess.TimeoutExpired as error:
        raise MachineError(f"{argv[0]} did not finish in {timeout} s", code="timeout") from error


def start(argv: Sequence[str], *, env: Mapping[str, str], keep_fd: int = -1, **options: Any) -> subprocess.Popen[bytes]:
    """Start a user's command; `options` are those of `subprocess.Popen`, and the child inherits `keep_fd`."""
    kept = (*options.pop("pass_fds", ()), *([keep_fd] if keep_fd >= 0 else []))
    try:
        return subprocess.Popen(list(argv), env=dict(env), pass_fds=kept, **options)
    except OSError as error:
        raise _no_program(argv[0], error) from error


def _no_program(program: str, error: OSError) -> MachineError:
    return MachineError(f"cannot run {program}: {error.strerror or error}", code="no-program", where=program)


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


def _death_signal() -> Callable[[], None] | None:
    """Return what makes the kernel kill a child when its parent dies, or None where there is no such thing."""
    if sys.platform != "linux":
        return None
    # Loaded before the fork: the child of a threaded parent may not take locks of the loader.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def arm() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died between fork and prctl
            os.kill(os.getpid(), signal.SIGKILL)

    return arm
