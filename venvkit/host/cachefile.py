"""Small JSON files that only save work: absent, spoilt or unwritable ones are no error."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")


def load(path: Path, kind: type[T]) -> T | None:
    """Return the value of type `kind` stored at `path`, or None when there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
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
            stream.write(msgspec.json.encode(value))
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except (OSError, UnicodeError):
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        return False
    return True
