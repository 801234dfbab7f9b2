"""Where distributions may come from: caller's, spec's, pip's and engine's sources become one value."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from venvkit.spec.configuration.statements import SPEAKERS, By, Kind, Statement, settled, without
from venvkit.spec.engine_values import Engine
from venvkit.spec.language.marker import MarkerContext

_USER = re.compile(r"(?<=://)[^/?#]*@")
_CUDA_LINE = re.compile(r"/(cu\d{2,3})(?:/|$)")


class Sources(Struct, frozen=True):
    """The places that distributions may come from.

    Args:
        index_url: The index; None leaves it to the installer.
        extra_index_urls: Further indexes, the first asked first.
        find_links: Directories or pages of wheels.
        trusted_hosts: Hosts whose certificates are not checked.
        index_strategy: How several indexes are combined, in uv's words; None leaves it to the installer.
        no_build_isolation: Build with what the environment has.
        no_index: Ask no index at all, whoever names one later.
        optional_index_urls: Those of `extra_index_urls` that may be left out when they cannot be reached. A
            refusal (401, 403) is an error all the same.
        public_indexes: Addresses, each with a slash at its end, below which indexes are open to everybody: a 403
            from one of them says that it lacks the project.
        cert: A bundle of certificate authorities in place of the installer's own, as pip's configuration names it.
        statements: Who said which of this, and what was not heeded. No part of the value.
    """

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    index_strategy: str | None = None
    no_build_isolation: bool = False
    optional_index_urls: tuple[str, ...] = ()
    no_index: bool = False
    public_indexes: tuple[str, ...] = ()
    cert: str | None = None
    statements: tuple[Statement, ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sources) and self._compared == other._compared

    def __hash__(self) -> int:
        return hash(self._compared)

    @property
    def _compared(self) -> tuple[object, ...]:
        ignored = ("public_indexes", "statements")
        return tuple(getattr(self, name) for name in self.__struct_fields__ if name not in ignored)

    @property
    def decisive(self) -> Sources:
        """The part that decides which distributions are found, for keys."""
        return replace(self, public_indexes=(), cert=None, statements=())

    def said(self, by: By) -> tuple[Statement, ...]:
        """Return what this states as statements of one speaker, unless it has an account of its own."""
        if self.statements:
            return self.statements
        lists: tuple[tuple[Kind, tuple[str | None, ...]], ...] = (
            ("extra-index", self.extra_index_urls),
            ("index", (self.index_url,)),
            ("index-strategy", (self.index_strategy,)),
            ("find-links", self.find_links),
            ("trusted-host", self.trusted_hosts),
            ("cert", (self.cert,)),
        )
        return tuple(Statement(kind, value, by) for kind, values in lists for value in values if value)


def stated_sources(first: Sources, second: Sources, pip: Sources | None) -> Sources:
    """Return what was stated by somebody: the caller (`first`), the spec (`second`), pip's configuration.

    An index of caller or spec replaces pip's index and extra indexes together; find-links and hosts add up.
    """
    owner: By = "caller" if first.index_url or first.extra_index_urls else "spec"
    mine = owner == "caller" or bool(second.index_url or second.extra_index_urls)
    pip = pip or Sources()
    theirs = pip.said("pip")
    if mine:
        theirs = without(theirs, ("index", "extra-index", "index-strategy"), f"{SPEAKERS[owner]} names indexes")
    index_url = first.index_url or second.index_url
    extra = unique(first.extra_index_urls, second.extra_index_urls)
    return Sources(
        index_url=index_url if mine else pip.index_url,
        extra_index_urls=extra if mine else pip.extra_index_urls,
        find_links=unique(first.find_links, second.find_links, pip.find_links),
        trusted_hosts=unique(first.trusted_hosts, second.trusted_hosts, pip.trusted_hosts),
        index_strategy=first.index_strategy or second.index_strategy or (None if mine else pip.index_strategy),
        no_build_isolation=first.no_build_isolation or second.no_build_isolation or pip.no_build_isolation,
        no_index=pip.no_index and not mine,
        cert=first.cert or second.cert or pip.cert,
        statements=settled((*first.said("caller"), *second.said("spec"), *theirs)),
    )


def with_engine(
    stated: Sources, engine: Engine | None, *, host_urls: tuple[tuple[str, str], ...], context: MarkerContext
) -> tuple[Sources, tuple[tuple[str, str], ...]]:
    """Return the sources with those that the engine data adds, and the packages it ties to one index.

    Args:
        stated: What caller, spec and pip say; their extra indexes stand instead of any of these.
        engine: The launched engine, if the data knows it.
        host_urls: Indexes that fit the host's own builds, each with the build; they go first, and are optional.
        context: Asked for the CUDA version, if a rule depends on it.
    """
    found = tuple(Statement("extra-index", url, "host", build) for url, build in host_urls)
    tied: tuple[tuple[str, str], ...] = ()
    if engine is not None:
        special = _cuda_indexes(engine, context)
        tied = tuple((one.package, one.value) for one in special if one.package and not one.dropped)
        # Where others name indexes the engine's are not wanted, and so the machine is not asked either.
        lines = _lines(engine, None if stated.extra_index_urls or stated.no_index else context)
        found = (*found, *special, *lines)
    if stated.no_index:
        found = without(found, ("extra-index",), f"{SPEAKERS['pip']} says to ask no index")
    elif stated.extra_index_urls:
        others = next(one for one in stated.statements if one.kind == "extra-index" and not one.dropped)
        found = without(found, ("extra-index",), f"{SPEAKERS[others.by]} names further indexes")
    urls = unique(tuple(one.value for one in found if one.kind == "extra-index" and not one.dropped))
    hosts = tuple(one.value for one in found if one.by == "host" and not one.dropped)
    optional = unique(hosts, tuple(url for url in urls if engine and url in engine.optional_index_urls))
    strategy = stated.index_strategy
    if engine is not None and engine.index_strategy:
        # The strategy is there to combine the indexes: without any, the installer's own is safer.
        combines = bool(urls or stated.extra_index_urls)
        strategy = strategy or (engine.index_strategy if combines else None)
        why = "" if combines else "there are no further indexes to combine"
        found += (Statement("index-strategy", engine.index_strategy, "engine", _at(engine), dropped=why),)
    sources = replace(
        stated,
        extra_index_urls=unique(stated.extra_index_urls, urls),
        index_strategy=strategy,
        optional_index_urls=optional,
        statements=settled((*stated.statements, *found)),
    )
    return sources, tied


def with_public(sources: Sources, public: tuple[str, ...]) -> Sources:
    """Return sources whose well-known public indexes are optional, whoever named them.

    An index of somebody's own is never: without it, its projects could be taken from elsewhere under their names.
    """
    known = tuple(url for url in sources.extra_index_urls if is_public(url, public))
    return replace(sources, optional_index_urls=unique(sources.optional_index_urls, known), public_indexes=public)


def is_public(url: str, public: tuple[str, ...]) -> bool:
    """Tell whether an address, with or without a user, lies below one of those of public indexes."""
    return f"{_USER.sub('', url).rstrip('/')}/".startswith(public)


def with_pins(sources: Sources, pins: Iterable[tuple[By, tuple[tuple[str, str], ...]]]) -> Sources:
    """Return sources whose account also tells who tied packages to one index, the strongest first."""
    said = tuple(Statement("package-index", url, by, package=name) for by, tied in pins for name, url in tied)
    return replace(sources, statements=settled((*said, *sources.statements)))


def unique(*lists: tuple[str, ...]) -> tuple[str, ...]:
    """Return the lists as one, each entry at its first place."""
    return tuple(dict.fromkeys(entry for one in lists for entry in one))


def _cuda_indexes(engine: Engine, context: MarkerContext) -> tuple[Statement, ...]:
    """Return the indexes by CUDA version: for a package the first that fits, for all the first that fits."""
    if not engine.cuda_indexes:
        return ()
    version = context.accelerator().cuda_version
    found: list[Statement] = []
    for index in engine.cuda_indexes:
        where = f"{_at(engine)}, CUDA {index.cuda}"
        why = "" if version is not None and index.fits(version) else f"for CUDA {index.cuda}; {_machine(version)}"
        if index.packages:
            found += (
                Statement("package-index", index.index_url, "engine", where, package, why) for package in index.packages
            )
        else:
            taken = any(not one.package and not one.dropped for one in found)
            why = why or ("another of its indexes fits first" if taken else "")
            found.append(Statement("extra-index", index.index_url, "engine", where, dropped=why))
    return settled(found)


def _lines(engine: Engine, context: MarkerContext | None) -> tuple[Statement, ...]:
    """Return an engine's further indexes, without those for a CUDA line (`cu130`) that is not the machine's."""
    found: list[Statement] = []
    for url in engine.extra_index_urls:
        line, why = cuda_line(url), ""
        if line is not None and context is not None:
            version = context.accelerator().cuda_version
            why = "" if line == _line_of(version) else f"for {line}; {_machine(version)}"
        found.append(Statement("extra-index", url, "engine", _at(engine), dropped=why))
    return tuple(found)


def cuda_line(url: str) -> str | None:
    """Return the CUDA line (`cu130`) that an index is for by its address, or None."""
    line = _CUDA_LINE.search(url)
    return line[1] if line else None


def _at(engine: Engine) -> str:
    return f"{engine.name} in {engine.origin}" if engine.origin else engine.name


def _machine(version: str | None) -> str:
    return f"this machine has CUDA {version}" if version else "this machine has no CUDA"


def _line_of(version: str | None) -> str:
    """Return the CUDA line of a version: `cu130` of "13.0"; `""` where there is no CUDA."""
    if not version:
        return ""
    major, _, minor = version.partition(".")
    return f"cu{major}{minor.partition('.')[0] or '0'}"
