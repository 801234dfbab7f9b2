"""What follows a plan: obtain its environment, point the shell to it, record the answer.

Imported while the resolver is at work: none of it is needed before.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from venvkit.base import crash
from venvkit.errors import MachineError, VenvkitError
from venvkit.events import Observer, Warned
from venvkit.formats.entry import read_entry
from venvkit.formats.mark import read_mark, write_mark
from venvkit.formats.receipt import Receipt, read_receipt
from venvkit.launch.handle import Environment
from venvkit.launch.job import Job
from venvkit.launch.record import recorded_call
from venvkit.proof.integrity import fault, intact
from venvkit.store.change.environment import collect_environment
from venvkit.store.change.index import forget, write_entry
from venvkit.store.disk.space import near_cache
from venvkit.store.env.assembly import Assembly, UvAssembly
from venvkit.store.env.bare import BareVenvs
from venvkit.store.env.build import Builder
from venvkit.store.env.recipe import Recipe
from venvkit.store.layout import Layout
from venvkit.store.lock.lease import Lease
from venvkit.store.look.shells import shell_target, wanted_environments
from venvkit.store.shell.point import hold_shell, is_pointed, point_shell, remove_shell
from venvkit.tools.uv.client import Uv

# Returns uv with a cache near the store, and that cache.
Near: TypeAlias = Callable[[], tuple[Uv, Path]]


def find_near(uv: Uv, layout: Layout) -> Near:
    """Return what finds uv a cache near the store; asked twice it answers from memory."""
    return functools.cache(lambda: near_cache(uv, layout))


def found_again(layout: Layout, key: str, job: Job) -> Environment | None:
    """Use the recorded answer when what it follows from is the same, though files were touched meanwhile.

    The entry is read under the shell's lock: a rollback may have changed it.
    """
    entry = read_entry(str(layout.request(key)))
    if entry is None or entry["deep"] != job.deep:
        return None
    shell = Path(entry["facts"]["shell"])
    with hold_shell(layout, shell, job.observer):
        entry = read_entry(str(layout.request(key))) or entry
        environment = Path(entry["facts"]["path"])
        if not environment.exists():
            return None
        with Lease(layout.lease(environment.name)):
            receipt = intact(environment)
            if receipt is None:
                return None
            if not is_pointed(shell, receipt):
                point_shell(layout, shell, receipt)
            return Environment(_record(layout, key, job, receipt, shell))


def provide(
    layout: Layout, key: str, job: Job, recipe: Recipe, cancel: threading.Event | None, near: Near | None = None
) -> Environment:
    """Return the environment of a recipe, the shell pointing to it and the index leading there.

    Raises:
        VenvkitError: The build failed; the former environment stays in force.
    """
    assembly: Assembly
    version = ""
    if isinstance(job.tool, Uv):
        assembly = UvAssembly(near or find_near(job.tool, layout), job.observer, BareVenvs(job.cache / "venvs"))
        version = job.tool.version
    else:
        from venvkit.store.env.assembly_pip import PipAssembly

        assembly = PipAssembly(job.tool, job.observer)
    builder = Builder(
        layout,
        assembly,
        job.runner,
        job.observer,
        cancel,
        version,
        job.call.settings.max_builds,
    )
    with contextlib.ExitStack() as undo:
        with builder.obtain(recipe) as obtained:
            receipt = obtained.receipt
            shell = layout.shell(job.spec.name, job.request.engine, receipt.interpreter)
            if obtained.built:
                undo.callback(_discard, layout, Path(receipt.path))
            crash.at("obtained")
            with hold_shell(layout, shell, job.observer):
                former = shell_target(shell)
                try:
                    point_shell(layout, shell, receipt)
                    crash.at("pointed")
                    facts = _record(layout, key, job, receipt, shell)
                    crash.at("recorded")
                except OSError:
                    _point_back(layout, shell, former, unwanted=Path(receipt.path))
                    raise
        undo.pop_all()
        return Environment(facts, built=obtained.built)


def _point_back(layout: Layout, shell: Path, former: Path | None, *, unwanted: Path) -> None:
    """Put the former environment in force again, or no shell where there was none, as far as the disk allows it."""
    with contextlib.suppress(OSError):
        receipt = intact(former) if former is not None and former != unwanted else None
        if receipt is not None:
            point_shell(layout, shell, receipt)
            mark = read_mark(shell)
            if mark is not None:
                write_mark(shell, mark.without(unwanted))
        elif read_mark(shell) is not None:
            forget(layout, shell)
            remove_shell(shell, layout.shells)


def _discard(layout: Layout, environment: Path) -> None:
    """Remove what was built for nothing, unless a shell wants it meanwhile."""
    with contextlib.suppress(OSError):
        collect_environment(layout, environment, lambda: environment in wanted_environments(layout))


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
        call=recorded_call(job.call),
    )


def reasons(former: Mapping[str, Any], recipe: Recipe) -> Iterator[str]:
    """Say why an environment that was there will not do: what was done to it, or what it relied on changed."""
    environment = Path(former["facts"]["path"])
    try:
        receipt = read_receipt(environment)
    except MachineError as error:
        yield error.message
        return
    if receipt is None:
        yield "its receipt is gone" if environment.exists() else "it is gone"
        return
    damage = fault(environment, receipt)
    if damage is not None:
        yield damage
    elif receipt.key != recipe.key and recipe.host is not None:
        for item in receipt.relied:
            found = recipe.host.find(item.name)
            if found is None:
                yield f"{item.name}=={item.version} is gone from the host"
            elif found.version != item.version:
                yield f"{item.name} of the host went from {item.version} to {found.version}"


def keep_budget(layout: Layout, most: int, environment: Environment, observer: Observer) -> None:
    """Hold the store to its size; what cannot be removed is no reason to fail a build that is done."""
    from venvkit.store.collect.gc import collect
    from venvkit.store.collect.rules import Wish

    try:
        report = collect(layout, Wish(max_size=most, keep=(environment.path.name,)))
    except (OSError, VenvkitError) as error:
        observer(Warned("max-size", f"the store was not held to its size: {error}"))
        return
    for item in report.removed:
        observer(
            Warned(
                "max-size", f"removed {item.path.relative_to(layout.root)} to hold the store to its size: {item.why}"
            )
        )
    if report.size > most:
        held = f"{report.size / 1e6:.1f} MB of {most / 1e6:.1f} MB"
        message = f"the store holds {held} that VENVKIT_MAX_SIZE allows, and all of it is in use or kept"
        observer(Warned("max-size", message))
