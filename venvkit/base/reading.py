"""Reading JSON and TOML files that a crash, another version or another program may have spoilt.

Only regular files of a bounded size are read, and only documents of a bounded depth are handed on. Every fault of the
content is a ValueError, so that a caller decides in one place what an unreadable file means.

The warm path imports this module, so it imports little.
"""

from __future__ import annotations

# Text paths: importing pathlib costs more than all of the warm path.
# ruff: noqa: PTH116
import errno
import json
import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn, TypeVar

    T = TypeVar("T")

LARGEST = 64 << 20
"""Bytes of the largest file that is read."""
DEEPEST = 100
"""Levels of tables and lists that a document may have. Python's parsers end at about 1,000, code that walks earlier."""
# A TOML integer has 64 bits (https://toml.io/en/v1.0.0#integer); JSON is held to the same.
_LOWEST, _HIGHEST = -(1 << 63), 1 << 64
# Pipes that this process was started with: `venvkit plan <(command)`.
_OWN = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")
_TOO_DEEP = "it is nested too deeply"
_TOO_LARGE = "an integer has more than 64 bits"


def read_regular(path: str | os.PathLike[str]) -> bytes:
    """Return the content of a regular file, or of a pipe that this process was given; links are followed.

    Raises:
        OSError: It cannot be read, is no regular file, or has more than `LARGEST` bytes.
    """
    try:
        # A device is not even opened, because that may act on it.
        mode = os.stat(path).st_mode
        piped = stat.S_ISFIFO(mode) and os.fspath(path).startswith(_OWN)
        if not stat.S_ISREG(mode) and not piped:
            raise OSError(errno.EINVAL, "it is not a regular file", os.fspath(path))
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | (0 if piped else os.O_NONBLOCK))
    except ValueError as error:  # a null byte in the path
        raise FileNotFoundError(errno.ENOENT, str(error), os.fspath(path)) from error
    chunks, left = [], LARGEST
    try:
        while chunk := os.read(descriptor, 1 << 16):
            chunks.append(chunk)
            left -= len(chunk)
            if left < 0:
                raise OSError(errno.EFBIG, f"it has more than {LARGEST >> 20} MiB", os.fspath(path))
    finally:
        os.close(descriptor)
    return b"".join(chunks)


def content_of(path: str | os.PathLike[str]) -> bytes:
    """Return the content of a regular file, or nothing where it cannot be read."""
    try:
        return read_regular(path)
    except OSError:
        return b""


def parse_json(content: bytes, *, unique: bool = False) -> object:
    """Return the JSON document in `content`, which is UTF-8.

    Args:
        unique: Refuse an object that has one key twice; otherwise the last value counts.

    Raises:
        ValueError: It is malformed (json.JSONDecodeError tells the place), nested too deeply, or has a value that no
            other program reads: an integer of more than 64 bits, half a surrogate pair, NaN.
    """
    hook = _unique if unique else None
    return _parsed(lambda: json.loads(content.decode(), object_pairs_hook=hook, parse_constant=_no_constant))


def parse_toml(content: bytes) -> dict[str, Any]:
    """Return the TOML document in `content`.

    Raises:
        ValueError: It is malformed (tomllib.TOMLDecodeError), nested too deeply, or has an integer of more than 64
            bits.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return _parsed(lambda: tomllib.loads(content.decode()))


def _parsed(parse: Callable[[], T]) -> T:
    """Return what `parse` gives, where every reader can take it; the document is looked at level by level."""
    try:
        document = parse()
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    except ValueError as error:
        # Python's own limit: https://docs.python.org/3/library/stdtypes.html#int-max-str-digits
        raise ValueError(_TOO_LARGE) if "integer string conversion" in str(error) else error from None
    level: list[object] = [document]
    for _ in range(DEEPEST):
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                below += value
                below += value.values()
            elif isinstance(value, list):
                below += value
            elif isinstance(value, int):
                if not _LOWEST <= value < _HIGHEST:
                    raise ValueError(_TOO_LARGE)
            elif isinstance(value, str) and not value.isascii():
                value.encode()
        if not below:
            return document
        level = below
    raise ValueError(_TOO_DEEP)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {name!r} is repeated")
        found[name] = value
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
