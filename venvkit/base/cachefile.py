"""Small JSON files that only save work: absent, spoilt or unwritable ones are no error.

The number of a format belongs into the name of its files: two versions of venvkit then keep files beside one another.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from pathlib import Path
from typing import TypeVar

import msgspec

from venvkit.base.reading import read_regular

T = TypeVar("T")


def load(path: str | Path, kind: type[T], *, checked: bool = False) -> T | None:
    """Return the value of type `kind` stored at `path`, or None when there is none that can be read.

    Args:
        checked: The file was stored with its digest, and one that does not have it counts for unreadable.
    """
    try:
        content = read_regular(path)
        if checked:
            expected, _, content = content.partition(b"\n")
            if expected != _digest(content):
                return None
        return msgspec.json.decode(content, type=kind, dec_hook=_path)
    except (OSError, ValueError, RecursionError):  # msgspec's errors are ValueErrors, and so is text that is no UTF-8
        return None


def store(path: Path, value: object, *, checked: bool = False) -> bool:
    """Write `value` at `path`, whole or not at all, `checked` behind its digest; return whether that was possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError:
        return False
    try:
        with open(descriptor, "wb") as stream:  # noqa: PTH123 - it is open already
            # Not synced: after a power cut what is here cannot be read, or can be made again.
            content = msgspec.json.encode(value)
            stream.write(_digest(content) + b"\n" + content if checked else content)
        Path(temporary).replace(path)
    except (OSError, UnicodeError):
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        return False
    return True


def _path(kind: type, value: object) -> Path:
    if kind is not Path or not isinstance(value, str):
        raise TypeError(kind)
    return Path(value)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
