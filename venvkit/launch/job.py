"""From a call to a plan: read the spec, look at the host, build the request, ask the planner.

Nothing here writes below XINFERENCE_HOME; what is worth keeping (host snapshots, mirrors, read metadata) lies in the
user's cache directory and can be deleted at any time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace
from packaging.version import Version

from venvkit.base.caches import cache_folder
from venvkit.base.digest import digest, value_digest
from venvkit.base.process import Runner
from venvkit.base.version import __version__
from venvkit.base.watch import Watch
from venvkit.events import Observer, PhaseStarted, Warned
from venvkit.host.interpreter import Interpreter
from venvkit.host.probe import find_host_python, probe
from venvkit.host.snapshot import HostSnapshot, take_snapshot
from venvkit.launch.asked import Call
from venvkit.launch.inputs import engine_warnings, read_inputs
from venvkit.launch.localsources import source_texts
from venvkit.launch.plans import Plans
from venvkit.launch.pose import pose
from venvkit.plan.families import Families
from venvkit.plan.planner import make_plan
from venvkit.plan.problem import Problem
from venvkit.plan.resolver import Unsolvable
from venvkit.plan.values import Plan
from venvkit.settings import key_environ
from venvkit.spec.configuration.uv import uv_config_texts
from venvkit.spec.model import ModelSpec
from venvkit.spec.request import Request, Sources
from venvkit.store.layout import Layout
from venvkit.tools.find import Tool, backend_name, find_child_python, find_tool_ahead, make_resolver
from venvkit.tools.uv.client import Uv
from venvkit.tools.uv.resolver import UvResolver

if TYPE_CHECKING:
    from venvkit.store.env.recipe import Recipe


class Job(Struct, frozen=True):
    """A call after everything that it names was read.

    Args:
        host: The host as it is.
        child: What may be seen and inherited: the host, or the bare interpreter when the child sees no host.
        sees_host: Whether the host stands behind the child.
        tool: What plans and installs.
        cache: The user's cache directory of venvkit.
        watches: What all of this was read from.
    """

    call: Call
    observer: Observer
    runner: Runner
    tool: Tool
    spec: ModelSpec
    request: Request
    families: Families
    host: HostSnapshot
    child: HostSnapshot
    sees_host: bool
    cache: Path
    watches: tuple[Watch, ...]

    @property
    def backend(self) -> str:
        """What plans and installs: `uv` or `pip`."""
        return backend_name(self.tool)

    @property
    def deep(self) -> str:
        """Digest of what the plan follows from, and of the names it is for; equal when files were only touched."""
        return digest([self.request.model, self.request.engine, self.alike])

    @property
    def alike(self) -> str:
        """Digest of what the plan follows from: models with equal ones share a plan."""
        call, settings = self.call, self.call.settings
        return value_digest(
            [
                __version__,
                replace(self.request, model="", engine=None, relied=(), sources=self.request.sources.decisive),
                self.host.fingerprint,
                [self.child.interpreter.prefix, self.child.interpreter.base_python, self.child.interpreter.version],
                self.sees_host,
                self.families,
                [str(call.choice("orphans", settings.orphans)), bool(call.choice("offline", settings.offline))],
                [bool(call.choice("skip_installed", settings.skip_installed)), sorted(settings.protect)],
                sorted(key_environ(call.environ).items()),
                uv_config_texts(call.environ) if self.backend == "uv" else (),
            ]
        )

    @property
    def plans(self) -> Plans:
        """Where plans are kept for a moment."""
        return Plans(self.cache / "plans")


class Planned(Struct, frozen=True):
    """A plan, and what it was made from.

    Attributes:
        plan: What to install, inherit, shadow, and what is broken.
        recipe: What an environment would be built from.
        job: The call after everything that it names was read.
    """

    job: Job
    plan: Plan
    recipe: Recipe

    @property
    def key(self) -> str:
        """The content key of the environment that would be built."""
        return self.recipe.key


def open_job(call: Call, observer: Observer, cancel: threading.Event | None) -> Job:
    """Read everything that a call names: spec, engine data, host, sources.

    Raises:
        UsageError: The spec, an option, a variable or a configuration file is faulty, or an interpreter is missing.
        MachineError: There is no usable uv.
    """
    settings = call.settings
    cache = cache_folder(call.environ, Layout(Path(settings.home)).cache)
    runner = Runner(cancel=cancel, timeout=settings.timeout, logs=str(cache / "logs"))
    find = find_tool_ahead(call, runner, cache)
    observer(PhaseStarted("probe", call.host_python))
    python = find_host_python(call.choices["host_python"], settings.host_python)
    host = take_snapshot(python, runner=runner, cache_dir=cache / "hosts", environ=call.environ)
    _warn_isolated_tool(call, host, observer)
    inputs = read_inputs(call, host, cache=cache, observer=observer, cancel=cancel)
    tool = find()
    child, sees_host = _child(call, host, runner, tool)
    observer(PhaseStarted("request", inputs.label))
    request, watches = inputs.request(call, host, child, cache)
    for warning in engine_warnings(inputs, request.engine, dict(child.interpreter.environment)["sys_platform"]):
        observer(warning)
    if not isinstance(tool, Uv):
        from venvkit.tools.pip.client import check_levers

        check_levers(request.levers, request.sources)
    if host.interpreter.python != python:
        # A version manager's shim: what it starts hangs on files that nobody can watch, so ask it every time.
        watches += (["unwatchable", python],)
    return Job(
        call,
        observer,
        runner,
        tool,
        inputs.spec,
        request,
        inputs.families,
        host,
        child,
        sees_host,
        cache,
        (*host.watches, *watches),
    )


def plan_job(job: Job, *, meanwhile: Callable[[], None] | None = None) -> Planned:
    """Plan a job.

    Args:
        meanwhile: Called while the resolver is at work on the first question, if it is one that leaves time.

    Raises:
        NoSolutionError: The request has no solution, or none that keeps what is protected.
        SourceError: A source cannot be reached, or refused.
    """
    began = time.time()
    problem = pose(job)
    resolver = make_resolver(job.tool, job.request, job.child, cache=job.cache, observer=job.observer)
    if isinstance(resolver, UvResolver):
        resolver.meanwhile = meanwhile
    job.observer(PhaseStarted("resolve", f"{len(problem.roots)} requirement{'' if len(problem.roots) == 1 else 's'}"))
    try:
        plan = make_plan(problem, resolver)
    except Unsolvable as error:
        # Without an index that could not be reached this says nothing about the request.
        if resolver.lost is None:
            raise
        resolver.lost.details += ("without it there is no solution:", *error.details)
        raise resolver.lost from error
    pins = {f"{item.name}=={item.version}" for item in plan.install} | {""}
    told = dict.fromkeys(warning for pin, warning in resolver.notices if pin in pins)
    plan = replace(plan, warnings=tuple(told))
    _warn(job.observer, plan)
    # Without an index that could not be reached it is a makeshift.
    if resolver.lost is None:
        job.plans.put(job.alike, plan, source_texts(job.request, job.call.environ), began=began)
    return planned_as(job, plan, problem=problem, sources=resolver.sources)


def recent_plan(job: Job) -> Planned | None:
    """Return the plan of a moment ago for a job that differs in its names at most; nobody is asked.

    None as well where the caller wants the newest there is.
    """
    if job.call.choices["upgrade"]:
        return None
    plan = job.plans.get(job.alike)
    if plan is None:
        return None
    job.observer(PhaseStarted("resolve", "as a moment ago"))
    _warn(job.observer, plan)
    return planned_as(job, plan)


def planned_as(job: Job, plan: Plan, *, problem: Problem | None = None, sources: Sources | None = None) -> Planned:
    """Return a plan that is there already, for a job; nothing is resolved.

    Args:
        problem: What it was made from, else the job's.
        sources: What it was made with, else the job's.
    """
    from venvkit.store.env.recipe import Recipe

    prefix = f"{job.backend.upper()}_"
    environ = key_environ(job.call.environ)
    recipe = Recipe(
        model=job.spec.name,
        engine=job.request.engine,
        interpreter=job.child.interpreter,
        host=job.host if job.sees_host else None,
        problem=problem or pose(job),
        plan=plan,
        sources=sources or job.request.sources,
        levers=job.request.levers,
        uv_settings=tuple(sorted((name, value) for name, value in environ.items() if name.startswith(prefix))),
        backend=job.backend,
    )
    return Planned(job, plan, recipe)


def _warn(observer: Observer, plan: Plan) -> None:
    """Tell what an operator should know of a plan."""
    for item in plan.relaxed:
        message = f"{item.requirement} has no solution: {item.host_version} of the host gives way to {item.version}"
        observer(Warned("relaxed", message))
    for repair in plan.repaired:
        if repair.version and Version(repair.version) < Version(repair.host_version):
            message = f"{repair.name} goes back from {repair.host_version} to {repair.version} for this model"
            observer(Warned("repaired-backwards", f"{message}; protect it to refuse that"))
    for absent in plan.absent:
        observer(Warned("absent", f"{absent.requirement} is optional and has no solution: {absent.reason}"))
    for broken in plan.broken:
        observer(Warned("broken", str(broken)))
    for warning in plan.warnings:
        observer(warning)


def _child(call: Call, host: HostSnapshot, runner: Runner, tool: Tool) -> tuple[HostSnapshot, bool]:
    """Decide which interpreter the child runs and whether it sees the host.

    Another minor version or implementation cannot import what the host has: it inherits nothing and sees nothing.
    """
    interpreter = host.interpreter
    wanted = call.choices["python"]
    if wanted:
        found = probe(find_child_python(str(wanted), runner, tool), runner, environ=call.environ)
        if (found.minor, found.implementation) != (interpreter.minor, interpreter.implementation):
            return _bare(found, host), False
        interpreter = replace(
            interpreter, python=found.python, version=found.version, base_python=found.base_python,
            base_prefix=found.base_prefix, environment=found.environment,
        )  # fmt: skip
    if call.choices["isolated"]:
        return _bare(interpreter, host), False
    return replace(host, interpreter=interpreter), True


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
