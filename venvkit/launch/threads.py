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
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from venvkit.base.turns import working

T = TypeVar("T")

# Most calls wait for a lock or an index. A call that is answered at once must not wait behind them.
_MOST_THREADS = 256
# A forked child has the pools of its parent without their threads: others for each pid.
_by_pid: dict[int, tuple[ThreadPoolExecutor, ThreadPoolExecutor]] = {}


async def call_in_thread(work: Callable[[threading.Event], T]) -> T:
    """Return what `work` returns; a cancelled task sets the event that `work` is given, and ends after it.

    Raises:
        Exception: What `work` raises.
    """
    cancel = threading.Event()
    context = contextvars.copy_context()
    job: Future[T] = Future()
    starter, pool = _pools()
    # To start a thread waits for it to run: 32 of them would stop the loop for 50 ms.
    starter.submit(lambda: pool.submit(context.run, lambda: _fulfil(job, work, cancel)))
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


def _fulfil(job: Future[T], work: Callable[[threading.Event], T], cancel: threading.Event) -> None:
    if not job.set_running_or_notify_cancel():
        return
    try:
        with working():
            result = work(cancel)
    except BaseException as error:  # noqa: BLE001 - whoever waits for the job is told
        job.set_exception(error)
    else:
        job.set_result(result)


def _pools() -> tuple[ThreadPoolExecutor, ThreadPoolExecutor]:
    """Return one thread that starts the calls, and the threads that they run on."""
    pid = os.getpid()
    if pid not in _by_pid:
        _by_pid[pid] = (ThreadPoolExecutor(1), ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="venvkit"))
    return _by_pid[pid]
