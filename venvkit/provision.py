"""`ensure_env` where the answer is not there yet: lock, plan, obtain, point the shell, record."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from venvkit.call import Call
from venvkit.environment import Environment
from venvkit.errors import MachineError
from venvkit.events import Observer, PhaseStarted, guarded
from venvkit.job import Job, open_job, plan_job
from venvkit.store.assembly import UvAssembly
from venvkit.store.build import Builder
from venvkit.store.index import write_entry
from venvkit.store.integrity import intact
from venvkit.store.layout import Layout
from venvkit.store.lock import hold
from venvkit.store.receipt import Receipt
from venvkit.store.shell import point_shell, shell_target
from venvkit.warm import read_entry, still_true


def provision(call: Call, key: str, observer: Observer | None, cancel: threading.Event | None) -> Environment:
    """Return the environment that answers a call; `key` is its request key.

    The request's lock is held from before planning until the shell points to the result, so that of many who ask at
    once one plans and builds, and the others use what it made.

    Raises:
        VenvkitError: Of the class that says why; nothing of the attempt is left behind.
    """
    notify = guarded(observer)
    job = open_job(call, notify, cancel)
    layout = Layout(Path(call.settings.home))
    try:
        layout.prepare()
        with hold(
            layout.request_lock(key), what=f"request for {job.spec.name}", observer=notify, cancel=cancel
        ) as lock:
            found = None if call.choices["upgrade"] else _known(layout, key, job, waited=lock.waited > 0)
            return found if found is not None else _provide(layout, key, job, cancel)
    except OSError as error:
        raise MachineError(
            f"the store cannot be written: {error.strerror or error}",
            code="disk",
            where=str(error.filename or layout.root),
        ) from error
    finally:
        layout.prune_empty()


def _known(layout: Layout, key: str, job: Job, *, waited: bool) -> Environment | None:
    """Use the recorded answer when what it follows from is the same, though files were touched meanwhile."""
    entry = read_entry(str(layout.request(key)))
    if entry is None:
        return None
    if waited and still_true(entry):
        return Environment(entry["facts"])
    if entry["deep"] != job.deep:
        return None
    shell = Path(entry["facts"]["shell"])
    environment = Path(entry["facts"]["path"])
    receipt = intact(environment)
    if receipt is None:
        return None
    if shell_target(shell) != environment:
        point_shell(layout, shell, receipt)
    return Environment(_record(layout, key, job, receipt, shell))


def _provide(layout: Layout, key: str, job: Job, cancel: threading.Event | None) -> Environment:
    planned = plan_job(job)
    builder = Builder(layout, UvAssembly(job.uv, job.observer), job.runner, job.observer, cancel, job.uv.version)
    receipt, built = builder.obtain(planned.recipe)
    shell = layout.shell(job.spec.name, job.request.engine, receipt.interpreter)
    point_shell(layout, shell, receipt)
    facts = _record(layout, key, job, receipt, shell)
    job.observer(PhaseStarted("done", receipt.id))
    return Environment(facts, built=built)


def _record(layout: Layout, key: str, job: Job, receipt: Receipt, shell: Path) -> Mapping[str, Any]:
    return write_entry(
        layout,
        key,
        receipt,
        shell,
        deep=job.deep,
        watches=job.watches,
        model=job.spec.name,
        engine=job.request.engine,
    )
