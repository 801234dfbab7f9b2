"""The request: what is asked once placeholders, markers and merges are done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from venvkit.errors import UsageError
from venvkit.spec.configuration.sources import Sources, stated_sources, with_engine, with_pins, with_public
from venvkit.spec.configuration.statements import By, Statement
from venvkit.spec.engine_values import BuildLine
from venvkit.spec.engines import ENGINE_NAME, Engine, EngineTable
from venvkit.spec.expansion import Expansion, merged
from venvkit.spec.language.compare import engine_key
from venvkit.spec.language.marker import MarkerContext
from venvkit.spec.language.requirement import Requirement
from venvkit.spec.language.urls import check_find_links, check_index_url, quoted
from venvkit.spec.levers import Levers
from venvkit.spec.model import ModelSpec, check_index_strategy
from venvkit.spec.options import NO_ENGINE

__all__ = ["Choice", "Request", "Sources", "build_request", "spec_engines"]

_RESERVED = frozenset({"engine", "model_engine"})


class Request(Struct, frozen=True):
    """A request to the planner.

    Args:
        engine: The launched engine, by the name the data or the spec gives it, or None.
        requirements: What is required, one per distribution, in the order of first mention.
        sources: Where distributions may come from.
        levers: How to solve it; no markers are left in it.
        relied: What of the machine the request depends on: `accelerator`, `host:torch`.
        lines: Indexes of the builds that fit the host; none where somebody says where such builds come from.
    """

    model: str
    engine: str | None
    requirements: tuple[Requirement, ...]
    sources: Sources
    levers: Levers
    relied: tuple[str, ...]
    lines: tuple[BuildLine, ...] = ()


class Choice(Struct, frozen=True):
    """The caller's options, beside the model.

    Args:
        packages: Strings of the requirement language; each replaces every requirement of its name.
        variables: Names and values of `#variables#`.
        index_strategy: How several indexes are combined.
        levers: How the request is to be solved.
        defaults: Levers of the settings: what spec, engine data or caller say of the same wins.
    """

    engine: str | None = None
    model_format: str | None = None
    packages: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    index_strategy: str | None = None
    levers: Levers = Levers()
    defaults: Levers = Levers()


def build_request(
    spec: ModelSpec,
    choice: Choice,
    *,
    engines: EngineTable,
    context: MarkerContext,
    host_versions: Mapping[str, str],
    pip: Sources | None,
    machine: Iterable[Statement] = (),
) -> Request:
    """Return the request of a model under a caller's choice on this machine.

    Args:
        choice: What the caller chose; its engine stands instead of the context's.
        context: What markers are evaluated in; the accelerator is asked only if something depends on it.
        host_versions: Versions of the host's distributions, by normalized name, with local parts.
        pip: What pip's configuration says, or None.
        machine: What the variables of the tool that plans bound: constraints, overrides, the choice of files.

    Raises:
        UsageError: `engine-unknown`, `engine-reserved`, `format-unknown` or `variable-reserved`.
        SpecError: A string is malformed, or a marker's variable has no value.
    """
    name, engine = _launched(spec, choice.engine, engines)
    expansion = Expansion(
        _context(context, choice, name=name, engine=engine), engines, engine, host_versions=host_versions
    )
    base = merged(
        expansion.lines(_format_lines(spec, choice.model_format, engine), f"format {choice.model_format} packages"),
        expansion.lines(spec.packages, "virtualenv.packages"),
    )
    caller = merged(expansion.lines(choice.packages, "caller packages"))
    stated = stated_sources(_chosen_sources(choice), spec_sources(spec), pip if spec.inherit_pip_config else None)
    stated = stated.adding(machine)
    rules, levers = expansion.rules(spec.name, name, merged(base.values(), caller.values()).values())
    base_levers = engine.levers if engine else Levers()
    layers = (choice.defaults, base_levers, levers, spec.levers, choice.levers)
    own = _united(_bounds(stated), layers, expansion.context)
    # What the caller asks for by name is not excluded by anybody else.
    own = replace(own, excludes=tuple(one for one in own.excludes if one not in caller))
    chosen = merged(base.values(), rules, caller.values())
    requirements = tuple(one for one in chosen.values() if one.name not in own.excludes)
    host_urls = expansion.host_urls(requirements)
    sources, tied = with_engine(stated, engine, host_urls=host_urls, context=expansion.context)
    pins: tuple[tuple[By, Levers], ...]
    pins = (("caller", choice.levers), ("spec", spec.levers), ("rule", levers), ("engine", base_levers))
    sources = with_pins(with_public(sources, engines.public_indexes), tuple((by, said.sources) for by, said in pins))
    levers = Levers(sources=tied).merged(own)
    lines = () if _names_builds(stated, sources, levers) else expansion.build_lines()
    return Request(spec.name, name, requirements, sources, levers, expansion.relied(), lines)


def _united(base: Levers, layers: Iterable[Levers], context: MarkerContext) -> Levers:
    """Return levers after each layer, the strongest last, as far as it applies here."""
    for layer in layers:
        base = base.merged(layer.applied(context))
    return base


def _names_builds(stated: Sources, sources: Sources, levers: Levers) -> bool:
    """Tell whether somebody says where builds come from, by naming further indexes, or none at all."""
    return bool(sources.no_index or stated.extra_index_urls or levers.torch_backend)


def spec_engines(spec: ModelSpec, engines: EngineTable) -> tuple[str, ...]:
    """Return the engines that a spec's markers and placeholders name, in their order, each once.

    Engines that the data knows go by its name for them, others as written, in lower case.
    """
    found: dict[str, str] = {}
    for line in spec.lines():
        named = set(line.marker.engines()) if line.marker else set()
        if line.kind == "engine":
            named.add(line.name)
        for name in sorted(named):
            engine = engines.find(name)
            found.setdefault(engine_key(engine.name if engine else name), engine.name if engine else name.lower())
    return tuple(found.values())


def _launched(spec: ModelSpec, chosen: str | None, engines: EngineTable) -> tuple[str | None, Engine | None]:
    if chosen is None:
        return None, None
    name, engine = _known_engine(spec, chosen, engines)
    if name.lower() == NO_ENGINE:
        raise UsageError(
            f"an engine cannot be called {quoted(name)}: the store has the launches without an engine by that name",
            code="engine-reserved",
            where="engine",
            remedy="rename the engine, or launch without --engine",
        )
    return name, engine


def _known_engine(spec: ModelSpec, chosen: str, engines: EngineTable) -> tuple[str, Engine | None]:
    engine = engines.find(chosen)
    if engine is not None:
        return engine.name, engine
    named = spec_engines(spec, engines)
    found = next((name for name in named if engine_key(name) == engine_key(chosen)), None)
    if found is not None and ENGINE_NAME.fullmatch(found):
        return found, None
    raise engines.unknown(f"unknown engine {quoted(chosen)}", chosen, where="engine", others=named)


def _context(context: MarkerContext, choice: Choice, *, name: str | None, engine: Engine | None) -> MarkerContext:
    variables = {key.strip("#"): value for key, value in (*context.variables.items(), *choice.variables)}
    for reserved in _RESERVED & variables.keys():
        raise UsageError(
            f"the variable `{reserved}` is not set by hand",
            code="variable-reserved",
            where=reserved,
            remedy="choose the engine instead",
        )
    aliases = frozenset(engine.aliases) if engine else frozenset()
    return replace(context, engine=name, engine_names=aliases, variables=variables)


def _format_lines(spec: ModelSpec, chosen: str | None, engine: Engine | None) -> tuple[str, ...]:
    if chosen is None:
        return ()
    if spec.formats and chosen.lower() not in {one.lower() for one in spec.formats}:
        raise UsageError(
            f"the model does not come in the format {quoted(chosen)}",
            code="format-unknown",
            where="model_format",
            remedy=f"it comes in {', '.join(spec.formats)}",
        )
    return engine.format_packages(chosen) if engine else ()


def _bounds(sources: Sources) -> Levers:
    """Return the bounds of pip's and uv's configuration as levers."""
    return Levers(
        constraints=sources.values("constraint"),
        overrides=sources.values("override"),
        excludes=sources.values("exclude"),
        only_binary=sources.values("only-binary"),
    )


def _chosen_sources(choice: Choice) -> Sources:
    for url in (*filter(None, (choice.index_url,)), *choice.extra_index_urls):
        check_index_url(url, "index_url" if url == choice.index_url else "extra_index_url")
    for link in choice.find_links:
        check_find_links(link, "find_links")
    if choice.index_strategy is not None:
        check_index_strategy(choice.index_strategy, "index_strategy")
    return Sources.said(
        "caller",
        index_url=choice.index_url,
        extra_index_urls=choice.extra_index_urls,
        find_links=choice.find_links,
        index_strategy=choice.index_strategy,
    )


def spec_sources(spec: ModelSpec) -> Sources:
    """Return the sources that a spec names."""
    return Sources.said(
        "spec",
        index_url=spec.index_url,
        extra_index_urls=spec.extra_index_urls,
        find_links=spec.find_links,
        trusted_hosts=spec.trusted_hosts,
        index_strategy=spec.index_strategy,
        no_build_isolation=spec.no_build_isolation,
    )
