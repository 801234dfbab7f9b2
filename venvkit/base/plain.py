"""Frozen values as plain ones."""

from __future__ import annotations

from typing import Any

from msgspec import to_builtins


def plain(value: object) -> Any:
    """Return a frozen value as dicts, sequences and scalars; a path as its text."""
    return to_builtins(value, enc_hook=str)
