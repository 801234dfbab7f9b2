"""What a call names beside the host: the spec, engine data, pip's configuration; and the request made from them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from msgspec import Struct

from venvkit.base.documents import format_of
from venvkit.base.reading import parse_toml, read_regular
from venvkit.base.watch import Watch, stat_watch
from venvkit.errors import PolicyError, SpecError, UsageError
from venvkit.events import Observer, Warned
from venvkit.host.accelerator import Accelerator, accelerator_watches, detect, parse_accelerator
from venvkit.host.snapshot import HostSnapshot
from venvkit.launch.asked import Call
from venvkit.launch.given import is_path
from venvkit.plan.families import Families, parse_families
from venvkit.spec.configuration.bounds import Bounds
from venvkit.spec.configuration.paths import text_files
from venvkit.spec.configuration.pip import read_pip_config
from venvkit.spec.configuration.uv import uv_bounds, uv_config_files
from venvkit.spec.data import data_dir, engine_files, own_engine_file
from venvkit.spec.engines import EngineTable, load_engines
from venvkit.spec.language.compare import engine_key
from venvkit.spec.language.marker import MarkerContext
from venvkit.spec.levers import Levers
from venvkit.spec.model import ModelSpec, parse_specs
from venvkit.spec.offline import without_public_network
from venvkit.spec.options import LEVERS
from venvkit.spec.request import Choice, Request, build_request, spec_engines


class Inputs(Struct, frozen=True):
    """What was read, and from where; `place` tells where the spec of a name was found."""

    spec: ModelSpec
    engines: EngineTable
    families: Families
    watches: tuple[Watch, ...]
    place: str = ""

    @property
    def label(self) -> str:
        """The model, and where its spec was found when it was given by its name."""
        return f"{self.spec.name} ({self.place})" if self.place else self.spec.name

    def request(
        self, call: Call, host: HostSnapshot, child: HostSnapshot, cache: Path
    ) -> tuple[Request, tuple[Watch, ...]]:
        """Build the request for a host, and return it with everything that it was read from.

        Raises:
            UsageError: The spec, an option or a configuration file is faulty.
            PolicyError: A find-links folder lies outside the roots that the operator allows.
        """
        settings = call.settings
        _check_find_links(call)

        named = call.choice("accelerator", settings.accelerator)
        stated = parse_accelerator(str(named), where="--accelerator") if named else None

        def accelerator() -> Accelerator:
            return stated or detect(host, cache_dir=cache, environ=call.environ)

        context = MarkerContext(
            environment=dict(child.interpreter.environment),
            engine=call.choices["engine"],
            accelerator=accelerator,
            variables={"model_src": settings.model_src, **call.choices["variables"]},
        )
        pip = read_pip_config(call.environ, prefix=host.interpreter.prefix)
        machine = uv_bounds(call.environ) if call.choice("backend", settings.backend) == "uv" else Bounds()
        request = build_request(
            self.spec,
            _choice(call),
            engines=self.engines,
            context=context,
            host_versions=host.versions(),
            pip=pip.sources,
            machine=machine.statements,
        )
        if call.choice("offline", settings.offline):
            request = without_public_network(request)
        named = (path for _, path in text_files(call.environ))
        files = dict.fromkeys((*pip.files, *machine.files, *uv_config_files(call.environ), *named))
        watches = (*self.watches, *map(stat_watch, files))
        if "accelerator" in request.relied:
            watches += tuple(accelerator_watches())
        return request, watches


def read_inputs(
    call: Call, host: HostSnapshot, *, cache: Path, observer: Observer, cancel: threading.Event | None
) -> Inputs:
    """Read the spec and the engine data.

    Raises:
        SpecError: One of them is faulty, the file holds more than one model, or no place has a model of that name.
        SourceError: The server that was to be asked cannot be, or refuses.
    """
    # Before anything is read: what comes between is noticed by the next launch.
    own = stat_watch(str(own_engine_file(call.settings)))
    paths = [file.path for file in engine_files(call.settings)]
    abi = data_dir() / "abi.toml"
    read = [stat_watch(str(path)) for path in (*paths, abi)]
    engines, families = _data(tuple(map(str, paths)), str(abi), tuple(map(tuple, read)))
    watches = (*read, own, call.settings.file_watch)
    if call.given.name is None:
        path = call.given.path
        # A file may stand in the way of a model's name.
        place = f"the file {path} of this directory" if path is not None and not is_path(path) else ""
        return Inputs(_spec(call), engines, families, watches, place)
    from venvkit.catalogue.sources import find_spec

    found = find_spec(call, host, engines=engines, cache=cache, observer=observer, cancel=cancel)
    place = f"{found.model.place.label}: {found.model.origin}"
    return Inputs(found.spec, engines, families, (*watches, *found.watches), place)


def engine_warnings(inputs: Inputs, engine: str | None, platform: str) -> Iterator[Warned]:
    """Yield what an operator should know of the engine that a model is launched with, or without."""
    model, named = inputs.spec.name, spec_engines(inputs.spec, inputs.engines)
    known = inputs.engines.find(engine) if engine else None
    if engine is None and named:
        message = f"{model} is written for {', '.join(named)}: without --engine it gets nothing of theirs"
        yield Warned("engine-not-chosen", message)
    elif engine is not None and named and engine_key(engine) not in map(engine_key, named):
        message = f"{model} is written for {', '.join(named)}: for {engine} its spec brings nothing of its own"
        yield Warned("engine-not-named", message)
    if known is not None and not known.runs_on(platform):
        yield Warned("engine-elsewhere", f"{known.name} runs on {', '.join(known.platforms)}, and this is {platform}")


@lru_cache(maxsize=8)
def _data(paths: tuple[str, ...], abi: str, _state: tuple[tuple[object, ...], ...]) -> tuple[EngineTable, Families]:
    """Parse the data files, once per process and state of them: a fleet is planned over one table."""
    return load_engines(paths), parse_families(parse_toml(read_regular(abi)), origin=abi)


def _spec(call: Call) -> ModelSpec:
    given = call.given
    if given.path is not None:
        try:
            file = Path(given.path)
            folder = str(file.absolute().parent)
            specs = parse_specs(given.content, origin=given.path, format=format_of(file), folder=folder)
        except SpecError as error:
            if not is_path(given.path):
                error.remedy = f"a file called {given.path} lies in this directory: correct it, or move it away"
            raise
        if len(specs) > 1:
            names = ", ".join(spec.name for spec in specs[:10])
            raise SpecError(
                f"the file holds {len(specs)} models: {names}",
                code="spec-ambiguous",
                where=given.path,
                remedy="put the one that is wanted in a file of its own",
            )
        return specs[0]
    assert given.value is not None
    return given.value


def _choice(call: Call) -> Choice:
    chosen: dict[str, Any] = {
        name: tuple(sorted(value.items())) if isinstance(value, dict) else value for name, value in call.choices.items()
    }
    return Choice(
        **{name: chosen[name] for name in Choice.__struct_fields__ if name in chosen},
        levers=Levers(**{lever.name: chosen[lever.name] for lever in LEVERS}),
        defaults=Levers(exclude_newer=call.settings.exclude_newer),
    )


def _check_find_links(call: Call) -> None:
    """Hold the caller's wheel folders to the operator's roots, once the operator has named some.

    The default root stands for what a server's users may send; a caller in this process is the operator.
    """
    if not call.choices["find_links"]:
        return
    setting = next(item for item in call.settings.explain() if item.variable.name.endswith("_FIND_LINKS_ALLOWED_ROOTS"))
    if setting.origin == "default":
        return
    roots = [Path(root).resolve() for root in call.settings.find_links_roots]
    for link in call.choices["find_links"]:
        folder = Path(link)
        if "://" in link or not folder.is_absolute() or not os.access(folder, os.R_OK | os.X_OK):
            raise UsageError(
                f"{link!r} is not an absolute, readable directory",
                code="find-links-invalid",
                where="find_links",
            )
        if not any(folder.resolve().is_relative_to(root) for root in roots):
            raise PolicyError(
                f"{link!r} lies outside the allowed roots",
                code="find-links-root",
                where=setting.variable.name,
                remedy="put the wheels below an allowed root, or add this one",
            )
