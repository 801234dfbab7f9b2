"""Strings as they may be shown: secrets masked, control characters escaped, counts and sizes for people."""

from __future__ import annotations

import os
import unicodedata
from functools import lru_cache

from venvkit.base.mask import mask
from venvkit.errors import SettingError
from venvkit.settings import VARIABLES
from venvkit.settings.file import read_settings_file
from venvkit.settings.resolve import Levels

_SECRET_NAMES = tuple(variable.name for variable in VARIABLES if variable.secret)
# A name or message may come from a file that somebody else wrote: it must not move the cursor or add lines.
_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {9: " ", 10: "\\n", 13: "\\r"}
_UNITS = ("kB", "MB", "GB", "TB")
_HOMES = ("XINFERENCE_HOME", "HOME")


def masked(text: str) -> str:
    """Return `text` without credentials and without the values of secret settings."""
    get = os.environ.get
    return mask(text, _secrets(*(get(name, "") for name in _SECRET_NAMES), *map(get, _HOMES)))


@lru_cache(maxsize=1)
def _secrets(*values: str | None) -> tuple[str, ...]:
    """Return the secrets of the environment and of the settings file, as they are sent: without blanks around them.

    The file is read once for all that a command shows.

    Args:
        values: Those of the secret variables, then those that say where the settings file lies.
    """
    homes = {name: value for name, value in zip(_HOMES, values[-len(_HOMES) :], strict=True) if value is not None}
    home = Levels(homes, {}).setting("XINFERENCE_HOME").value
    try:
        filed = read_settings_file(str(home))[0]
    except SettingError:
        filed = {}  # what cannot be read gives no secret to anything
    known = (*(value or "" for value in values[: -len(_HOMES)]), *(filed.get(name, "") for name in _SECRET_NAMES))
    return tuple(dict.fromkeys(value.strip() for value in known if value.strip()))


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
