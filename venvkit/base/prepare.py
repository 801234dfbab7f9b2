"""Steps of a forked child before it executes another program.

Functions for `preexec_fn` of `subprocess`. The child of a threaded parent may not take the loader's locks: libraries
are loaded, and modules imported, before the fork.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> Callable[[], None]:
    """Return a function that has the kernel kill a child when the thread that forked it ends; outside Linux a no-op.

    Args:
        parent: The pid of the process that forks.
    """
    arm = _death_signal()
    return lambda: arm(parent)


def hand_on(writer: int, *, die_with_parent: bool) -> Callable[[], None]:
    """Return a function that splits a child: one half becomes the program, the other waits and tells its wait status.

    Args:
        writer: The descriptor that the wait status is written to, in digits.
        die_with_parent: See `die_with`; the program is killed with the process that waits in any case.
    """
    parent, arm = os.getpid(), _death_signal()

    def split() -> None:
        if die_with_parent:
            arm(parent)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        waiting = os.getpid()
        pid = os.fork()
        if pid == 0:
            arm(waiting)
        else:
            _wait_and_tell(pid, writer)

    return split


def _wait_and_tell(pid: int, writer: int) -> None:
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        # The program has copies of them all, and who reads from it waits for their end.
        for descriptor in map(int, os.listdir("/dev/fd")):  # noqa: PTH208
            if descriptor != writer:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        os.write(writer, str(os.waitpid(pid, 0)[1]).encode())
    finally:
        os._exit(0)


def _death_signal() -> Callable[[int], None]:
    if sys.platform != "linux":
        return lambda _parent: None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def arm(parent: int) -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died between fork and prctl
            os.kill(os.getpid(), signal.SIGKILL)

    return arm
