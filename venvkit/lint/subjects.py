"""Reading what is to be linted: files and folders of specs, each object on its own, so that one hides no other."""

from __future__ import annotations

import os
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
_PACKAGE = re.compile(rf"{_BLOCK}\.packages\[(\d+)\]")


class Condition(Struct, frozen=True):
    """A marker and where it stands; `line` is the package line that it belongs to, None for a lever's entry."""

    place: str
    marker: Marker
    line: Line | None = None


class Subject(Struct, frozen=True):
    """One spec.

    Args:
        table: The object as it was decoded.
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
        folder = os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises for a name that is too long
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
        spec = parse_object(table, origin=spot.document, folder=str(Path(spot.file).absolute().parent))
        yield Subject(spot, table, spec, spec.lines())
    except SpecError as error:
        for fault in error.faults:
            spot, remedy = Spot(spot.file, spot.index, fault.where), fault.remedy or "correct what is named"
            found = finding(fault.code, spot, fault.message, remedy)
            package = _PACKAGE.fullmatch(fault.where)
            yield better_placeholder(found, str(_packages(table)[int(package[1])]), engines) if package else found


def _packages(table: Mapping[str, object]) -> Sequence[object]:
    block = table[_BLOCK]
    packages = block["packages"] if isinstance(block, dict) else ()
    return packages if isinstance(packages, list) else ()
