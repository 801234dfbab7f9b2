"""Small JSON files that only save work: absent, spoilt or unwritable ones are no error."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TypeVar

import msgspec

from venvkit.base.reading import read_regular

T = TypeVar("T")


def load(path: str | Path, kind: type[T]) -> T | None:
    """Return the value of type `kind` stored at `path`, or None when there is none that can be read."""
    try:
        return msgspec.json.decode(read_regular(path), type=kind)
    except (OSError, ValueError, RecursionError):  # msgspec's errors are ValueErrors, and so is text that is no UTF-8
        return None


def store(path: Path, value: object) -> bool:
    """Write `value` at `path`, whole or not at all; return whether that was possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError:
        return False
    try:
        with open(descriptor, "wb") as stream:  # noqa: PTH123 - it is open already
            # Not synced: after a power cut what is here cannot be read, or can be made again.
            stream.write(msgspec.json.encode(value))
        Path(temporary).replace(path)
    except (OSError, UnicodeError):
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        return False
    return True
