"""From launches to jobs: host, tool and engine data are looked at once, each launch adds its own request."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from venvkit.base.digest import digest
from venvkit.base.local import look_at
from venvkit.base.watch import Watch
from venvkit.catalogue.sources import call_sources
from venvkit.catalogue.values import Source
from venvkit.events import Observer
from venvkit.fleet.values import Launch
from venvkit.launch.asked import Call
from venvkit.launch.inputs import read_inputs
from venvkit.launch.job import Job, open_job
from venvkit.launch.localsources import local_paths, source_texts
from venvkit.settings import Settings
from venvkit.spec.engines import EngineTable
from venvkit.spec.model import ModelSpec
from venvkit.tools.pip.client import Pip, check_levers

if TYPE_CHECKING:
    from venvkit.launch.asked import Choices

# Asks for nothing: opening it reads all that launches have in common, and tells the faults of that before any launch.
_NOTHING = ModelSpec("fleet", ())


class Ground(Struct, frozen=True):
    """What the launches of a run have in common.

    Args:
        choices: What the caller chose for all of them.
        job: A job that asks for nothing, for its host, tool and settings.
        engines: The engine data.
        sources: Where models come from.
    """

    choices: Choices
    job: Job
    engines: EngineTable
    sources: tuple[Source, ...]

    @property
    def platform(self) -> str:
        """The platform to launch on, as `sys_platform` says it."""
        return dict(self.job.child.interpreter.environment).get("sys_platform", "")


def look(
    choices: Choices, settings: Settings, *, environ: Mapping[str, str], observer: Observer, cancel: threading.Event
) -> Ground:
    """Look at what all launches have in common.

    Args:
        choices: As for `plan_env`, without an engine.

    Raises:
        VenvkitError: As `open_job`.
    """
    call = Call(_NOTHING, choices, settings, environ)
    job = open_job(call, observer, cancel)
    inputs = read_inputs(call, job.host, cache=job.cache, observer=observer, cancel=cancel)
    sources = call_sources(call, job.host, cache=job.cache, observer=observer, cancel=cancel)
    return Ground(choices, job, inputs.engines, sources)


def likeness(ground: Ground, launch: Launch) -> Hashable:
    """Return what the request of a launch is made from: most of a catalogue differs in names alone.

    A name counts only where a rule of the engine data knows it.
    """
    spec = launch.spec
    facts = tuple(getattr(spec, name) for name in spec.__struct_fields__ if name not in ("name", "type", "origin"))
    known = any(spec.name.casefold() in map(str.casefold, rule.models) for rule in ground.engines.rules)
    return launch.engine, spec.name if known else "", facts


def open_launch(ground: Ground, launch: Launch) -> Job:
    """Return the job of a launch, as `open_job` would: only the request is made anew.

    Raises:
        VenvkitError: The spec cannot be launched so.
    """
    job = ground.job
    choices: Choices = {**ground.choices, "engine": launch.engine}
    call = Call(launch.spec, choices, job.call.settings, job.call.environ)
    inputs = read_inputs(call, job.host, cache=job.cache, observer=job.observer, cancel=job.runner.cancel)
    request, watches = inputs.request(call, job.host, job.child, job.cache)
    if isinstance(job.tool, Pip):
        check_levers(request.levers, request.sources)
    return replace(job, call=call, spec=launch.spec, request=request, watches=(*job.host.watches, *watches))


def request_key(job: Job) -> str:
    """Return the digest of what a plan follows from: equal for launches that ask for the same, whatever their names.

    An index that is asked over the network is not in it, so an answer found by it may be old. Where local sources are
    too many to look at, no other request is equal.
    """
    request = job.request
    look = look_at(local_paths(source_texts(request, job.call.environ)))
    asked = tuple(sorted((replace(item, origin="") for item in request.requirements), key=str))
    nameless = replace(job, request=replace(request, model="", engine=None, requirements=asked))
    return digest(
        [
            nameless.alike,
            job.backend,
            "" if isinstance(job.tool, Pip) else job.tool.version,
            bool(job.call.choices["upgrade"]),
            _uv_files(job),
            look.digest if look is not None else uuid.uuid4().hex,
        ]
    )


def _uv_files(job: Job) -> list[Watch]:
    """uv's own configuration files; what the other files of a job's watches say is in its request."""
    named = job.call.environ.get("UV_CONFIG_FILE")
    return [watch for watch in job.watches if str(watch[1]).endswith("/uv.toml") or watch[1] == named]
