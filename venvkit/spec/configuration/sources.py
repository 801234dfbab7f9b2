"""Package sources: those of caller, spec, pip and engine data become one value."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from msgspec import Struct
from msgspec.structs import replace

from venvkit.base.mask import mask, without_users
from venvkit.spec.configuration.statements import SPEAKERS, YES, By, Kind, Statement, settled, without
from venvkit.spec.engine_values import Engine
from venvkit.spec.language.marker import MarkerContext

_CUDA_LINE = re.compile(r"/(cu\d{2,3})(?:/|$)")
# What decides how a source is reached; the packages that are tied to an index are levers.
_NOT_DECISIVE = ("cert", "package-index")


class Sources(Struct, frozen=True):
    """Package sources, as the account of the statements of each speaker.

    Args:
        statements: The account, the strongest speaker first: what is in force, and what is not and why.
        optional_index_urls: Those of the further indexes that may be left out when they cannot be reached. A refusal
            (401, 403) is an error all the same.
        public_indexes: Addresses, each with a slash at its end, below which indexes are open to everybody: a 403
            from one of them says that it lacks the project.
    """

    statements: tuple[Statement, ...] = ()
    optional_index_urls: tuple[str, ...] = ()
    public_indexes: tuple[str, ...] = ()

    @classmethod
    def said(
        cls,
        by: By,
        *,
        index_url: str | None = None,
        extra_index_urls: Iterable[str] = (),
        find_links: Iterable[str] = (),
        trusted_hosts: Iterable[str] = (),
        index_strategy: str | None = None,
        no_build_isolation: bool = False,
    ) -> Sources:
        """Return the sources of one speaker, by the names of a spec's fields; see the properties for their meaning."""
        lists: tuple[tuple[Kind, Iterable[str | None]], ...] = (
            ("extra-index", extra_index_urls),
            ("index", (index_url,)),
            ("index-strategy", (index_strategy,)),
            ("find-links", find_links),
            ("trusted-host", trusted_hosts),
            ("no-build-isolation", (YES if no_build_isolation else None,)),
        )
        return cls(settled(Statement(kind, value, by) for kind, values in lists for value in values if value))

    def __repr__(self) -> str:
        return f"Sources({self.statements!r}, optional={mask(repr(self.optional_index_urls))})"

    def values(self, kind: Kind) -> tuple[str, ...]:
        """Return the values in force of one kind, the strongest first."""
        return tuple(one.value for one in self.statements if one.kind == kind and not one.dropped)

    def _first(self, kind: Kind) -> str | None:
        return next(iter(self.values(kind)), None)

    @property
    def index_url(self) -> str | None:
        """The index; None leaves it to the installer."""
        return self._first("index")

    @property
    def extra_index_urls(self) -> tuple[str, ...]:
        """Further indexes, the first asked first."""
        return self.values("extra-index")

    @property
    def find_links(self) -> tuple[str, ...]:
        """Directories or pages of wheels."""
        return self.values("find-links")

    @property
    def trusted_hosts(self) -> tuple[str, ...]:
        """Hosts, with or without a port, whose certificates are not checked."""
        return self.values("trusted-host")

    @property
    def index_strategy(self) -> str | None:
        """How several indexes are combined, in uv's words; None leaves it to the installer."""
        return self._first("index-strategy")

    @property
    def cert(self) -> str | None:
        """A bundle of certificate authorities in place of the installer's own."""
        return self._first("cert")

    @property
    def no_index(self) -> bool:
        """Whether no index is asked, whoever names one later."""
        return bool(self.values("no-index"))

    @property
    def no_build_isolation(self) -> bool:
        """Whether a build uses what the environment has."""
        return bool(self.values("no-build-isolation"))

    @property
    def decisive(self) -> Sources:
        """The part that decides which distributions are found, for keys: values without speakers and places."""
        found = (one for one in self.statements if not one.dropped and one.kind not in _NOT_DECISIVE)
        kept = sorted((one.kind, number, one.value) for number, one in enumerate(found))
        statements = tuple(Statement(kind, value, "caller") for kind, _, value in kept)
        return Sources(statements, self.optional_index_urls)

    def without_indexes(self, lost: Collection[str]) -> Sources:
        """Return these sources without some further indexes, which cannot be reached."""
        gone = "it cannot be reached, and is optional"
        return replace(
            self,
            statements=without(self.statements, ("extra-index",), gone, values=lost),
            optional_index_urls=tuple(url for url in self.optional_index_urls if url not in lost),
        )

    def adding(self, statements: Iterable[Statement]) -> Sources:
        """Return these sources with weaker statements behind their own."""
        return replace(self, statements=settled((*self.statements, *statements)))


def stated_sources(first: Sources, second: Sources, pip: Sources | None) -> Sources:
    """Return the sources of the caller (`first`), the spec (`second`) and pip's configuration as one value.

    An index of caller or spec replaces pip's index and extra indexes together; find-links and hosts add up.
    """
    theirs = (pip or Sources()).statements
    owners: tuple[tuple[By, Sources], ...] = (("caller", first), ("spec", second))
    owner = next((by for by, one in owners if one.index_url or one.extra_index_urls), None)
    if owner is not None:
        kinds: tuple[Kind, ...] = ("index", "extra-index", "index-strategy", "no-index")
        theirs = without(theirs, kinds, f"{SPEAKERS[owner]} names indexes")
    return Sources(settled((*first.statements, *second.statements, *theirs)))


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
    if engine is not None and engine.index_strategy:
        # The strategy is there to combine the indexes: without any, the installer's own is safer.
        combines = stated.extra_index_urls or any(one.kind == "extra-index" and not one.dropped for one in found)
        why = "" if combines else "there are no further indexes to combine"
        found += (Statement("index-strategy", engine.index_strategy, "engine", _at(engine), dropped=why),)
    sources = stated.adding(found)
    added = [
        one for one in sources.statements[len(stated.statements) :] if one.kind == "extra-index" and not one.dropped
    ]
    optional = [one.value for one in added if one.by == "host"]
    optional += [one.value for one in added if engine and one.value in engine.optional_index_urls]
    return replace(sources, optional_index_urls=unique(tuple(optional))), tied


def with_public(sources: Sources, public: tuple[str, ...]) -> Sources:
    """Return sources whose well-known public indexes are optional, whoever named them.

    An index of somebody's own is never: without it, its projects could be taken from elsewhere under their names.
    """
    known = tuple(url for url in sources.extra_index_urls if is_public(url, public))
    return replace(sources, optional_index_urls=unique(sources.optional_index_urls, known), public_indexes=public)


def is_public(url: str, public: tuple[str, ...]) -> bool:
    """Tell whether an address, with or without a user, lies below one of those of public indexes."""
    return f"{without_users(url).rstrip('/')}/".startswith(public)


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
