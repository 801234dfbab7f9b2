"""Strings as they may be shown: secrets masked, control characters escaped, counts and sizes for people."""

from __future__ import annotations

import os
import unicodedata

from venvkit.masking import mask
from venvkit.settings import VARIABLES

_SECRET_NAMES = tuple(variable.name for variable in VARIABLES if variable.secret)
# A name or message may come from a file that somebody else wrote: it must not move the cursor or add lines.
_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {9: " ", 10: "\\n", 13: "\\r"}
_UNITS = ("kB", "MB", "GB", "TB")


def masked(text: str) -> str:
    """Return `text` without credentials and without the values of secret variables."""
    return mask(text, [os.environ.get(name, "") for name in _SECRET_NAMES])


def clean(text: str) -> str:
    """Return `text` masked and on one line, control characters and what is no Unicode made visible."""
    return masked(text).translate(_ESCAPED).encode("utf-8", "backslashreplace").decode("utf-8")


def size(count: int | None) -> str:
    """Return a number of bytes for people; `-` when it is not known.

    >>> size(970), size(37016), size(2_400_000_000)
    ('970 B', '37.0 kB', '2.4 GB')
    """
    if count is None:
        return "-"
    if count < 1000:
        return f"{count} B"
    value, place = count / 1000, 0
    while value >= 999.95 and place < len(_UNITS) - 1:
        value, place = value / 1000, place + 1
    return f"{value:.1f} {_UNITS[place]}"


def counted(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> counted(1, "distribution"), counted(0, "distribution")
    ('1 distribution', '0 distributions')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def cells(text: str) -> int:
    """Return how many columns a terminal needs for `text`."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) != 0 for char in text)
