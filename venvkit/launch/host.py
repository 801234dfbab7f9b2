"""The host of a call: its snapshot, what of it the environment may see, and the services that look at it.

Nothing here writes below XINFERENCE_HOME; what is worth keeping (host snapshots, mirrors, read metadata) lies in the
user's cache directory and can be deleted at any time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from venvkit.base.caches import cache_folder
from venvkit.base.process import Runner
from venvkit.base.watch import Watch, stat_watch
from venvkit.events import Observer, PhaseStarted, Warned
from venvkit.host.interpreter import Interpreter
from venvkit.host.probe import find_host_python, probe
from venvkit.host.snapshot import HostSnapshot, take_snapshot
from venvkit.launch.asked import Call
from venvkit.store.layout import Layout
from venvkit.tools.find import Tool, find_child_python, find_tool_ahead


class Services(Struct, frozen=True):
    """What the work for a call is done with.

    Args:
        observer: Receives progress and warnings.
        runner: Runs every process of the call, with its time limit and its cancel event.
        cache: The user's cache directory of venvkit.
        find_tool: Returns what plans and installs; waits for the thread that looks for it.
    """

    observer: Observer
    runner: Runner
    cache: Path
    find_tool: Callable[[], Tool]


class Seen(Struct, frozen=True):
    """The host, and what of it the environment may see.

    Args:
        host: The host as it is.
        child: What may be seen and inherited: the host, or the bare interpreter when the child sees no host.
        sees_host: Whether the host stands behind the child.
        watches: What shows that the host is another one.
    """

    host: HostSnapshot
    child: HostSnapshot
    sees_host: bool
    watches: tuple[Watch, ...]


def open_services(call: Call, observer: Observer, cancel: threading.Event | None) -> Services:
    """Return what the work for a call is done with; begin to look for the tool where that takes a process.

    `find_tool` raises MachineError where there is no usable uv.
    """
    settings = call.settings
    cache = cache_folder(call.environ, Layout(Path(settings.home)).cache)
    runner = Runner(cancel=cancel, timeout=settings.timeout, logs=str(cache / "logs"))
    find_tool = find_tool_ahead(
        str(call.choice("backend", settings.backend)),
        runner,
        cache,
        environ=call.environ,
        attempts=settings.download_attempts,
        offline=bool(call.choice("offline", False)),
    )
    return Services(observer, runner, cache, find_tool)


def look_at_host(call: Call, services: Services) -> HostSnapshot:
    """Take the snapshot of the host of a call."""
    settings, observer = call.settings, services.observer
    observer(PhaseStarted("probe", call.host_python))
    python = find_host_python(call.choices["host_python"], settings.host_python)
    host = take_snapshot(python, runner=services.runner, cache_dir=services.cache / "hosts", environ=call.environ)
    _warn_isolated_tool(call, host, observer)
    return host


def see(call: Call, host: HostSnapshot, services: Services) -> Seen:
    """Decide which interpreter the child runs and whether it sees the host.

    Another minor version or implementation cannot import what the host has: it inherits nothing and sees nothing.
    """
    interpreter, watches = host.interpreter, host.watches
    if interpreter.python != find_host_python(call.choices["host_python"], call.settings.host_python):
        # A version manager's shim: what it starts hangs on files that nobody can watch, so ask it every time.
        watches += (["unwatchable", call.host_python],)
    if wanted := call.choices["python"]:
        runner = services.runner
        found = probe(find_child_python(str(wanted), runner, services.find_tool()), runner, environ=call.environ)
        watches += (stat_watch(found.python),)
        if (found.minor, found.implementation) != (interpreter.minor, interpreter.implementation):
            return Seen(host, _bare(found, host), False, watches)
        interpreter = replace(
            interpreter, python=found.python, version=found.version, base_python=found.base_python,
            base_prefix=found.base_prefix, environment=found.environment,
        )  # fmt: skip
    if call.choices["isolated"]:
        return Seen(host, _bare(interpreter, host), False, watches)
    return Seen(host, replace(host, interpreter=interpreter), True, watches)


def _bare(interpreter: Interpreter, host: HostSnapshot) -> HostSnapshot:
    alone = replace(interpreter, site_dirs=(), pth_dirs=())
    return replace(host, interpreter=alone, distributions=(), unreadable=())


def _warn_isolated_tool(call: Call, host: HostSnapshot, observer: Observer) -> None:
    tool = host.interpreter.isolated_tool
    if not tool or call.choices["host_python"] or call.settings.host_python:
        return
    active = call.environ.get("VIRTUAL_ENV") or call.environ.get("CONDA_PREFIX")
    offer = f"{active}/bin/python" if active else "the server's interpreter"
    observer(
        Warned(
            "isolated-tool-host",
            f"venvkit runs from its own {tool} environment and takes that for the host; "
            f"name the real one with --host-python or VENVKIT_HOST_PYTHON, for instance {offer}",
        )
    )
