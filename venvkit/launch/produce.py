"""Making the answer to a call, under its request's lock: look again, plan, provide."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from venvkit.base import crash
from venvkit.base.background import Beside
from venvkit.errors import NoSolutionError, SourceError
from venvkit.events import Observer, PhaseStarted, Warned
from venvkit.formats.entry import read_entry
from venvkit.launch.asked import Call
from venvkit.launch.handle import Environment
from venvkit.launch.job import Job, open_job, plan_job, recent_plan
from venvkit.store.layout import Layout

if TYPE_CHECKING:
    from venvkit.launch.provide import Near


def produce(layout: Layout, call: Call, key: str, observer: Observer, cancel: threading.Event | None) -> Environment:
    """Return the environment that answers a call, found again or built.

    Raises:
        VenvkitError: Of the class that says why; the former environment stays in force.
    """
    job = open_job(call, observer, cancel)
    former = read_entry(str(layout.request(key)))
    if former is not None and not call.choices["upgrade"]:
        from venvkit.launch.provide import found_again

        found = found_again(layout, key, job)
        if found is not None:
            return found
    environment = _carry_out(layout, key, job, former, cancel)
    if environment.built and call.settings.max_size is not None:
        from venvkit.launch.provide import keep_budget

        keep_budget(layout, call.settings.max_size, environment, observer)
    observer(PhaseStarted("done", environment.path.name))
    return environment


def _carry_out(
    layout: Layout, key: str, job: Job, former: Mapping[str, Any] | None, cancel: threading.Event | None
) -> Environment:
    """Plan, or take the plan of a moment ago, and provide what it says."""
    ahead: list[Beside[Near | None]] = []

    def meanwhile() -> None:
        ahead.append(Beside(lambda: _prepare(layout, job)))

    recent = recent_plan(job)
    recipe = recent.recipe if recent is not None else plan_job(job, meanwhile=meanwhile).recipe
    crash.at("planned")
    near = ahead[0].result() if ahead else None

    from venvkit.launch.provide import provide, reasons

    if former is not None and not job.call.choices["upgrade"]:
        for reason in reasons(former, recipe):
            job.observer(Warned("rebuilt", f"the environment of {job.spec.name} is built anew: {reason}"))
    try:
        return provide(layout, key, job, recipe, cancel, near)
    except (NoSolutionError, SourceError):
        if recent is None:
            raise
        # A source has lost since what the plan names, or the files are others: ask.
        job.plans.forget(job.alike)
        return provide(layout, key, job, plan_job(job).recipe, cancel)


def _prepare(layout: Layout, job: Job) -> Near | None:
    """While the resolver is at work: import what follows it, and find uv's cache."""
    from venvkit.launch.provide import find_near
    from venvkit.tools.uv.client import Uv

    if not isinstance(job.tool, Uv):
        return None
    near = find_near(job.tool, layout)
    near()
    return near
