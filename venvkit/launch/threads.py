"""Calls of an event loop, on threads of their own: the loop's default pool stays free for what else needs it.

asyncio's default pool has a few threads more than there are processors, and name resolution uses them too.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

# Most calls wait for a lock or an index. A call that is answered at once must not wait behind them.
_MOST_THREADS = 256
# A forked child has the pool of its parent without its threads: one for each pid.
_pools: dict[int, ThreadPoolExecutor] = {}


async def call_in_thread(work: Callable[[threading.Event], T]) -> T:
    """Return what `work` returns; a cancelled task sets the event that `work` is given, and ends after it.

    Raises:
        Exception: What `work` raises.
    """
    cancel = threading.Event()
    context = contextvars.copy_context()
    job = _pool().submit(context.run, work, cancel)
    result = asyncio.wrap_future(job)
    try:
        return await asyncio.shield(result)
    except asyncio.CancelledError:
        cancel.set()
        while not (job.cancel() or job.done()):
            with contextlib.suppress(asyncio.CancelledError):  # the task is cancelled once more
                await asyncio.wait([result])
        if not result.cancelled():
            result.exception()  # nobody else asks for it
        raise


def _pool() -> ThreadPoolExecutor:
    pid = os.getpid()
    if pid not in _pools:
        _pools[pid] = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="venvkit")
    return _pools[pid]
