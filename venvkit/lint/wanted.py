"""The releases that specs require, each with the sources that may have it on any machine."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import NormalizedName, canonicalize_name

from venvkit.lint.findings import Spot
from venvkit.lint.subjects import Subject
from venvkit.lint.worlds import Worlds
from venvkit.spec.configuration.sources import Sources, stated_sources, unique
from venvkit.spec.configuration.statements import Statement, settled
from venvkit.spec.language.nodes import Node
from venvkit.spec.language.requirement import Line
from venvkit.spec.language.requires import required_name
from venvkit.spec.levers import Levers, parse_lever
from venvkit.spec.request import spec_engines, spec_sources

# Any index will do: it is only asked whether a release is there.
_STRATEGY = "unsafe-best-match"


class Wanted(Struct, frozen=True):
    """A requirement that a source must have a release for.

    Args:
        specifier: Its versions; empty for any.
        sources: What spec and pip's configuration name.
        further: Indexes that the engine data adds for an engine or a machine.
        levers: What bends the choice of files.
        optional: It may be missing.
    """

    spot: Spot
    name: NormalizedName
    specifier: str
    sources: Sources
    further: tuple[str, ...]
    levers: Levers
    optional: bool

    @property
    def text(self) -> str:
        """The requirement, without extras: they do not change which releases there are."""
        return f"{self.name}{self.specifier}"


def wanted_releases(
    subjects: Iterable[Subject],
    worlds: Worlds,
    *,
    void: Collection[Spot] = (),
    pip: Sources = Sources(),  # noqa: B008 - frozen, so one value may stand for all
    exclude_newer: str | None = None,
) -> Iterator[Wanted]:
    """Yield the requirements that the lines of specs have of the indexes.

    Args:
        worlds: What their markers can say.
        void: Lines that ask for nothing, whatever they say.
        pip: The sources of pip's configuration.
        exclude_newer: The limit in force where a spec sets none.
    """
    for subject in subjects:
        own = subject.spec.levers
        sources = replace(_stated(subject, pip), public_indexes=worlds.engines.public_indexes)
        levers = Levers(
            sources=own.sources,
            only_binary=_always("only_binary", own.only_binary),
            no_build=_always("no_build", own.no_build),
            exclude_newer=own.exclude_newer or exclude_newer,
        )
        # An override stands in place of what is asked, under whatever condition.
        overridden = {required_name(text) for text in own.overrides}
        optional = {required_name(text) for text in own.optional}
        for number, line in enumerate(subject.lines):
            spot, asked = subject.line_spot(number), line.requirement if line.kind == "requirement" else None
            if asked is None or asked.url or asked.name in overridden or spot in void:
                continue
            further = unique(tuple(_further(line, asked.name, subject, worlds)))
            yield Wanted(spot, asked.name, asked.specifier, sources, further, levers, asked.name in optional)


def _stated(subject: Subject, pip: Sources) -> Sources:
    spec = subject.spec
    own = spec_sources(replace(spec, no_build_isolation=False))
    found = stated_sources(Sources(), own, pip if spec.inherit_pip_config else None)
    strategy = Statement("index-strategy", _STRATEGY, "caller")
    return replace(found, statements=settled((strategy, *found.statements)))


def _always(field: str, entries: tuple[str, ...]) -> tuple[str, ...]:
    """Return the entries of a lever that hold without a condition."""
    parsed = (parse_lever(field, entry, place="") for entry in entries)
    return tuple(value for value, marker in parsed if marker is None)


def _further(line: Line, name: NormalizedName, subject: Subject, worlds: Worlds) -> Iterator[str]:
    """Yield the indexes that the engine data adds for a line on some machine, for every engine it may apply to."""
    table = worlds.engines
    # A spec with further indexes of its own has those and not the engine's. Those that this machine's pip is configured
    # with would push the engine's aside, too; but that is no fault of the spec.
    own = bool(subject.spec.extra_index_urls)
    named = filter(None, map(table.find, spec_engines(subject.spec, table)))
    engines = [one for one in named if not worlds.never(_root(line), worlds.launch(one.name))]
    for engine in engines:
        yield from () if own else engine.extra_index_urls
        for cuda in engine.cuda_indexes:
            if name in map(canonicalize_name, cuda.packages) or not (cuda.packages or own):
                yield cuda.index_url
    wished = {one.name for one in subject.lines if one.kind == "system"}
    for index in () if own else table.host_indexes:
        if wished & set(map(canonicalize_name, index.packages)):
            yield from (url for _, url in index.indexes)
    for levers in (*(engine.levers for engine in engines), *(rule.levers for rule in table.rules)):
        yield from (url for package, url in levers.sources if package == name)


def _root(line: Line) -> Node | None:
    return line.marker.root if line.marker else None
