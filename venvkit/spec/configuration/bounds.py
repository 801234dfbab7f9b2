"""Bounds that the machine's configuration puts on every install: constraint, override and exclude files.

A variable (PIP_CONSTRAINT, UV_OVERRIDE) or a pip.conf names files in the format of requirement files
(https://pip.pypa.io/en/stable/reference/requirements-file-format/). Their lines become statements.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct

from venvkit.base.mask import mask
from venvkit.base.reading import read_regular
from venvkit.errors import UsageError
from venvkit.spec.configuration.paths import absolute_path
from venvkit.spec.configuration.statements import By, Kind, Statement
from venvkit.spec.levers import parse_lever

BoundKind = Literal["constraint", "override", "exclude"]
_FIELDS: dict[BoundKind, str] = {"constraint": "constraints", "override": "overrides", "exclude": "excludes"}
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_CONTINUED = re.compile(r"\\\r?\n")
_HASH = re.compile(r"\s--hash[= ]\S+")
_NESTED = re.compile(r"(?:-c|-r|--constraint|--requirement)[= ]\s*(.+)")


class Bounds(Struct, frozen=True):
    """The bounds of the machine's configuration, and every file that they were read from."""

    statements: tuple[Statement, ...] = ()
    files: tuple[str, ...] = ()


def read_bounds(named: Iterable[tuple[BoundKind, str, By, str]], environ: Mapping[str, str]) -> Bounds:
    """Read files of constraints, overrides and excludes.

    Args:
        named: Kind, path, speaker, and the variable or file that names the path.
        environ: The caller's environment; HOME there stands for `~`.

    Raises:
        UsageError: A file is missing or unreadable (`bounds-missing`), or names what cannot be read from here
            (`bounds-invalid`).
        SpecError: A line is no requirement, or no name (`lever-invalid` and the codes of requirement lines).
    """
    statements: list[Statement] = []
    files: dict[str, None] = {}
    for kind, path, by, where in named:
        for file, number, line in _lines(path, where, environ, files):
            parse_lever(_FIELDS[kind], line, place=f"{file}:{number} ({where})")
            statements.append(Statement(kind, line, by, f"{where}: {file}:{number}"))
    return Bounds(tuple(statements), tuple(files))


def format_statements(kind: Kind, text: str, by: By, where: str, *, every: bool = False) -> Iterator[Statement]:
    """Yield the statements of an option like `--only-binary`: names with commas or blanks between them, or `:all:`."""
    for value in [":all:"] if every else re.split(r"[,\s]+", text):
        if value:
            parse_lever("only_binary", value, place=where)
            yield Statement(kind, value, by, where)


def _lines(path: str, where: str, environ: Mapping[str, str], seen: dict[str, None]) -> Iterator[tuple[str, int, str]]:
    """Yield each line of a file and of those that it includes: file, number of its last physical line, text."""
    if "://" in path and not path.startswith("file://"):
        raise UsageError(
            f"{where} names {mask(path)}, and bounds are only read from files of this machine",
            code="bounds-invalid",
            where=where,
            remedy="save it as a file, and name that",
        )
    file = absolute_path(path.removeprefix("file://"), environ)
    if file in seen:
        return
    seen[file] = None
    # A line that goes on keeps its line breaks for the count.
    text = _CONTINUED.sub(" \v", _read(file, where))
    number = 0
    for raw in text.split("\n"):
        number += 1 + raw.count("\v")
        line = _HASH.sub("", _COMMENT.sub("", raw.replace("\v", "")).strip()).strip()
        if nested := _NESTED.fullmatch(line):
            inner = nested[1].strip()
            yield from _lines(inner if "://" in inner else str(Path(file).parent / inner), where, environ, seen)
        elif line.startswith("-"):
            raise UsageError(
                f"line {number} of {file} is an option, and only requirements and files are read from there",
                code="bounds-invalid",
                where=f"{file}:{number} ({where})",
                remedy="take that line out",
            )
        elif line:
            yield file, number, line


def _read(file: str, where: str) -> str:
    try:
        return read_regular(file).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{where} names a file that cannot be read: {getattr(error, 'strerror', None) or error}",
            code="bounds-missing",
            where=f"{file} ({where})",
            remedy=f"correct the path, or take it out of {where}",
        ) from error
