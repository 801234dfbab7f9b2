"""From launches to readings: host, tool and engine data are looked at once, each launch adds its own request."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from venvkit.base.digest import digest
from venvkit.base.local import look_at
from venvkit.catalogue.values import Source
from venvkit.events import Observer
from venvkit.fleet.values import Launch
from venvkit.launch.asked import Call
from venvkit.launch.host import Services, open_services
from venvkit.launch.plans import local_paths, source_texts
from venvkit.launch.reading import Named, Reading, call_sources, read_call, read_data, read_request
from venvkit.settings import Settings
from venvkit.spec.engines import EngineTable
from venvkit.spec.model import ModelSpec

if TYPE_CHECKING:
    from venvkit.launch.asked import Choices

# Asks for nothing: reading it reads all that launches have in common, and tells the faults of that before any launch.
_NOTHING = ModelSpec("all models", ())


class Ground(Struct, frozen=True):
    """The common ground of the launches of a run.

    Args:
        choices: What the caller chose for all of them.
        services: What they are planned with.
        reading: The reading of a call that asks for nothing: its host, tool and settings.
    """

    choices: Choices
    services: Services
    reading: Reading
    engines: EngineTable
    sources: tuple[Source, ...]

    @property
    def platform(self) -> str:
        """The platform to launch on, as `sys_platform` says it."""
        return dict(self.reading.child.interpreter.environment).get("sys_platform", "")


def look(
    choices: Choices, settings: Settings, *, environ: Mapping[str, str], observer: Observer, cancel: threading.Event
) -> Ground:
    """Read the host, the tool and the data that all launches share.

    Args:
        choices: As for `plan_env`, without an engine.

    Raises:
        VenvkitError: As `read_call`.
    """
    call = Call(_NOTHING, choices, settings, environ)
    services = open_services(call, observer, cancel)
    reading = read_call(call, services)
    engines, _, _ = read_data(settings)
    return Ground(choices, services, reading, engines, call_sources(call, reading.host, services))


def likeness(ground: Ground, launch: Launch) -> Hashable:
    """Return the facts that the request of a launch follows from: most of a catalogue differs in names alone.

    A name counts only where a rule of the engine data knows it.
    """
    spec = launch.spec
    facts = tuple(getattr(spec, name) for name in spec.__struct_fields__ if name not in ("name", "type", "origin"))
    known = any(spec.name.casefold() in map(str.casefold, rule.models) for rule in ground.engines.rules)
    return launch.engine, spec.name if known else "", facts


def open_launch(ground: Ground, launch: Launch) -> Reading:
    """Return the reading of a launch: only the request is made anew.

    Raises:
        VenvkitError: The spec cannot be launched so.
    """
    common = ground.reading.call
    choices: Choices = {**ground.choices, "engine": launch.engine}
    call = Call(launch.spec, choices, common.settings, common.environ)
    named = Named(launch.spec, *read_data(common.settings))
    return read_request(call, ground.reading.seen, named, ground.services)


def request_key(reading: Reading) -> str:
    """Return the digest of what a plan follows from: equal for launches that ask for the same, whatever their names.

    An index that is asked over the network is not in it, so an answer found by it may be old. Where local sources are
    too many to look at, no other request is equal.
    """
    request = reading.request
    look = look_at(local_paths(source_texts(request, reading.call.environ)))
    asked = tuple(sorted((replace(item, origin="") for item in request.requirements), key=str))
    nameless = replace(reading, request=replace(request, requirements=asked))
    return digest([nameless.alike, look.digest if look is not None else uuid.uuid4().hex])
