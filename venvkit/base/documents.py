"""Decoding JSON and TOML, with the line and column of what is malformed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Literal

from venvkit.base.reading import parse_json, parse_toml, read_regular
from venvkit.errors import SpecError

Format = Literal["json", "toml"]
_LINE = re.compile(r"\(at line (\d+), column (\d+)\)")
_BOM = b"\xef\xbb\xbf"


def format_of(path: Path) -> Format:
    """Return the format a file's name tells: TOML for `.toml`, else JSON."""
    return "toml" if path.suffix.lower() == ".toml" else "json"


def read_document(path: Path, *, code: str) -> bytes:
    """Return the bytes of a file.

    Raises:
        SpecError: There is no such file (`code`), or it cannot be read (`spec-unreadable`).
    """
    try:
        return read_regular(path)
    except FileNotFoundError as error:
        raise SpecError("there is no such file", code=code, where=str(path), remedy="check the path") from error
    except OSError as error:
        raise SpecError(
            f"cannot be read: {error.strerror or error}", code="spec-unreadable", where=str(path)
        ) from error


def decode(text: bytes, *, origin: str, format: Format) -> object:
    """Return the document in `text` as tables, lists and scalars.

    Raises:
        SpecError: It is malformed (`spec-malformed`); `where` names line and column, counted from one.
    """
    text, kind = text.removeprefix(_BOM), format.upper()
    try:
        return parse_toml(text) if format == "toml" else parse_json(text, unique=True)
    except json.JSONDecodeError as error:
        raise _malformed(origin, (error.lineno, error.colno), error.msg, kind) from error
    except UnicodeDecodeError as error:
        raise _malformed(origin, _position(text, error.start), "it is not UTF-8", kind) from error
    except UnicodeEncodeError as error:
        raise _malformed(origin, (1, 1), "half a surrogate pair stands for a character", kind) from error
    except ValueError as error:
        found = _LINE.search(str(error))
        place = (int(found[1]), int(found[2])) if found else (1, 1)  # of a fault without a place, the document's
        if str(error).endswith("(at end of document)"):
            place = _position(text, len(text))
        raise _malformed(origin, place, str(error).partition(" (at ")[0], kind) from error


def _position(text: bytes, offset: int) -> tuple[int, int]:
    before = text[:offset]
    column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
    return before.count(b"\n") + 1, column


def _malformed(origin: str, place: tuple[int, int], reason: str, kind: str) -> SpecError:
    line, column = place
    return SpecError(
        f"the {kind} is malformed at line {line}, column {column}: {reason}",
        code="spec-malformed",
        where=f"{origin}:{line}:{column}",
        remedy="correct the file at that place",
    )
