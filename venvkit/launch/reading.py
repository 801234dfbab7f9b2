"""From a call to a request: find the spec, read the configuration of pip and uv, build the request."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from venvkit.base.digest import digest, value_digest
from venvkit.base.documents import format_of
from venvkit.base.local import content_digest, is_tree, local_path
from venvkit.base.reading import parse_toml, read_regular
from venvkit.base.version import __version__
from venvkit.base.watch import Watch, cwd_watch, stat_watch, tree_watch
from venvkit.catalogue.find import Asked
from venvkit.catalogue.sources import find_spec, model_sources
from venvkit.catalogue.values import Source
from venvkit.errors import PolicyError, SpecError, UsageError
from venvkit.events import PhaseStarted, Warned
from venvkit.formats.receipt import Proved
from venvkit.host.accelerator import Accelerator, accelerator_watches, detect, parse_accelerator
from venvkit.host.snapshot import HostSnapshot
from venvkit.launch.asked import Call
from venvkit.launch.given import is_path
from venvkit.launch.host import Seen, Services, look_at_host, see
from venvkit.plan.families import Families, parse_families
from venvkit.settings import Settings, key_environ, key_settings
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
from venvkit.spec.request import Choice, Request, Sources, build_request, spec_engines
from venvkit.tools.find import backend_name, tool_watches


class Named(Struct, frozen=True):
    """The spec of a call, with the engine data that it is read with.

    Args:
        place: Where the spec of a name was found, in words; empty for one that was given.
        watches: What shows that another spec or other data would be read.
    """

    spec: ModelSpec
    engines: EngineTable
    families: Families
    watches: tuple[Watch, ...]
    place: str = ""


class Reading(Struct, frozen=True):
    """Everything that a call names, read: values alone.

    Args:
        seen: The host.
        tool: The backend's name and the version of its program; empty for pip, which is the child's own.
        texts: Digests of the files of configuration that decide something, by their place.
        driver: The accelerator, where uv chooses the line of torch by it.
        watches: What shows that any of it is another one.
    """

    call: Call
    spec: ModelSpec
    request: Request
    families: Families
    seen: Seen
    tool: tuple[str, str]
    texts: tuple[str | None, ...]
    driver: Accelerator | None
    watches: tuple[Watch, ...]

    @property
    def backend(self) -> str:
        """The tool that plans and installs: `uv` or `pip`."""
        return self.tool[0]

    @property
    def prove(self) -> Proved:
        """How far the environment has to be proved."""
        level: Proved = self.call.choice("prove", self.call.settings.prove)
        return level

    @property
    def host(self) -> HostSnapshot:
        """The host as it is."""
        return self.seen.host

    @property
    def child(self) -> HostSnapshot:
        """What may be seen and inherited of the host."""
        return self.seen.child

    @property
    def deep(self) -> str:
        """Digest of what the plan follows from, and of the names it is for; equal when files were only touched."""
        return digest([self.request.model, self.request.engine, self._followed(upgrade=False)])

    @property
    def alike(self) -> str:
        """Digest of what the plan follows from: models with equal ones share a plan."""
        return self._followed(upgrade=self.call.choices["upgrade"])

    def _followed(self, *, upgrade: bool) -> str:
        call, interpreter = self.call, self.child.interpreter
        own = ("orphans", "runtime", "offline", "skip_installed")
        return value_digest(
            [
                __version__,
                replace(self.request, model="", engine=None, relied=(), sources=self.request.sources.decisive),
                self.host.fingerprint,
                [interpreter.prefix, interpreter.base_python, interpreter.version],
                self.seen.sees_host,
                self.families,
                self.tool,
                [*(call.choices[name] for name in own), upgrade],
                key_settings(call.settings)[1:],
                sorted(key_environ(call.environ).items()),
                self.texts,
                self.driver,
            ]
        )


def read_call(call: Call, services: Services) -> Reading:
    """Read everything that a call names.

    Raises:
        UsageError: The spec, an option, a variable or a configuration file is faulty, or an interpreter is missing.
        MachineError: There is no usable uv.
        SourceError: The server that was to be asked for the spec cannot be, or refuses.
    """
    host = look_at_host(call, services)
    named = find_named(call, host, services)
    seen = see(call, host, services)
    return read_request(call, seen, named, services)


def find_named(call: Call, host: HostSnapshot, services: Services) -> Named:
    """Return the spec of a call and the engine data.

    Raises:
        SpecError: One of them is faulty, the file holds more than one model, or no place has a model of that name.
        SourceError: The server that was to be asked cannot be, or refuses.
    """
    engines, families, watches = read_data(call.settings)
    if call.given.name is None:
        path = call.given.path
        # A file may stand in the way of a model's name.
        place = f"the file {path} of this directory" if path is not None and not is_path(path) else ""
        return Named(_spec(call), engines, families, watches, place)
    asked = Asked(
        name=call.given.name,
        type=call.choices["model_type"],
        variant=call.choices["variant"],
        engine=call.choices["engine"],
        format=call.choices["model_format"],
        elsewhere=engines.elsewhere(dict(host.interpreter.environment)["sys_platform"]),
    )
    found = find_spec(asked, call_sources(call, host, services), services.observer)
    place = f"{found.model.place.label}: {found.model.origin}"
    return Named(found.spec, engines, families, (*watches, *found.watches), place)


def call_sources(call: Call, host: HostSnapshot, services: Services) -> tuple[Source, ...]:
    """Return where a call looks for models by name, in the order in which the places are asked."""
    return model_sources(
        call.settings,
        call.environ,
        host=host,
        specs=call.choices["specs"],
        from_server=call.choices["from_server"],
        cache=services.cache,
        observer=services.observer,
        cancel=services.runner.cancel,
    )


def read_data(settings: Settings) -> tuple[EngineTable, Families, tuple[Watch, ...]]:
    """Return the engine data, the families of distributions that belong together, and what shows another state."""
    # Before anything is read: what comes between is noticed by the next launch.
    own = stat_watch(str(own_engine_file(settings)))
    paths = [file.path for file in engine_files(settings)]
    abi = data_dir() / "abi.toml"
    read = [stat_watch(str(path)) for path in (*paths, abi)]
    engines, families = _parsed(tuple(map(str, paths)), str(abi), tuple(map(tuple, read)))
    return engines, families, (*read, own, settings.file_watch)


@lru_cache(maxsize=8)
def _parsed(paths: tuple[str, ...], abi: str, _state: tuple[tuple[object, ...], ...]) -> tuple[EngineTable, Families]:
    """Parse the data files, once per process and state of them: a fleet is planned over one table."""
    return load_engines(paths), parse_families(parse_toml(read_regular(abi)), origin=abi)


def read_request(call: Call, seen: Seen, named: Named, services: Services) -> Reading:
    """Build the request of a spec for a host, with everything that it was read from.

    Raises:
        UsageError: The spec, an option or a configuration file is faulty.
        PolicyError: A find-links folder lies outside the roots that the operator allows.
    """
    observer, tool = services.observer, services.find_tool()
    backend = backend_name(tool)
    observer(PhaseStarted("request", f"{named.spec.name} ({named.place})" if named.place else named.spec.name))
    pip = read_pip_config(call.environ, prefix=seen.host.interpreter.prefix)
    machine = uv_bounds(call.environ) if backend == "uv" else Bounds()
    own = pip.files if backend == "pip" else (*machine.files, *uv_config_files(call.environ))
    texts = dict.fromkeys((*own, *(path for _, path in text_files(call.environ))))
    files = dict.fromkeys((*pip.files, *texts))
    watches = [*seen.watches, *named.watches, *map(stat_watch, files), *tool_watches(tool)]
    request = _request(call, seen, named, (pip.sources, machine), services)
    for warning in _engine_warnings(named, request.engine, dict(seen.child.interpreter.environment)["sys_platform"]):
        observer(warning)
    if backend == "pip":
        from venvkit.tools.pip.client import check_levers

        check_levers(request.levers, request.sources)
    driver = None
    torch = (request.levers.torch_backend, call.environ.get("UV_TORCH_BACKEND"))
    if "accelerator" in request.relied or "auto" in torch:
        watches += accelerator_watches()
        driver = detect(None, cache_dir=services.cache, environ=call.environ) if "auto" in torch else None
    watches += local_watches(item.url for item in request.requirements)
    watches += _relative_watches(request.sources, files)
    return Reading(
        call=call,
        spec=named.spec,
        request=request,
        families=named.families,
        seen=seen,
        tool=(backend, getattr(tool, "version", "")),
        texts=tuple(map(content_digest, texts)),
        driver=driver,
        watches=tuple(watches),
    )


def _request(call: Call, seen: Seen, named: Named, configured: tuple[Sources, Bounds], services: Services) -> Request:
    settings, host = call.settings, seen.host
    _check_find_links(call)
    stated = call.choice("accelerator", settings.accelerator)
    accelerator = parse_accelerator(str(stated), where="--accelerator") if stated else None
    context = MarkerContext(
        environment=dict(seen.child.interpreter.environment),
        engine=call.choices["engine"],
        accelerator=lambda: accelerator or detect(host, cache_dir=services.cache, environ=call.environ),
        variables={"model_src": settings.model_src, **call.choices["variables"]},
    )
    request = build_request(
        named.spec,
        _choice(call),
        engines=named.engines,
        context=context,
        host_versions=host.versions(),
        pip=configured[0],
        machine=configured[1].statements,
    )
    return without_public_network(request) if call.choice("offline", settings.offline) else request


def local_watches(urls: Iterable[str | None]) -> Iterator[Watch]:
    """Yield what shows a change of the files and source trees of this machine that direct references name."""
    for path in filter(None, map(local_path, urls)):
        yield tree_watch(path) if is_tree(path) else stat_watch(path)


def _relative_watches(sources: Sources, files: Iterable[str]) -> Iterator[Watch]:
    """Yield the working directory, where a path of pip's or uv's configuration may have been relative to it.

    Paths of a caller and of a spec are absolute since they were read, and so are the places of configuration files.
    """
    here = cwd_watch()
    folder = f"{here[1]}{os.sep}"
    told = (one.value for one in sources.statements if one.kind in ("find-links", "cert") and one.by in ("pip", "uv"))
    places = (*told, *(path for path in files if not path.endswith((f"{os.sep}pip.conf", f"{os.sep}uv.toml"))))
    if any(path.startswith(folder) or ("://" not in path and not path.startswith(os.sep)) for path in places):
        yield here


def _engine_warnings(named: Named, engine: str | None, platform: str) -> Iterator[Warned]:
    """Yield what an operator should know of the engine that a model is launched with, or without."""
    model, written = named.spec.name, spec_engines(named.spec, named.engines)
    known = named.engines.find(engine) if engine else None
    if engine is None and written:
        message = f"{model} is written for {', '.join(written)}: without --engine it gets nothing of theirs"
        yield Warned("engine-not-chosen", message)
    elif engine is not None and written and engine_key(engine) not in map(engine_key, written):
        message = f"{model} is written for {', '.join(written)}: for {engine} its spec brings nothing of its own"
        yield Warned("engine-not-named", message)
    if known is not None and not known.runs_on(platform):
        yield Warned("engine-elsewhere", f"{known.name} runs on {', '.join(known.platforms)}, and this is {platform}")


def _spec(call: Call) -> ModelSpec:
    given = call.given
    if given.path is None:
        assert given.value is not None
        return given.value
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
