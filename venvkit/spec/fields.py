"""Reading a decoded document by hand: every fault is noted with its place, and all are raised as one."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from msgspec import Struct, field

from venvkit.errors import SpecError
from venvkit.spec.levers import LIST_FIELDS, SCALAR_FIELDS, Levers, check_scalar, check_source, parse_lever
from venvkit.spec.options import BY_NAME

Table = Mapping[str, object]
_T = TypeVar("_T")
_KINDS = {dict: "a table", list: "a list", str: "a string", bool: "true or false", type(None): "null"}


class Faults(Struct):
    """The faults found so far in one document, each with its place."""

    found: list[SpecError] = field(default_factory=list)

    @property
    def lines(self) -> tuple[str, ...]:
        """The faults as text, one line each."""
        return tuple(map(_line, self.found))

    @property
    def remedy(self) -> str:
        """What to do about the first fault for which that is known."""
        return next((fault.remedy for fault in self.found if fault.remedy), "")

    def add(self, place: str, message: str, *, remedy: str = "") -> None:
        """Note a fault at `place`."""
        self.found.append(SpecError(message, where=place, remedy=remedy))

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note a SpecError raised inside, instead of letting it out."""
        try:
            yield
        except SpecError as error:
            self.found.append(error)

    def raise_all(self, message: str, *, code: str, where: str) -> None:
        """Raise one SpecError that holds every fault, if there is any."""
        if self.found:
            remedy = self.remedy or "correct what is named"
            error = SpecError(message, code=code, where=where, remedy=remedy, details=self.lines)
            error.faults = tuple(self.found)
            raise error


def _line(fault: SpecError) -> str:
    code = "" if fault.code == SpecError.default_code else f" ({fault.code})"
    return f"{fault.where}: {fault.message}{code}" if fault.where else f"{fault.message}{code}"


class Reader(Struct, frozen=True):
    """Reads the fields of one table. A field of the wrong kind is noted and reads as if it were absent."""

    table: Table
    place: str
    faults: Faults

    def at(self, name: str) -> str:
        """Return the place of a field."""
        return f"{self.place}.{name}" if self.place else name

    def only(self, known: Collection[str]) -> None:
        """Note every field that is not among `known`, with the nearest that is."""
        for name in self.table:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                remedy = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(sorted(known))}"
                self.faults.add(self.at(name), f"unknown field; {remedy}", remedy=remedy)

    def required(self, *names: str) -> None:
        """Note each of these fields that is absent or empty."""
        for name in names:
            if self.table.get(name) in (None, [], {}):
                self.faults.add(self.at(name), "is missing")

    def text(self, name: str, check: Callable[[str, str], object] | None = None) -> str | None:
        """Return a string field, or None when it is absent or null; `check(value, place)` may refuse it."""
        value = self._of(name, str, "a string")
        if value is not None and not value.strip():
            self.faults.add(self.at(name), f"wants a string, not {kind_of(value)}")
            return None
        return value if value is None or check is None or self._passes(check, value, self.at(name)) else None

    def flag(self, name: str, default: bool) -> bool:
        """Return a field that is true or false."""
        value = self._of(name, bool, "true or false")
        return default if value is None else value

    def texts(
        self, name: str, check: Callable[[str, str], object] | None = None, *, single: bool = True
    ) -> tuple[str, ...]:
        """Return a field that is a list of strings, or one string where `single` allows it."""
        value = self.table.get(name)
        if isinstance(value, str) and single:
            listed: list[object] = [value]
        else:
            listed = self._of(name, list, "a list of strings", remedy=f"write `{name}` as a list: [...]") or []
        entries = self._entries(name, listed, str, "a string")
        return tuple(entry for place, entry in entries if check is None or self._passes(check, entry, place))

    def inner(self, name: str) -> Reader | None:
        """Return the reader of a field that is a table, or None when it is absent."""
        value = self._of(name, dict, "a table")
        return None if value is None else Reader(value, self.at(name), self.faults)

    def inners(self, name: str) -> tuple[Reader, ...]:
        """Return the readers of a field that is a list of tables."""
        entries = self._entries(name, self._of(name, list, "a list of tables") or [], dict, "a table")
        return tuple(Reader(entry, place, self.faults) for place, entry in entries)

    def _of(self, name: str, kind: type[_T], wanted: str, *, remedy: str = "") -> _T | None:
        """Return a field of one type; None when it is absent, null, or of another type, which is noted."""
        value = self.table.get(name)
        if value is None or isinstance(value, kind):
            return value
        self.faults.add(self.at(name), f"wants {wanted}, not {kind_of(value)}", remedy=remedy)
        return None

    def _entries(self, name: str, entries: list[object], kind: type[_T], wanted: str) -> Iterator[tuple[str, _T]]:
        """Yield the entries of one type with their places; the others are noted."""
        for index, entry in enumerate(entries):
            place = f"{self.at(name)}[{index}]"
            if isinstance(entry, kind):
                yield place, entry
            else:
                self.faults.add(place, f"wants {wanted}, not {kind_of(entry)}")

    def levers(self, located: Callable[[str], str] = str) -> Levers:
        """Return the levers among the fields; faulty ones are noted and left out.

        Args:
            located: Makes the path in a requirement absolute.
        """
        values: dict[str, Any] = {}
        for name in LIST_FIELDS:
            entry = located if BY_NAME[name].form == "lines" else str

            def check(text: str, place: str, name: str = name, entry: Callable[[str], str] = entry) -> None:
                parse_lever(name, entry(text), place=place)

            values[name] = tuple(map(entry, self.texts(name, check)))
        values |= {name: self.text(name, functools.partial(check_scalar, name)) for name in SCALAR_FIELDS}
        return Levers(**values, sources=self._sources())

    def _sources(self) -> tuple[tuple[str, str], ...]:
        sources = self.inner("sources")
        if sources is None:
            return ()
        found: list[tuple[str, str]] = []
        for name in sources.table:
            url = sources.text(name)
            if url is not None:
                with self.faults.noting():
                    found.append(check_source(name, url, sources.at(name)))
        return tuple(sorted(found))

    def _passes(self, check: Callable[[str, str], object], value: str, place: str) -> bool:
        before = len(self.faults.found)
        with self.faults.noting():
            check(value, place)
        return len(self.faults.found) == before


def kind_of(value: object) -> str:
    """Return the type of `value`, in the words of a document's author."""
    if value == "":
        return "an empty string"
    return _KINDS.get(type(value), "a number" if isinstance(value, (int, float)) else "a date")
