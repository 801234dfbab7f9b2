"""The engine data: its values, and reading them from TOML with every fault noted in its place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from venvkit.errors import SpecError
from venvkit.spec.documents import decode, read_document
from venvkit.spec.engine_values import CudaIndex, Engine, EngineTable, HostIndex, Rule
from venvkit.spec.fields import Faults, Reader
from venvkit.spec.levers import LEVER_FIELDS, parse_lever
from venvkit.spec.marker import parse_marker
from venvkit.spec.marker_compare import engine_key
from venvkit.spec.model import check_index_strategy
from venvkit.spec.requirement import parse_line
from venvkit.spec.urls import check_index_url, quoted

__all__ = ["CudaIndex", "Engine", "EngineTable", "HostIndex", "Rule", "load_engines"]

ENGINE_FIELDS = (
    "aliases",
    "packages",
    "formats",
    "extra_index_urls",
    "optional_index_urls",
    "cuda_indexes",
    "index_strategy",
    *LEVER_FIELDS,
)
RULE_FIELDS = ("engines", "models", "requires", "when", "packages", *LEVER_FIELDS)
_ENGINE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._+-]*[a-z0-9])?")


def load_engines(paths: Iterable[str | PathLike[str]]) -> EngineTable:
    """Return the engine data of the files; an engine, rule or host index of a later file wins by name.

    Raises:
        SpecError: `engines-not-found`, `spec-unreadable`, `spec-malformed`, or `engines-invalid` with every
            fault of the first faulty file.
    """
    engines: dict[str, Engine] = {}
    rules: dict[str, Rule] = {}
    host_indexes: dict[str, HostIndex] = {}
    public: tuple[str, ...] = ()
    for path in map(Path, paths):
        text = read_document(path, code="engines-not-found")
        faults = Faults()
        document = decode(text, origin=str(path), format="toml")
        reader = Reader(document if isinstance(document, dict) else {}, "", faults)
        reader.only(("engines", "rules", "host_indexes", "public_indexes"))
        public = tuple(dict.fromkeys((*public, *reader.texts("public_indexes", check_index_url))))
        for name, table in _tables(reader, "engines"):
            engines[engine_key(name)] = _engine(name, table, str(path))
        for name, table in _tables(reader, "rules"):
            rules[name] = _rule(name, table, str(path))
        for name, table in _tables(reader, "host_indexes"):
            host_indexes[name] = _host_index(table)
        faults.raise_all("the engine data is faulty", code="engines-invalid", where=str(path))
    return EngineTable(tuple(engines.values()), tuple(rules.values()), tuple(host_indexes.values()), public)


def _tables(reader: Reader, name: str) -> Iterable[tuple[str, Reader]]:
    outer = reader.inner(name)
    for key in outer.table if outer else ():
        inner = outer.inner(key) if outer else None
        if inner is not None:
            yield key, inner


def _engine(name: str, reader: Reader, origin: str) -> Engine:
    reader.only(ENGINE_FIELDS)
    if not _ENGINE_NAME.fullmatch(name):
        reader.faults.add(reader.place, f"{quoted(name)} is not the name of an engine: use lower case letters")
    extra = reader.texts("extra_index_urls", check_index_url)
    optional = reader.texts("optional_index_urls", check_index_url)
    for url in optional:
        if url not in extra:
            reader.faults.add(reader.at("optional_index_urls"), f"{quoted(url)} is not in extra_index_urls")
    formats = reader.inner("formats")
    return Engine(
        name,
        aliases=reader.texts("aliases"),
        packages=reader.texts("packages", _check_package, single=False),
        formats=tuple(
            (key.lower(), formats.texts(key, _check_package, single=False))
            for key in (formats.table if formats else ())
            if formats is not None
        ),
        extra_index_urls=extra,
        optional_index_urls=optional,
        cuda_indexes=tuple(_cuda_index(inner) for inner in reader.inners("cuda_indexes")),
        index_strategy=reader.text("index_strategy", check_index_strategy),
        levers=reader.levers(),
        origin=origin,
    )


def _cuda_index(reader: Reader) -> CudaIndex:
    reader.only(("cuda", "index_url", "packages"))
    for name in ("cuda", "index_url"):
        if reader.table.get(name) is None:
            reader.faults.add(reader.at(name), "is missing")
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


def _host_index(reader: Reader) -> HostIndex:
    reader.only(("packages", "indexes"))
    indexes = reader.inner("indexes")
    found: list[tuple[str, str]] = []
    for local in indexes.table if indexes else ():
        url = indexes.text(local, check_index_url) if indexes else None
        if url is not None:
            found.append((local, url))
    return HostIndex(reader.texts("packages", _check_name), tuple(found))


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
