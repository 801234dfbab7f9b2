"""Levers: options of spec, engine data and caller for the solution of a request, beside its requirements."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import canonicalize_name

from venvkit.errors import SpecError
from venvkit.settings.kinds import MOMENT
from venvkit.spec.language.marker import Marker, MarkerContext, parse_marker
from venvkit.spec.language.requirement import parse_line
from venvkit.spec.language.requires import required_name
from venvkit.spec.language.urls import check_index_url, quoted
from venvkit.spec.options import LEVERS

LIST_FIELDS = tuple(option.name for option in LEVERS if option.form in ("texts", "lines"))
SCALAR_FIELDS = tuple(option.name for option in LEVERS if option.form == "text")
LEVER_FIELDS = tuple(option.name for option in LEVERS)
_ALL = ":all:"
_MODULE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?::[A-Za-z_]\w*)?")
_BACKEND = re.compile(r"auto|cpu|xpu|cu\d{2,3}|rocm\d+(?:\.\d+)*")


class Levers(Struct, frozen=True):
    """Options for the solution of a request. Each entry of a list may carry a marker, until `applied` evaluates it.

    Its fields are the levers of the table of options, which says what each means.

    Raises:
        SpecError: An entry is malformed.
    """

    constraints: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    no_inherit: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    verify: tuple[str, ...] = ()
    protect: tuple[str, ...] = ()
    sources: tuple[tuple[str, str], ...] = ()
    only_binary: tuple[str, ...] = ()
    no_build: tuple[str, ...] = ()
    exclude_newer: str | None = None
    torch_backend: str | None = None

    def __post_init__(self) -> None:
        for field in LIST_FIELDS:
            for index, entry in enumerate(getattr(self, field)):
                parse_lever(field, entry, place=f"{field}[{index}]")
        for name, url in self.sources:
            check_source(name, url, f"sources.{name}")
        for scalar in SCALAR_FIELDS:
            if (text := getattr(self, scalar)) is not None:
                check_scalar(scalar, text, scalar)

    def merged(self, other: Levers) -> Levers:
        """Return these levers with those of `other` added; its scalars and its sources by name win."""
        values: dict[str, Any] = {name: _joined(getattr(self, name), getattr(other, name)) for name in LIST_FIELDS}
        # Two overrides of one name contradict each other: the later speaker's replaces the earlier one.
        named = set(map(required_name, other.overrides))
        earlier = tuple(line for line in self.overrides if required_name(line) not in named)
        values["overrides"] = _joined(earlier, other.overrides)
        values |= {name: getattr(other, name) or getattr(self, name) for name in SCALAR_FIELDS}
        return Levers(**values, sources=_by_name(self.sources, other.sources))

    def tying(self, sources: Iterable[tuple[str, str]]) -> Levers:
        """Return these levers with weaker entries for `sources`: names and the one index of each."""
        return replace(self, sources=_by_name(tuple(sources), self.sources))

    def applied(self, context: MarkerContext) -> Levers:
        """Return the levers that hold in `context`: no markers left, names normalized.

        Raises:
            SpecError: A marker uses a variable without a value (`marker-unknown`).
        """

        def keep(field: str, entries: tuple[str, ...]) -> tuple[str, ...]:
            kept: list[str] = []
            for index, entry in enumerate(entries):
                place = f"{field}[{index}]"
                value, marker = parse_lever(field, entry, place=place, known_variables=context.variables)
                if marker is None or marker.evaluate(context):
                    kept.append(value)
            return tuple(dict.fromkeys(kept))

        values: dict[str, Any] = {name: keep(name, getattr(self, name)) for name in LIST_FIELDS}
        values |= {name: getattr(self, name) for name in SCALAR_FIELDS}
        return Levers(**values, sources=_by_name(self.sources, ()))


def parse_lever(
    field: str, text: str, *, place: str, known_variables: Collection[str] | None = None
) -> tuple[str, Marker | None]:
    """Return the value of one entry in its normal form, and its condition.

    Raises:
        SpecError: The entry is malformed.
    """
    if field in ("constraints", "overrides"):
        line = parse_line(text, place=place, known_variables=known_variables)
        if line.kind != "requirement" or line.requirement is None or line.requirement.bare:
            raise _malformed(text, place, "is not a requirement with a name", "write it like `name<2`")
        return str(line.requirement), line.marker
    head, semicolon, condition = text.partition(";")
    head = head.strip()
    marker = None
    if semicolon:
        marker = parse_marker(condition.strip(), known=known_variables, place=place)
    if field == "verify":
        if not _MODULE.fullmatch(head):
            raise _malformed(text, place, "is not a module to import", "write `module` or `module:attribute`")
        return head, marker
    if head == _ALL and field in ("only_binary", "no_build"):
        return head, marker
    line = parse_line(head, place=place)
    if line.kind != "requirement" or line.requirement is None or str(line.requirement) != line.name:
        raise _malformed(text, place, "is not the name of a distribution", "write the name alone")
    return line.name, marker


def check_scalar(field: str, text: str, place: str) -> None:
    """Refuse a scalar lever that is malformed.

    Raises:
        SpecError: `lever-invalid`.
    """
    if field == "torch_backend" and not _BACKEND.fullmatch(text):
        raise _malformed(text, place, "is not an accelerator line", "write auto, cpu, or the like of cu130")
    if field == "exclude_newer":
        try:
            MOMENT.parse(text.strip())
        except ValueError:
            raise _malformed(text, place, "is not a moment or duration", f"write {MOMENT.accepts}") from None


def check_source(name: str, url: str, place: str) -> tuple[str, str]:
    """Return one entry of `sources`, the name normalized.

    Raises:
        SpecError: The name or the URL is malformed.
    """
    value, _ = parse_lever("excludes", name, place=place)
    return value, check_index_url(url, place)


def _joined(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))


def _by_name(first: tuple[tuple[str, str], ...], second: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    named = {canonicalize_name(name): url for name, url in (*first, *second)}
    return tuple(sorted((str(name), url) for name, url in named.items()))


def _malformed(text: str, place: str, reason: str, remedy: str) -> SpecError:
    return SpecError(f"{quoted(text)} {reason}", code="lever-invalid", where=place, remedy=remedy)
