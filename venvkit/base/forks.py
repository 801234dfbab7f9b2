"""Forked children and the descriptors of kernel locks.

A flock belongs to the open file: a forked worker that keeps a copy of the descriptor keeps the lock, and a LOCK_UN of
the worker ends its parent's. So a forked child closes its copies and does nothing else with them.

The warm path imports this module, so it imports nothing but what every interpreter has loaded.
"""

from __future__ import annotations

import os
from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

starting: set[int] = set()
"""Threads that start a program: their forked child needs its descriptors until its `exec`, which closes the others."""
lent: set[int] = set()
"""Descriptors that a program inherited which may still run."""


def close_in_children(close: Callable[[], None]) -> None:
    """Have `close` called in each child that this process forks, except in those that run another program at once."""

    def in_child() -> None:
        if get_ident() not in starting:
            close()

    os.register_at_fork(after_in_child=in_child)
