"""The sources that a call searches for a model by name: the folders of this machine, then the server on request."""

from __future__ import annotations

import threading
from pathlib import Path

from msgspec.structs import replace

from venvkit.catalogue.find import Asked, Found, find_model
from venvkit.catalogue.folders import Folders
from venvkit.catalogue.places import local_places
from venvkit.catalogue.values import Source
from venvkit.events import Observer, Warned
from venvkit.host.snapshot import HostSnapshot
from venvkit.launch.asked import Call
from venvkit.spec.engines import EngineTable


def call_sources(
    call: Call, host: HostSnapshot, *, cache: Path, observer: Observer, cancel: threading.Event | None
) -> tuple[Source, ...]:
    """Return the sources of a call, in the order in which they are asked.

    Args:
        host: Its `xinference`, where it has one, brings a catalogue.
        cache: The user's cache directory of venvkit.
    """
    interpreter = host.interpreter
    places = local_places(
        specs=call.choices["specs"],
        home=call.settings.home,
        site_dirs=(*interpreter.site_dirs, *interpreter.pth_dirs),
    )
    folders = Folders(places, cache_dir=cache / "catalogue")
    if not call.choices["from_server"]:
        return (folders,)
    from venvkit.catalogue.server import Server

    return (folders, Server(call.settings, call.environ, cancel=cancel, observer=observer))


def find_spec(
    call: Call,
    host: HostSnapshot,
    *,
    engines: EngineTable,
    cache: Path,
    observer: Observer,
    cancel: threading.Event | None,
) -> Found:
    """Return the spec of the model that a call names.

    Args:
        engines: They say which variants of a model are made for another platform.

    Raises:
        SpecError: No place has it, several have, or the spec is faulty.
        SourceError: The server cannot be asked, or refuses.
    """
    asked = Asked(
        name=call.given.name or "",
        type=call.choices["model_type"],
        variant=call.choices["variant"],
        engine=call.choices["engine"],
        format=call.choices["model_format"],
        elsewhere=engines.elsewhere(dict(host.interpreter.environment)["sys_platform"]),
    )
    found = find_model(asked, call_sources(call, host, cache=cache, observer=observer, cancel=cancel))
    for fault in found.passed:
        observer(Warned("spec-passed-over", f"{fault}; {found.model.origin} is taken instead"))
    if found.model.place.kind == "server":
        # What a server answers cannot be watched: it is asked again each time.
        return replace(found, watches=(*found.watches, ["unwatchable", found.model.path]))
    return found
