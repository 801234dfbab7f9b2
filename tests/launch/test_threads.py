"""`ensure_env_async`: a pool of its own, and a cancelled task that ends after its build."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse
from venvkit import ensure_env, ensure_env_async
from venvkit.base.turns import waiting
from venvkit.launch.threads import call_in_thread


def test_more_calls_than_the_default_pool_has_threads_leave_it_free() -> None:
    go = threading.Event()

    async def main() -> float:
        calls = [asyncio.ensure_future(call_in_thread(lambda _: go.wait(20))) for _ in range(60)]
        await asyncio.sleep(0.1)
        started = time.monotonic()
        await asyncio.wait_for(asyncio.to_thread(lambda: None), 10)
        took = time.monotonic() - started
        go.set()
        assert all(await asyncio.gather(*calls))
        return took

    assert asyncio.run(main()) < 1.0


def test_few_calls_work_at_a_time_and_any_number_waits() -> None:
    """Each thread at Python work keeps the interpreter from the loop for 5 ms."""
    go = threading.Event()
    working: set[int] = set()
    most: list[int] = []
    waiters = threading.Semaphore(0)

    def work(_: threading.Event) -> None:
        for _ in range(3):
            working.add(threading.get_ident())
            most.append(len(working))
            time.sleep(0.002)
            working.discard(threading.get_ident())
            with waiting():
                time.sleep(0.002)
        with waiting():
            waiters.release()
            assert go.wait(20)

    async def main() -> None:
        calls = [asyncio.ensure_future(call_in_thread(work)) for _ in range(32)]
        for _ in calls:
            assert await asyncio.to_thread(waiters.acquire, timeout=20)
        go.set()
        await asyncio.gather(*calls)

    asyncio.run(main())
    assert max(most) <= 2


def test_a_task_that_is_cancelled_again_and_again_ends_after_its_work() -> None:
    ended: list[bool] = []

    def work(cancel: threading.Event) -> None:
        cancel.wait(10)
        time.sleep(0.3)
        ended.append(cancel.is_set())
        raise ValueError("of nobody's interest")

    async def main() -> None:
        task = asyncio.ensure_future(call_in_thread(work))
        for _ in range(5):
            await asyncio.sleep(0.02)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == [True]

    asyncio.run(main())


def test_a_forked_child_has_a_pool(home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec) -> None:
    wheelhouse.add("tool", "1.0")
    spec = write_spec("m", ["tool"])
    asyncio.run(ensure_env_async(spec, host_python=host.python))
    pid = os.fork()
    if pid == 0:
        try:
            found = asyncio.run(asyncio.wait_for(ensure_env_async(spec, host_python=host.python), 20))
            os._exit(0 if found.python.exists() else 1)
        finally:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    assert not ensure_env(spec, host_python=host.python).built
