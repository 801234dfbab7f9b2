"""Ctrl-C and other requests to end: the first asks for an orderly end, the second insists; a child gets them.

SIGHUP (the terminal is gone) and SIGQUIT (Ctrl-\\) are such requests as well as SIGINT and SIGTERM.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Protocol

Handler = Callable[[int, FrameType | None], None]
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Child(Protocol):
    """A running process, as far as it is waited for."""

    def send_signal(self, sig: int, /) -> None: ...

    def wait(self) -> int: ...


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Have each request to end raise KeyboardInterrupt in the block, and children tell how they ended."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handling(dict.fromkeys(_ENDING, interrupt)):
        if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN and _in_main_thread():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        yield


@contextlib.contextmanager
def cancellable() -> Iterator[threading.Event]:
    """Yield an event that the first request to end sets; the second raises KeyboardInterrupt."""
    cancel = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        if cancel.is_set():
            raise KeyboardInterrupt
        cancel.set()

    with _handling(dict.fromkeys(_ENDING, ask)):
        yield cancel


def attend(start: Callable[[], Child]) -> int:
    """Start a child in the foreground, wait for it, and return its exit status (128 + n for signal n).

    A Ctrl-C at the terminal reaches the child by itself, because it is in our process group. What is sent to us
    alone (SIGTERM, SIGHUP) is passed on.
    """
    early: list[int] = []
    child: Child | None = None

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if child is None:
            early.append(number)
        else:
            child.send_signal(number)

    def leave_alone(_number: int, _frame: FrameType | None) -> None:
        """A handler and not SIG_IGN: a child would inherit that, and could not be interrupted any more."""

    handlers: dict[signal.Signals, Handler] = {
        signal.SIGINT: leave_alone,
        signal.SIGQUIT: leave_alone,
        signal.SIGTERM: pass_on,
        signal.SIGHUP: pass_on,
    }
    with _handling(handlers):
        child = start()
        for number in early:
            child.send_signal(number)
        status = child.wait()
    return 128 - status if status < 0 else status


@contextlib.contextmanager
def _handling(handlers: Mapping[signal.Signals, Handler]) -> Iterator[None]:
    """Install handlers for the block, except for what our parent had us ignore (`nohup`)."""
    if not _in_main_thread():
        yield
        return
    replaced = {number: signal.getsignal(number) for number in handlers}
    active = [number for number, former in replaced.items() if former is not signal.SIG_IGN]
    for number in active:
        signal.signal(number, handlers[number])
    try:
        yield
    finally:
        for number in active:
            signal.signal(number, replaced[number])


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
