"""Pruning of uv's cache."""

from __future__ import annotations

import os

from venvkit.base.process import Runner
from venvkit.store.disk.space import near_cache
from venvkit.store.layout import Layout
from venvkit.tools.uv.client import find_uv


def prune_cache(layout: Layout, timeout: float) -> str:
    """Have uv prune the cache that lies near the store, and return the last line of its report.

    Args:
        timeout: Seconds that uv may take.

    Raises:
        MachineError: There is no usable uv, or it failed.
    """
    uv, _ = near_cache(find_uv(Runner(timeout=timeout), dict(os.environ)), layout)
    done = uv.run(["cache", "prune"])
    if done.status != 0:
        raise uv.failure(done)
    return done.tail(1)[0] if done.tail(1) else "the cache was pruned"
