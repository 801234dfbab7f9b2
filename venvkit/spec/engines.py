"""The engine data: its values, and reading them from TOML with every fault noted in its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path

from msgspec.structs import replace
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from venvkit.base.documents import decode, read_document
from venvkit.errors import SpecError
from venvkit.spec.engine_values import CudaIndex, Engine, EngineTable, HostIndex, Rule
from venvkit.spec.fields import Faults, Reader
from venvkit.spec.language.compare import engine_key
from venvkit.spec.language.marker import parse_marker
from venvkit.spec.language.requirement import parse_line
from venvkit.spec.language.urls import check_index_url, quoted
from venvkit.spec.levers import LEVER_FIELDS, parse_lever
from venvkit.spec.model import check_index_strategy

__all__ = ["CudaIndex", "Engine", "EngineTable", "HostIndex", "Rule", "load_engines"]

_OWN = ("name", "levers", "origin", "replaces")
ENGINE_FIELDS = (*(name for name in Engine.__struct_fields__ if name not in _OWN), *LEVER_FIELDS)
RULE_FIELDS = (*(name for name in Rule.__struct_fields__ if name not in _OWN), *LEVER_FIELDS)
_PLATFORM = re.compile(r"[a-z][a-z0-9]*")
# An engine's name becomes a component of a path.
ENGINE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._+-]*[a-z0-9])?")


def load_engines(paths: Iterable[str | PathLike[str]]) -> EngineTable:
    """Return the engine data of the files; an engine, rule or host index of a later file wins by name.

    Raises:
        SpecError: `engines-not-found`, `spec-unreadable`, `spec-malformed`, or `engines-invalid` with every
            fault of every file.
    """
    engines: dict[str, Engine] = {}
    rules: dict[str, Rule] = {}
    host_indexes: dict[str, HostIndex] = {}
    public: dict[str, None] = {}
    gathered: list[tuple[str, Faults]] = []
    for path in map(str, paths):
        faults = Faults()
        gathered.append((path, faults))
        reader = _document(path, faults)
        # Without the slash `https://a.example` would also stand for `https://a.example.of.somebody`.
        public |= {f"{url.rstrip('/')}/": None for url in reader.texts("public_indexes", check_index_url)}
        for name, table in _named(reader, "engines"):
            former = engines.get(engine_key(name))
            engines[engine_key(name)] = replace(_engine(name, table, path), replaces=_replaced(former))
        for name, table in _tables(reader, "rules"):
            rules[name] = replace(_rule(name, table, path), replaces=_replaced(rules.get(name)))
        for name, table in _tables(reader, "host_indexes"):
            found = _host_index(name, table, path)
            host_indexes[name] = replace(found, replaces=_replaced(host_indexes.get(name)))
    _raise_all(gathered)
    whole = EngineTable(tuple(engines.values()), (), tuple(host_indexes.values()), tuple(public))
    # Not before all files are read: a rule may name an engine by an alias that a later file gives it.
    return replace(whole, rules=tuple(_resolved(rule, whole) for rule in rules.values()))


def _resolved(rule: Rule, found: EngineTable) -> Rule:
    """Return a rule that names its engines as they are named themselves, however it was written."""
    known = [(name, found.find(name)) for name in rule.engines]
    return replace(rule, engines=tuple(dict.fromkeys(engine.name if engine else name for name, engine in known)))


def _document(path: str, faults: Faults) -> Reader:
    document = decode(read_document(Path(path), code="engines-not-found"), origin=path, format="toml")
    reader = Reader(document if isinstance(document, dict) else {}, "", faults)
    reader.only(("engines", "rules", "host_indexes", "public_indexes"))
    return reader


def _raise_all(gathered: list[tuple[str, Faults]]) -> None:
    """Raise one error for the faults of all files; where several are faulty, each line names its file."""
    faulty = [(path, faults) for path, faults in gathered if faults.found]
    if not faulty:
        return
    together = Faults()
    for path, faults in faulty:
        for line in faults.lines:
            together.add(path if len(faulty) > 1 else "", line, remedy=faults.remedy)
    together.raise_all("the engine data is faulty", code="engines-invalid", where=faulty[0][0])


def _replaced(former: Engine | Rule | HostIndex | None) -> tuple[str, ...]:
    return (*former.replaces, former.origin) if former is not None else ()


def _named(reader: Reader, name: str) -> Iterator[tuple[str, Reader]]:
    """Yield the tables of engines; of two names for one engine in a single file neither can win."""
    taken: dict[str, str] = {}
    for key, table in _tables(reader, name):
        for spelled, place in ((key, table.place), *_aliases(table)):
            other = taken.setdefault(engine_key(spelled), key)
            if other != key:
                reader.faults.add(place, f"{quoted(spelled)} is a name of the engine {quoted(other)} above")
        yield key, table


def _aliases(table: Reader) -> list[tuple[str, str]]:
    """Return the aliases with their places; what is wrong with them is told when the engine is read."""
    given = table.table.get("aliases")
    aliases = given if isinstance(given, list) else [given]
    return [(one, f"{table.at('aliases')}[{at}]") for at, one in enumerate(aliases) if isinstance(one, str)]


def _tables(reader: Reader, name: str) -> Iterable[tuple[str, Reader]]:
    outer = reader.inner(name)
    for key in outer.table if outer else ():
        inner = outer.inner(key) if outer else None
        if inner is not None:
            yield key, inner


def _engine(name: str, reader: Reader, origin: str) -> Engine:
    reader.only(ENGINE_FIELDS)
    if not ENGINE_NAME.fullmatch(name):
        reader.faults.add(reader.place, f"{quoted(name)} is not the name of an engine: use lower case letters")
    extra = reader.texts("extra_index_urls", check_index_url)
    optional = reader.texts("optional_index_urls", check_index_url)
    cuda = tuple(_cuda_index(inner) for inner in reader.inners("cuda_indexes"))
    for url in optional:
        if url not in (*extra, *(one.index_url for one in cuda)):
            reader.faults.add(
                reader.at("optional_index_urls"), f"{quoted(url)} is in neither extra_index_urls nor cuda_indexes"
            )
    formats = reader.inner("formats")
    return Engine(
        name,
        aliases=reader.texts("aliases", _check_alias),
        platforms=reader.texts("platforms", _check_platform),
        packages=reader.texts("packages", _check_package, single=False),
        formats=tuple(
            (key.lower(), formats.texts(key, _check_package, single=False))
            for key in (formats.table if formats else ())
            if formats is not None
        ),
        extra_index_urls=extra,
        optional_index_urls=optional,
        cuda_indexes=cuda,
        index_strategy=reader.text("index_strategy", check_index_strategy),
        edited=reader.texts("edited", _check_name),
        levers=reader.levers(),
        origin=origin,
    )


def _cuda_index(reader: Reader) -> CudaIndex:
    reader.only(("cuda", "index_url", "packages"))
    reader.required("cuda", "index_url")
    return CudaIndex(
        cuda=reader.text("cuda", _check_specifier) or "",
        index_url=reader.text("index_url", check_index_url) or "",
        packages=reader.texts("packages", _check_name),
    )


def _rule(name: str, reader: Reader, origin: str) -> Rule:
    reader.only(RULE_FIELDS)
    rule = Rule(
        name,
        engines=reader.texts("engines"),
        models=reader.texts("models"),
        requires=reader.texts("requires", _check_required),
        when=reader.text("when", _check_marker),
        packages=reader.texts("packages", _check_package, single=False),
        levers=reader.levers(),
        origin=origin,
    )
    if not any(reader.table.get(field) for field in ("engines", "models", "requires")):
        remedy = "name engines, models, or what is required"
        reader.faults.add(reader.place, f"applies to everything; {remedy}", remedy=remedy)
    return rule


def _host_index(name: str, reader: Reader, origin: str) -> HostIndex:
    reader.only(("packages", "indexes", "without_accelerator"))
    reader.required("packages", "indexes")
    indexes = reader.inner("indexes")
    found: list[tuple[str, str]] = []
    for local in indexes.table if indexes else ():
        url = indexes.text(local, check_index_url) if indexes else None
        if url is not None:
            found.append((local, url))
    plain = reader.text("without_accelerator") or ""
    return HostIndex(reader.texts("packages", _check_name), tuple(found), name, origin, without_accelerator=plain)


def _check_alias(text: str, place: str) -> None:
    if not ENGINE_NAME.fullmatch(text.lower()):
        raise SpecError(f"{quoted(text)} is not the name of an engine", where=place, remedy="use letters, digits, `-`")


def _check_platform(text: str, place: str) -> None:
    if not _PLATFORM.fullmatch(text):
        raise SpecError(f"{quoted(text)} is not a platform", where=place, remedy="write linux, darwin or win32")


def _check_package(text: str, place: str) -> None:
    if parse_line(text, place=place).kind == "engine":
        raise SpecError(
            f"{quoted(text)} stands for the packages of an engine",
            where=place,
            remedy="list the packages themselves",
        )


def _check_required(text: str, place: str) -> None:
    line = parse_line(text, place=place)
    if line.kind != "requirement" or line.marker or (line.requirement and line.requirement.url):
        raise SpecError(f"{quoted(text)} is not a name with versions", where=place, remedy="write `name==1.0`")


def _check_name(text: str, place: str) -> None:
    if parse_lever("excludes", text, place=place)[1] is not None:
        raise SpecError(f"{quoted(text)} carries a marker", where=place, remedy="write the name alone")


def _check_marker(text: str, place: str) -> None:
    parse_marker(text, known=None, place=place)


def _check_specifier(text: str, place: str) -> None:
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        raise SpecError(
            f"{quoted(text)} is not a range of versions", where=place, remedy="write `>=12.8,<13`"
        ) from None
