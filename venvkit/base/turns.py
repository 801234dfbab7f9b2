"""Turns at work of this process's own, so that many calls on threads do not starve another thread: an event loop.

A thread that runs Python code holds the interpreter's lock for 5 ms at a time, so a loop beside 32 of them runs six
times in a second. Few of the calls of an event loop work at a time, then; while a call waits for a process, a lock or
a server, another one has its turn. What is bounded is only this: a turn that is long in coming is not waited for.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from venvkit.base.forks import close_in_children

_MOST = 2
# The end of a turn may depend on another call only through the program's own observers; then nobody waits for ever.
_LONGEST_S = 30.0


class _Held(threading.local):
    turn = False


_held = _Held()
_turns = threading.Semaphore(_MOST)


def _start_anew() -> None:
    global _turns
    _turns = threading.Semaphore(_MOST)
    _held.turn = False


close_in_children(_start_anew)


@contextlib.contextmanager
def working() -> Iterator[None]:
    """Have a turn for the block; a thread that has one keeps it."""
    turns = _turns
    if _held.turn:
        yield
        return
    _held.turn = turns.acquire(timeout=_LONGEST_S)
    try:
        yield
    finally:
        if _held.turn and turns is _turns:
            turns.release()
        _held.turn = False


@contextlib.contextmanager
def waiting() -> Iterator[None]:
    """Let another thread have this one's turn, if it has one, while the block waits for something."""
    turns = _turns
    if not _held.turn:
        yield
        return
    _held.turn = False
    turns.release()
    try:
        yield
    finally:
        _held.turn = turns.acquire(timeout=_LONGEST_S)
