"""Decoding JSON and TOML, with the line and column of what is malformed."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Literal

import msgspec

from venvkit.errors import SpecError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Format = Literal["json", "toml"]
_BYTE = re.compile(r"\(byte (\d+)\)")
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
        return path.read_bytes()
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
    text = text.removeprefix(_BOM)
    return _json(text, origin) if format == "json" else _toml(text, origin)


def _json(text: bytes, origin: str) -> object:
    try:
        text.decode("utf-8")
        found: object = msgspec.json.decode(text)
    except UnicodeDecodeError as error:
        raise _malformed(origin, *_position(text, error.start), "it is not UTF-8", "JSON") from error
    except msgspec.DecodeError as error:
        byte = _BYTE.search(str(error))
        reason = _BYTE.sub("", str(error)).removeprefix("JSON is malformed: ").strip()
        position = _position(text, int(byte[1]) if byte else len(text))
        raise _malformed(origin, *position, reason, "JSON") from error
    except RecursionError as error:
        raise _malformed(origin, 1, 1, "it is nested too deeply", "JSON") from error
    return found


def _toml(text: bytes, origin: str) -> object:
    try:
        return tomllib.loads(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _malformed(origin, *_position(text, error.start), "it is not UTF-8", "TOML") from error
    except tomllib.TOMLDecodeError as error:
        found = _LINE.search(str(error))
        position = (int(found[1]), int(found[2])) if found else _position(text, len(text))
        reason = str(error).partition(" (at ")[0]
        raise _malformed(origin, *position, reason, "TOML") from error
    except RecursionError as error:
        raise _malformed(origin, 1, 1, "it is nested too deeply", "TOML") from error


def _position(text: bytes, offset: int) -> tuple[int, int]:
    before = text[:offset]
    column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
    return before.count(b"\n") + 1, column


def _malformed(origin: str, line: int, column: int, reason: str, kind: str) -> SpecError:
    return SpecError(
        f"the {kind} is malformed at line {line}, column {column}: {reason}",
        code="spec-malformed",
        where=f"{origin}:{line}:{column}",
        remedy="correct the file at that place",
    )
