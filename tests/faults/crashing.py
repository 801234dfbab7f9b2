"""The test build's side of `venvkit.base.crash`: die by SIGKILL at a named point, in a process of one's own.

    VENVKIT_CRASH_AT=receipt-written python -m tests.faults.crashing build spec.json

runs the command line and kills it there.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from venvkit.base import crash


def kill_at(wanted: str) -> Callable[[str], None]:
    """Return what to put in the place of `crash.at`."""
    assert wanted in crash.POINTS, wanted

    def at(point: str) -> None:
        assert point in crash.POINTS, point
        if point == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    return at


def dies(point: str, work: Callable[[], object]) -> bool:
    """Do `work` in a fork that is killed at `point`; tells whether the point was reached."""
    pid = os.fork()
    if pid == 0:
        crash.at = kill_at(point)
        try:
            work()
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def main() -> None:
    """Run the command line, to be killed at VENVKIT_CRASH_AT."""
    from venvkit.__main__ import main as command_line

    if point := os.environ.get("VENVKIT_CRASH_AT"):
        crash.at = kill_at(point)
    sys.exit(command_line())


if __name__ == "__main__":
    main()
