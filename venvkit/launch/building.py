"""What follows a plan: find or build its environment, point the shell to it, record the answer.

Imported while the resolver is at work: none of it is needed before.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from venvkit.base import crash
from venvkit.base.files import exists
from venvkit.base.local import content_digest, local_path
from venvkit.base.watch import Watch
from venvkit.errors import MachineError, VenvkitError
from venvkit.events import Observer, Warned
from venvkit.formats.entry import read_entry
from venvkit.formats.mark import read_mark, write_mark
from venvkit.formats.receipt import Receipt, read_receipt
from venvkit.launch.handle import Environment
from venvkit.launch.host import Services
from venvkit.launch.planning import Planned, pose
from venvkit.launch.reading import Reading, local_watches
from venvkit.launch.record import recorded_call
from venvkit.proof.answer import answers
from venvkit.proof.integrity import fault, intact
from venvkit.proof.shell import prove_shell
from venvkit.store.change.environment import collect_environment
from venvkit.store.change.index import facts_of, forget, write_entry
from venvkit.store.env.assembly import Assembly, UvAssembly
from venvkit.store.env.bare import BareVenvs
from venvkit.store.env.build import Builder
from venvkit.store.env.recipe import Recipe
from venvkit.store.layout import Layout
from venvkit.store.lock.lease import Lease
from venvkit.store.look.shells import shell_target, wanted_environments
from venvkit.store.shell.point import hold_shell, is_pointed, point_shell, remove_shell
from venvkit.tools.uv.client import Uv


def look_again(
    layout: Layout, key: str, reading: Reading, services: Services, *, recorded: str
) -> tuple[Environment | None, Mapping[str, Any] | None]:
    """Use the recorded answer when what it follows from is the same, though files were touched meanwhile.

    After a rollback of the shell the answer is the environment that was put in force again, if it satisfies the
    request, and else the recorded one.

    Args:
        recorded: The key that it is recorded by, which may be that of the same request in another form.

    Returns:
        The environment, or None when it will not do; and the index entry, or None when there is none. The entry is
        read under the shell's lock: a rollback may change it.
    """
    shell = layout.shell(reading.spec.name, reading.request.engine, reading.child.interpreter.version)
    with hold_shell(layout, shell, services.observer):
        entry = read_entry(str(layout.request(recorded)))
        if entry is None or entry["deep"] != reading.deep or entry["facts"]["shell"] != str(shell):
            return None, entry
        own = Path(entry["facts"]["path"])
        mark = read_mark(shell)
        planned = entry.get("planned", 0)
        led = mark.led_to(own, planned) if mark is not None else None
        for environment in filter(None, (led, own)):
            if not exists(environment) or str(environment) == reading.call.spoilt:
                continue
            lease = Lease(layout.lease(environment.name))
            receipt = intact(environment)
            if receipt is None or not _same_files(receipt):
                continue
            if environment == led and not _satisfies(receipt, reading, services):
                continue
            if not is_pointed(shell, receipt):
                _point(layout, shell, receipt, services)
            former = own.name if environment == led else entry["facts"].get("rolled_back", "")
            facts = _record(layout, key, reading, receipt, shell, planned=planned, rolled_back=_earlier(shell, former))
            return Environment(facts, lease), entry
        return None, entry


def _satisfies(receipt: Receipt, reading: Reading, services: Services) -> bool:
    """Tell whether an environment that another request may have been built for answers this one."""
    host = reading.host.interpreter.python if reading.seen.sees_host else ""
    return receipt.host_python == host and receipt.proves(reading.prove) and answers(receipt, pose(reading, services))


def _earlier(shell: Path, former: str) -> str:
    """Return `former` while the shell is rolled back: a rollback may also lead to the newest environment."""
    mark = read_mark(shell)
    return former if mark is not None and mark.is_rolled_back else ""


def _same_files(receipt: Receipt) -> bool:
    """Tell whether the local files and source trees that requirements named are as they were when they were built."""
    paths = ((local_path(item.url), item.description.sha256) for item in receipt.plan.install)
    return all(path is None or content_digest(path) == known for path, known in paths)


def carry_out(
    layout: Layout, key: str, planned: Planned, services: Services, near: Callable[[], tuple[Uv, Path]]
) -> Environment:
    """Return the environment of a plan, built or there already, the shell pointing to it and the index leading there.

    Args:
        near: Returns uv with a cache near the store, and that cache.

    Raises:
        VenvkitError: The build failed; the former environment stays in force.
    """
    reading = planned.reading
    builder = _builder(layout, reading, services, near)
    with contextlib.ExitStack() as undo:
        with builder.obtain(planned.recipe) as obtained:
            receipt = obtained.receipt
            shell = layout.shell(reading.spec.name, reading.request.engine, receipt.interpreter)
            if obtained.built:
                undo.callback(_discard, layout, Path(receipt.path))
            crash.at("obtained")
            with hold_shell(layout, shell, services.observer):
                former = shell_target(shell)
                try:
                    _point(layout, shell, receipt, services)
                    crash.at("pointed")
                    facts = _record(layout, key, reading, receipt, shell, planned=time.time_ns())
                    crash.at("recorded")
                except (OSError, VenvkitError):
                    _point_back(layout, shell, former, unwanted=Path(receipt.path))
                    raise
            lease = Lease(layout.lease(receipt.id))
        undo.pop_all()
        return Environment(facts, lease, built=obtained.built)


def _point(layout: Layout, shell: Path, receipt: Receipt, services: Services) -> None:
    """Lead a shell to an environment, and prove that its interpreter sees that."""
    pointed = is_pointed(shell, receipt)
    moved = point_shell(layout, shell, receipt)
    if moved:
        told = f"moved aside to {layout.foreign}, since others had installed it into the shell: {', '.join(moved)}"
        services.observer(Warned("shell-changed", told))
    if moved or not pointed:
        prove_shell(shell, receipt, services.runner)


def _builder(layout: Layout, reading: Reading, services: Services, near: Callable[[], tuple[Uv, Path]]) -> Builder:
    tool, observer = services.find_tool(), services.observer
    assembly: Assembly
    if isinstance(tool, Uv):
        assembly = UvAssembly(near, observer, BareVenvs(services.cache / "venvs"))
    else:
        from venvkit.store.env.assembly_pip import PipAssembly

        assembly = PipAssembly(tool, observer)
    return Builder(
        layout=layout,
        assembly=assembly,
        runner=services.runner,
        observer=observer,
        cancel=services.runner.cancel,
        uv_version=reading.tool[1],
        max_builds=reading.call.settings.max_builds,
        verdicts=services.cache / "verdicts",
        spoilt=reading.call.spoilt,
    )


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


def _record(
    layout: Layout, key: str, reading: Reading, receipt: Receipt, shell: Path, *, planned: int, rolled_back: str = ""
) -> Mapping[str, Any]:
    facts = facts_of(
        layout, receipt, shell, model=reading.spec.name, engine=reading.request.engine, rolled_back=rolled_back
    )
    write_entry(
        layout,
        key,
        receipt,
        shell,
        facts=facts,
        deep=reading.deep,
        watches=(*reading.watches, *_further(reading, receipt)),
        call=recorded_call(reading.call),
        planned=planned,
    )
    return facts


def _further(reading: Reading, receipt: Receipt) -> list[Watch]:
    """Return the watches of local files that only a requirement of a requirement names."""
    known = {item.url for item in reading.request.requirements}
    return list(local_watches(item.url for item in receipt.plan.install if item.url not in known))


def reasons(former: Mapping[str, Any], recipe: Recipe) -> Iterator[str]:
    """Yield why a former environment cannot be used: it was changed, or a host distribution that it relied on was."""
    environment = Path(former["facts"]["path"])
    try:
        receipt = read_receipt(environment)
    except MachineError as error:
        yield error.message
        return
    if receipt is None:
        yield "its receipt is gone" if exists(environment) else "it is gone"
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


def keep_budget(layout: Layout, most: int | None, environment: Environment, observer: Observer) -> None:
    """Hold the store to `most` bytes, if there is a limit; a removal that fails does not fail the finished build."""
    if most is None:
        return
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
