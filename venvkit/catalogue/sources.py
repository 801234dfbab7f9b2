"""The sources that a call searches for a model by name: the folders of this machine, then the server on request."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from venvkit.catalogue.find import Asked, Found, find_model
from venvkit.catalogue.folders import Folders
from venvkit.catalogue.places import local_places
from venvkit.catalogue.values import Source
from venvkit.events import Observer, Warned
from venvkit.host.snapshot import HostSnapshot
from venvkit.settings import Settings


def model_sources(
    settings: Settings,
    environ: Mapping[str, str],
    *,
    host: HostSnapshot,
    specs: Sequence[str],
    from_server: bool,
    cache: Path,
    observer: Observer,
    cancel: threading.Event | None,
) -> tuple[Source, ...]:
    """Return the sources of models, in the order in which they are asked.

    Args:
        environ: The caller's environment, for the connection to the server.
        host: Its `xinference`, where it has one, brings a catalogue.
        specs: Folders of specs that come first, absolute.
        from_server: Ask the running server too, after the folders.
        cache: The user's cache directory of venvkit.
    """
    interpreter = host.interpreter
    site_dirs = (*interpreter.site_dirs, *interpreter.pth_dirs)
    folders = Folders(local_places(specs=specs, home=settings.home, site_dirs=site_dirs), cache_dir=cache / "catalogue")
    if not from_server:
        return (folders,)
    from venvkit.catalogue.server import Server

    return (folders, Server(settings, environ, cancel=cancel, observer=observer))


def find_spec(asked: Asked, sources: Sequence[Source], observer: Observer) -> Found:
    """Return the spec of the model that is asked for.

    Raises:
        SpecError: No place has it, several have, or the spec is faulty.
        SourceError: The server cannot be asked, or refuses.
    """
    found = find_model(asked, sources)
    for fault in found.passed:
        observer(Warned("spec-passed-over", f"{fault}; {found.model.origin} is taken instead"))
    if found.model.place.kind == "server":
        # What a server answers cannot be watched: it is asked again each time.
        return replace(found, watches=(*found.watches, ["unwatchable", found.model.path]))
    return found
