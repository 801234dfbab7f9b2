"""What a value may look like: each kind turns text into a typed value, or says what it accepts."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # `typing` itself costs more than this whole room
if TYPE_CHECKING:
    from collections.abc import Callable

    Value = bool | int | float | str | tuple[str, ...] | tuple[int, int] | None

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")


class Kind:
    """One form of value.

    Args:
        name: Short name, as the documentation writes it.
        accepts: What is accepted, as the end of a sentence.
        parse: Turns text, neither blank nor surrounded by blanks, into a value; else raises ValueError.
        separator: What stands between the items of a list; empty for a single value.
        is_path: A leading `~` in the value, or in an item of it, means the user's home directory.
        blank_counts: A blank value means "empty" and not "not set".
    """

    __slots__ = ("accepts", "blank_counts", "is_path", "name", "parse", "separator")

    def __init__(
        self,
        name: str,
        accepts: str,
        parse: Callable[[str], Value],
        *,
        separator: str = "",
        is_path: bool = False,
        blank_counts: bool = False,
    ) -> None:
        self.name = name
        self.accepts = accepts
        self.parse = parse
        self.separator = separator
        self.is_path = is_path
        self.blank_counts = blank_counts

    def items(self, text: str) -> tuple[str, ...]:
        """Return the non-blank items of a list's text, without surrounding blanks."""
        return tuple(item.strip() for item in text.split(self.separator) if item.strip())


def whole(minimum: int) -> Kind:
    """Return the kind of whole numbers of at least `minimum`, which is not negative."""

    def parse(text: str) -> int:
        # int() alone would take `1_000`, `+1` and the digits of other scripts.
        if not (text.isascii() and text.isdigit()) or int(text) < minimum:
            raise ValueError(text)
        return int(text)

    return Kind("integer", f"a whole number of at least {minimum}", parse)


def number(*, above_zero: bool) -> Kind:
    """Return the kind of finite numbers that are not negative; also zero only unless `above_zero`."""

    def parse(text: str) -> float:
        value = float(text)
        # The comparison with infinity refuses NaN too: every comparison with NaN is false.
        if "_" in text or not 0.0 <= value < float("inf") or (above_zero and value == 0.0):
            raise ValueError(text)
        return value

    return Kind("number", "a number above 0" if above_zero else "a number of at least 0", parse)


# More make no size, and no float.
_DIGITS = 30
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def _bytes(text: str) -> int:
    number, binary = text.upper().removesuffix("B"), 0
    if number.endswith("I"):
        number, binary = number[:-1], 1
    unit = number[-1:] if number[-1:] in _UNITS else ""
    digits = number.removesuffix(unit).strip()
    if not digits.replace(".", "", 1).isdigit() or not digits.isascii() or (binary and not unit):
        raise ValueError(text)
    factor = 1024 ** "KMGT".index(unit) * 1024 if binary else _UNITS[unit]
    if len(digits) > _DIGITS:
        raise ValueError(text)
    return int(float(digits) * factor)


def choice(*names: str) -> Kind:
    """Return the kind that accepts exactly one of `names`."""

    def parse(text: str) -> str:
        if text not in names:
            raise ValueError(text)
        return text

    return Kind("choice", f"one of {', '.join(names)}", parse)


def _flag(text: str) -> bool:
    lowered = text.lower()
    if lowered not in _TRUE + _FALSE:
        raise ValueError(text)
    return lowered in _TRUE


def _url(text: str) -> str:
    scheme, found, rest = text.partition("://")
    host = rest.partition("/")[0].rpartition("@")[2]
    if scheme.lower() not in ("http", "https") or not found or not host or host.startswith(":"):
        raise ValueError(text)
    if any(character.isspace() for character in text):
        raise ValueError(text)
    return text


def _key(text: str) -> str:
    # It becomes part of an HTTP header, where a line break would begin another one.
    if not all("!" <= character <= "~" for character in text):
        raise ValueError(text)
    return text


def _path(text: str) -> str:
    # `~name`; a plain `~` was replaced before, from the environment that the settings are read from.
    expanded = os.path.expanduser(text)  # noqa: PTH111
    if expanded.startswith("~"):
        raise ValueError(text)
    return os.path.abspath(expanded)  # noqa: PTH100


def _paths(text: str) -> tuple[str, ...]:
    return tuple(_path(item) for item in PATHS.items(text))


def _interpreter(text: str) -> str:
    # A bare name such as `python3.12` is looked up on PATH by the host room.
    return _path(text) if os.sep in text or text.startswith("~") else text


def _size(text: str) -> tuple[int, int]:
    width, found, height = text.partition("*")
    positive = whole(1)
    if not found or positive.parse(width) is None or positive.parse(height) is None:
        raise ValueError(text)
    return int(width), int(height)


def _networks(text: str) -> tuple[str, ...]:
    from ipaddress import ip_network  # only here: it costs 4 ms

    return tuple(str(ip_network(item)) for item in NETWORKS.items(text))


def _names(text: str) -> tuple[str, ...]:
    return tuple(_distribution_name(item) for item in NAMES.items(text))


def _distribution_name(text: str) -> str:
    """Return the name as PEP 503 compares it."""
    pieces = text.lower().replace("_", "-").replace(".", "-").split("-")
    if not text.isascii() or not all(piece.isalnum() for piece in (pieces[0], pieces[-1])):
        raise ValueError(text)
    if not all(piece.isalnum() for piece in pieces if piece):
        raise ValueError(text)
    return "-".join(piece for piece in pieces if piece)


def _accelerator(text: str) -> str:
    import re

    # The accelerator room makes facts of it; a fault must show without that room, which the warm path lacks.
    known = {"cuda": r"\d+(\.\d+)?", "arch": r"sm_\d{2,3}", "npu": ""}
    given = [item.strip() for item in text.split(",")]
    pairs = dict(item.partition("=")[::2] for item in given)
    sound = len(pairs) == len(given) and all(
        name in known and re.fullmatch(known[name], value, re.ASCII) for name, value in pairs.items()
    )
    if text != "none" and not (sound and ("cuda" in pairs or "arch" not in pairs) and "npu=" not in given):
        raise ValueError(text)
    return text


def _moment(text: str) -> str:
    import re
    from datetime import date

    if stamp := re.fullmatch(
        r"(\d{4}-\d\d-\d\d)(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?", text, re.ASCII
    ):
        date.fromisoformat(stamp[1])
        return text
    words = r"\d+ ?(?:weeks?|w|days?|d|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)"
    iso = r"P(?=.)(?:\d+W)?(?:\d+D)?(?:T(?=.)(?:\d+H)?(?:\d+M)?(?:\d+S)?)?"
    if re.fullmatch(rf"{words}(?: ?{words})*|{iso}", text, re.ASCII):
        return text
    raise ValueError(text)


def _separated(what: str, separator: str) -> str:
    return f"{what}, separated by `{separator}`"


BOOL = Kind("boolean", "1, true, yes or on, or else 0, false, no or off", _flag)
TEXT = Kind("text", "any text", str)
URL = Kind("URL", "an http:// or https:// URL with a host", _url)
KEY = Kind("key", "printable ASCII characters without blanks", _key)
PATH = Kind("path", "a path, whose `~` can be expanded", _path, is_path=True)
PATHS = Kind("paths", _separated("paths", os.pathsep), _paths, separator=os.pathsep, is_path=True)
ROOTS = Kind(
    "paths",
    _separated("paths, or nothing at all", os.pathsep),
    _paths,
    separator=os.pathsep,
    is_path=True,
    blank_counts=True,
)
INTERPRETER = Kind("interpreter", "a path, or the name of a program on PATH", _interpreter, is_path=True)
BYTES = Kind("bytes", "a number of bytes, as in `50GB` or `1.5 GiB`", _bytes)
SIZE = Kind("size", "width and height in pixels, as in `1024*1024`", _size)
NETWORKS = Kind("networks", _separated("IP addresses or CIDR blocks", ","), _networks, separator=",")
NAMES = Kind("names", _separated("distribution names", ","), _names, separator=",")
ACCELERATOR = Kind("accelerator", "none, npu, cuda=VERSION, or as in cuda=13.0,arch=sm_90", _accelerator)
MOMENT = Kind("moment", "a date, an RFC 3339 time, or an age such as `7 days` or `P7D`", _moment)
