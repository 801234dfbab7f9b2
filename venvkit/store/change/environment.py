"""Removing one environment: under its lock, when nobody leases it and nobody wants it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from venvkit.base import crash
from venvkit.base.files import delete, exists, move_aside
from venvkit.store.layout import KEY_LENGTH, Layout
from venvkit.store.lock.flock import attempt
from venvkit.store.lock.lease import exclusive
from venvkit.store.lock.processes import running_from

Fate = Literal["removed", "in-use", "at-work", "wanted"]


def collect_environment(layout: Layout, environment: Path, wanted: Callable[[], bool]) -> Fate:
    """Remove an environment, or say why it stays.

    Args:
        wanted: Asked under its lock and while nobody leases it: whether a shell has come to want it meanwhile.

    Returns:
        `in-use`: a process leases it. `at-work`: somebody builds one of its content key.
    """
    key = environment.name.rpartition("-")[0]
    lease = layout.lease(environment.name)
    with attempt(layout.environment_lock(key), soft=layout.soft) as lock:
        if lock is None:
            return "at-work"
        # Where there is no lease file, one is made to ask for it.
        asked = not exists(lease) and not wanted()
        with exclusive(lease, soft=layout.soft) as alone:
            # Soft locks are for filesystems on which nobody can hold a lease: there /proc is asked.
            if not alone or (layout.soft and running_from(environment)):
                return "in-use"
            if not asked and wanted():
                return "wanted"
            aside = move_aside(environment)
            crash.at("environment-aside")
            lease.unlink(missing_ok=True)
        # An interpreter that starts now must not wait for the deletion to find that its lease is gone.
        if aside is not None:
            delete(aside)
        crash.at("environment-removed")
        lock.discard = not list(layout.envs.glob(f"{key[:KEY_LENGTH]}-*"))
    return "removed"
