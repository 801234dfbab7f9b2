"""Reading what is to be linted: files and folders of specs, each object on its own, so that one hides no other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from venvkit.base.documents import decode, format_of, read_document
from venvkit.errors import SpecError
from venvkit.lint.findings import Finding, Spot, finding
from venvkit.lint.placeholders import better_placeholder
from venvkit.spec.engine_values import EngineTable
from venvkit.spec.fields import kind_of
from venvkit.spec.language.marker import Marker
from venvkit.spec.language.requirement import Line
from venvkit.spec.levers import LIST_FIELDS, parse_lever
from venvkit.spec.model import ModelSpec, parse_object

_SUFFIXES = frozenset({".json", ".toml"})
_BLOCK = "virtualenv"
# How a gathered fault is written: its place, what is wrong, and the code where it has one of its own.
_FAULT = re.compile(
    r"(?:(?P<place>(?:model|virtualenv)[^:]*): )?(?P<what>.*?)(?: \((?P<code>[a-z]+(?:-[a-z]+)+)\))?", re.DOTALL
)
_FIELD = re.compile(rf"{_BLOCK}\.(?P<field>[^.\[]+)(?:\[(?P<index>\d+)\])?.*")


class Condition(Struct, frozen=True):
    """A marker and where it stands; `line` is the package line that it belongs to, None for a lever's entry."""

    place: str
    marker: Marker
    line: Line | None = None


class Subject(Struct, frozen=True):
    """One spec.

    Args:
        spot: Where the object stands.
        table: The object as it was decoded.
        spec: The spec.
        lines: Its packages, parsed.
    """

    spot: Spot
    table: Mapping[str, object]
    spec: ModelSpec
    lines: tuple[Line, ...]

    def at(self, place: str) -> Spot:
        """Return where a field of the object stands."""
        return Spot(self.spot.file, self.spot.index, place)

    def line_spot(self, number: int) -> Spot:
        """Return where a line of the packages stands."""
        return self.at(f"{_BLOCK}.packages[{number}]")

    def conditions(self) -> Iterator[Condition]:
        """Yield every marker of the spec."""
        for number, line in enumerate(self.lines):
            if line.marker is not None:
                yield Condition(f"{_BLOCK}.packages[{number}]", line.marker, line)
        for field in LIST_FIELDS:
            entries: tuple[str, ...] = getattr(self.spec.levers, field)
            for number, entry in enumerate(entries):
                place = f"{_BLOCK}.{field}[{number}]"
                _, marker = parse_lever(field, entry, place=place)
                if marker is not None:
                    yield Condition(place, marker)


def read_subjects(paths: Sequence[str], engines: EngineTable) -> Iterator[Subject | Finding]:
    """Yield the specs of files and folders, and the faults of those that are none."""
    found = False
    for file, named in _files(paths):
        try:
            for one in _objects(file, engines, named=named):
                found = True
                yield one
        except SpecError as error:
            found = True
            yield finding(error.code, Spot(str(file)), error.message, error.remedy)
    if not found:
        what = "no file there holds a model with a `virtualenv` block"
        yield finding("spec-not-found", Spot(", ".join(paths)), what, "name the files or folders of specs")


def _files(paths: Iterable[str]) -> Iterator[tuple[Path, bool]]:
    """Yield each file once, and whether it was named itself."""
    seen: set[Path] = set()
    for path in map(Path, paths):
        folder = path.is_dir()
        below = sorted(path.rglob("*")) if folder else []
        inside = [file for file in below if file.suffix.lower() in _SUFFIXES and file.is_file()]
        for file in inside if folder else [path]:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file, not folder


def _objects(file: Path, engines: EngineTable, *, named: bool) -> Iterator[Subject | Finding]:
    text = read_document(file, code="spec-not-found")
    # A folder of specs holds other files, too, whatever is written in them.
    if not named and _BLOCK.encode() not in text:
        return
    format = format_of(file)
    document = decode(text, origin=str(file), format=format)
    inner = document.get("model") if format == "toml" and isinstance(document, dict) else None
    if isinstance(inner, list):
        document = inner
    entries: Sequence[object] = document if isinstance(document, list) else [document]
    found = 0
    for number, entry in enumerate(entries):
        spot = Spot(str(file), number if isinstance(document, list) else None)
        if isinstance(entry, dict) and entry.get(_BLOCK) is not None:
            found += 1
            yield from _object(entry, spot, engines)
        elif not isinstance(entry, dict) and named:
            what = f"a model spec is an object or a list of objects, not {kind_of(entry)}"
            yield finding("spec-invalid", spot, what, "write each model as an object")
            found += 1
    if named and not found:
        what = "no model in the file has a `virtualenv` block"
        yield finding("spec-invalid", Spot(str(file)), what, 'add "virtualenv": {"packages": [...]}')


def _object(table: Mapping[str, object], spot: Spot, engines: EngineTable) -> Iterator[Subject | Finding]:
    try:
        spec = parse_object(table, origin=spot.document)
        yield Subject(spot, table, spec, spec.lines())
    except SpecError as error:
        for detail in error.details:
            found = _FAULT.fullmatch(detail)
            place, what, code = (found["place"], found["what"], found["code"]) if found else ("", detail, None)
            field = _Field.of(table, place or "")
            remedy = (field.remedy() if field else error.remedy) or "correct what is named"
            fault = finding(code or error.code, Spot(spot.file, spot.index, place or ""), what, remedy)
            text = field.value if field and field.name == "packages" else None
            yield better_placeholder(fault, text, engines) if isinstance(text, str) else fault


class _Field(Struct, frozen=True):
    """A faulty field, or entry of one, and its value."""

    name: str
    value: object
    entry: bool

    @classmethod
    def of(cls, table: Mapping[str, object], place: str) -> _Field | None:
        found, block = _FIELD.fullmatch(place), table.get(_BLOCK)
        if found is None or not isinstance(block, dict):
            return None
        value, index = block.get(found["field"]), found["index"]
        if isinstance(value, list) and index is not None and int(index) < len(value):
            return cls(found["field"], value[int(index)], entry=True)
        return cls(found["field"], value, entry=False)

    def remedy(self) -> str:
        """Return what to do about this fault of several: what a spec is told that has this field alone."""
        block = {"packages": [], self.name: [self.value] if self.entry else self.value}
        return _told({"model_name": "m", _BLOCK: block})


def _told(alone: Mapping[str, object]) -> str:
    try:
        parse_object(alone, origin="")
    except SpecError as error:
        return error.remedy
    return ""
