"""Where distributions may come from: caller's, spec's, pip's and engine's sources become one value."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from venvkit.spec.engine_values import Engine
from venvkit.spec.marker import MarkerContext

_CUDA_LINE = re.compile(r"/(cu\d{2,3})(?:/|$)")


@dataclass(frozen=True, slots=True)
class Sources:
    """The places that distributions may come from.

    Args:
        index_url: The index; None leaves it to the installer.
        extra_index_urls: Further indexes, the first asked first.
        find_links: Directories or pages of wheels.
        trusted_hosts: Hosts whose certificates are not checked.
        index_strategy: How several indexes are combined, in uv's words; None leaves it to the installer.
        no_build_isolation: Build with what the environment has.
        optional_index_urls: Those of `extra_index_urls` that may be left out when they cannot be reached. A
            refusal (401, 403) is an error all the same.
    """

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    index_strategy: str | None = None
    no_build_isolation: bool = False
    optional_index_urls: tuple[str, ...] = ()


def stated_sources(first: Sources, second: Sources, pip: Sources | None) -> Sources:
    """Return what was stated by somebody: the caller (`first`), the spec (`second`), pip's configuration.

    An index of caller or spec replaces pip's index and extra indexes together; find-links and hosts add up.
    """
    mine = bool(first.index_url or first.extra_index_urls or second.index_url or second.extra_index_urls)
    pip = pip or Sources()
    index_url = first.index_url or second.index_url
    extra = unique(first.extra_index_urls, second.extra_index_urls)
    return Sources(
        index_url=index_url if mine else pip.index_url,
        extra_index_urls=extra if mine else pip.extra_index_urls,
        find_links=unique(first.find_links, second.find_links, pip.find_links),
        trusted_hosts=unique(first.trusted_hosts, second.trusted_hosts, pip.trusted_hosts),
        index_strategy=first.index_strategy or second.index_strategy or (None if mine else pip.index_strategy),
        no_build_isolation=first.no_build_isolation or second.no_build_isolation or pip.no_build_isolation,
    )


def with_engine(
    stated: Sources, engine: Engine | None, *, host_urls: tuple[str, ...], context: MarkerContext
) -> tuple[Sources, tuple[tuple[str, str], ...]]:
    """Return the sources with those that the engine data adds, and the packages it ties to one index.

    Args:
        stated: What caller, spec and pip say; their extra indexes stand instead of any of these.
        engine: The launched engine, if the data knows it.
        host_urls: Indexes that fit the host's own builds; they go first, and are optional.
        context: Asked for the CUDA version, if a rule depends on it.
    """
    urls: tuple[str, ...] = () if stated.extra_index_urls else host_urls
    optional: tuple[str, ...] = urls
    strategy = stated.index_strategy
    tied: tuple[tuple[str, str], ...] = ()
    if engine is not None:
        tied, general = _cuda_indexes(engine, context)
        if not stated.extra_index_urls:
            ours = (*general, *_of_this_machine(engine.extra_index_urls, context))
            urls = unique(urls, ours)
            optional = unique(optional, tuple(url for url in ours if url in engine.optional_index_urls))
        # The strategy is there to combine the indexes: without any, the installer's own is safer.
        if engine.index_strategy and (urls or stated.extra_index_urls):
            strategy = strategy or engine.index_strategy
    sources = Sources(
        index_url=stated.index_url,
        extra_index_urls=unique(stated.extra_index_urls, urls),
        find_links=stated.find_links,
        trusted_hosts=stated.trusted_hosts,
        index_strategy=strategy,
        no_build_isolation=stated.no_build_isolation,
        optional_index_urls=optional,
    )
    return sources, tied


def with_public(sources: Sources, public: tuple[str, ...]) -> Sources:
    """Return sources whose well-known public indexes are optional, whoever named them.

    An index of somebody's own is never: without it, its projects could be taken from elsewhere under their names.
    """
    known = tuple(url for url in sources.extra_index_urls if url.startswith(public))
    return replace(sources, optional_index_urls=unique(sources.optional_index_urls, known))


def unique(*lists: tuple[str, ...]) -> tuple[str, ...]:
    """Return the lists as one, each entry at its first place."""
    return tuple(dict.fromkeys(entry for one in lists for entry in one))


def _cuda_indexes(engine: Engine, context: MarkerContext) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Return the packages tied to an index, and the indexes for all, that fit the machine's CUDA version."""
    if not engine.cuda_indexes:
        return (), ()
    version = context.accelerator().cuda_version
    if version is None:
        return (), ()
    tied: dict[str, str] = {}
    general: list[str] = []
    for index in engine.cuda_indexes:
        if not index.fits(version):
            continue
        if index.packages:
            for package in index.packages:
                tied.setdefault(package, index.index_url)
        elif not general:
            general.append(index.index_url)
    return tuple(tied.items()), tuple(general)


def _of_this_machine(urls: tuple[str, ...], context: MarkerContext) -> tuple[str, ...]:
    """Return `urls` without those for a CUDA line (`cu130`) that is not the machine's."""
    kept: list[str] = []
    for url in urls:
        line = _CUDA_LINE.search(url)
        if line is None or line[1] == _line_of(context.accelerator().cuda_version):
            kept.append(url)
    return tuple(kept)


def _line_of(version: str | None) -> str:
    """Return the CUDA line of a version: `cu130` of "13.0"; `""` where there is no CUDA."""
    if not version:
        return ""
    major, _, minor = version.partition(".")
    return f"cu{major}{minor.partition('.')[0] or '0'}"
