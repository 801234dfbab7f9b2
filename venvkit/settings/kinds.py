"""Forms of values: each kind turns text into a typed value, or says what it accepts. Every number has a bound."""

from __future__ import annotations

import os

from venvkit.base.paths import absolute_path

TYPE_CHECKING = False  # `typing` itself costs more than this whole room
if TYPE_CHECKING:
    from collections.abc import Callable

    Value = bool | int | float | str | tuple[str, ...] | tuple[int, int] | None

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")
# What a clock, a sleep and a time-out of the operating system can take, and more than anything else needs.
_MOST = 10**9
_MOST_BYTES = 2**63 - 1
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
# Ages are spans of days of 24 hours; uv refuses one that leads to a year before the first.
_SECONDS = {"w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}
_OLDEST = 700_000 * 86400
_WORDS = r"\d+ ?(?:weeks?|w|days?|d|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)"
_ISO = r"p(?=.)(?:\d+w)?(?:\d+d)?(?:t(?=.)(?:\d+h)?(?:\d+m)?(?:\d+s)?)?"
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d"
_STAMP = rf"(\d{{4}}-\d\d-\d\d)(?:[t ]{_CLOCK}(?::[0-5]\d(?:\.\d{{1,9}})?)?(?:z|[+-]\d\d:?\d\d)?)?"


class Kind:
    """One form of value.

    Attributes:
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
        self.accepts = f"{accepts}, separated by `{separator}`" if separator else accepts
        self.parse = _each(parse, separator) if separator else parse
        self.separator = separator
        self.is_path = is_path
        self.blank_counts = blank_counts


def _each(parse: Callable[[str], Value], separator: str) -> Callable[[str], Value]:
    return lambda text: tuple(str(parse(item.strip())) for item in text.split(separator) if item.strip())


def whole(minimum: int) -> Kind:
    """Return the kind of whole numbers from `minimum`, which is not negative, to a thousand million."""

    def parse(text: str) -> int:
        if not _is_number(text) or not minimum <= int(text) <= _MOST:
            raise ValueError(text)
        return int(text)

    return Kind("integer", f"a whole number of at least {minimum} and at most {_MOST}", parse)


def number(*, above_zero: bool) -> Kind:
    """Return the kind of numbers from 0, or from above it, to a thousand million."""

    def parse(text: str) -> float:
        value = float(text)
        # Every comparison with NaN is false.
        if "_" in text or not text.isascii() or not 0.0 <= value <= _MOST or (above_zero and value == 0.0):
            raise ValueError(text)
        return value

    return Kind("number", f"a number {'above' if above_zero else 'of at least'} 0 and at most {_MOST}", parse)


def choice(*names: str) -> Kind:
    """Return the kind that accepts exactly one of `names`."""

    def parse(text: str) -> str:
        if text not in names:
            raise ValueError(text)
        return text

    return Kind("choice", f"one of {', '.join(names)}", parse)


def accelerator_facts(text: str) -> tuple[str, str, bool]:
    """Return the CUDA version, the architecture (both empty where not said) and whether there is an NPU.

    Raises:
        ValueError: The text describes no accelerator.

    >>> accelerator_facts("npu, cuda=13.0,arch=sm_90")
    ('13.0', 'sm_90', True)
    """
    items = [item.strip() for item in text.split(",")]
    if items == ["none"]:
        return "", "", False
    facts = dict(item.partition("=")[::2] for item in items)
    cuda, arch = facts.get("cuda"), facts.get("arch")
    sound = (
        len(facts) == len(items)
        and facts.keys() <= {"cuda", "arch", "npu"}
        and ("npu" not in facts or "npu" in items)
        and (cuda is None or (cuda.count(".") < 2 and all(map(_is_number, cuda.split(".")))))
        and (arch is None or (cuda and arch[:3] == "sm_" and len(arch) in (5, 6) and _is_number(arch[3:])))
    )
    if not sound:
        raise ValueError(text)
    return cuda or "", arch or "", "npu" in facts


def _is_number(text: str) -> bool:
    # Otherwise int() would take `1_000`, `+1` and the digits of other scripts.
    return text.isascii() and text.isdigit()


def _bytes(text: str) -> int:
    digits, binary = text.upper().removesuffix("B"), 0
    if digits.endswith("I"):
        digits, binary = digits[:-1], 1
    unit = digits[-1:] if digits[-1:] in _UNITS else ""
    whole_part, _, fraction = digits.removesuffix(unit).strip().partition(".")
    if not _is_number(whole_part + fraction) or (binary and not unit):
        raise ValueError(text)
    factor = 1 << (10 * ("KMGT".index(unit) + 1)) if binary else _UNITS[unit]
    count: int = int(whole_part + fraction) * factor // 10 ** len(fraction)
    if count > _MOST_BYTES:
        raise ValueError(text)
    return count


def _flag(text: str) -> bool:
    if text.lower() not in _TRUE + _FALSE:
        raise ValueError(text)
    return text.lower() in _TRUE


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


def _home(text: str) -> str:
    """Return the real path of XINFERENCE_HOME: what is handed out must not move with a link.

    `:` separates the entries of PATH, `;` those of LD_LIBRARY_PATH as well (man 8 ld.so); a tab or a line break ends
    a script's interpreter (man 2 execve); a launcher is a Python source, where a backslash begins an escape.
    """
    path = os.path.realpath(absolute_path(text))
    if not path.isascii():
        path.encode()  # UnicodeEncodeError, a ValueError: the name is no UTF-8
    if any(sign in ":;\\\x7f" or sign < " " for sign in path):
        raise ValueError(text)
    return path


def _interpreter(text: str) -> str:
    # A bare name such as `python3.12` is looked up on PATH by the host room.
    return absolute_path(text) if os.sep in text or text.startswith("~") else text


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("*")
    if not (_is_number(width) and _is_number(height)):
        raise ValueError(text)
    if not (1 <= int(width) <= _MOST and 1 <= int(height) <= _MOST):
        raise ValueError(text)
    return int(width), int(height)


def _network(text: str) -> str:
    from ipaddress import ip_network  # only here: it costs 4 ms

    return str(ip_network(text))


def _distribution_name(text: str) -> str:
    """Return the name as PEP 503 compares it; `packaging` would cost the warm path 10 ms."""
    pieces = text.lower().replace("_", "-").replace(".", "-").split("-")
    if not text.isascii() or not all(piece.isalnum() for piece in (pieces[0], *filter(None, pieces), pieces[-1])):
        raise ValueError(text)
    return "-".join(filter(None, pieces))


def _accelerator(text: str) -> str:
    accelerator_facts(text)
    return text


def _moment(text: str) -> str:
    import re
    from datetime import date

    if stamp := re.fullmatch(_STAMP, text, re.ASCII | re.IGNORECASE):
        if date.fromisoformat(stamp[1]).year > 9998:  # the day after it has to have a date, too
            raise ValueError(text)
        return text
    if not (re.fullmatch(rf"{_WORDS}(?: ?{_WORDS})*", text, re.ASCII) or re.fullmatch(_ISO, text.lower(), re.ASCII)):
        raise ValueError(text)
    spans = re.findall(r"(\d+) ?([a-z])", text.lower())
    if sum(int(count) * _SECONDS[unit] for count, unit in spans) > _OLDEST:
        raise ValueError(text)
    return text


BOOL = Kind("boolean", "1, true, yes or on, or else 0, false, no or off", _flag)
TEXT = Kind("text", "any text", str)
URL = Kind("URL", "an http:// or https:// URL with a host", _url)
KEY = Kind("key", "printable ASCII characters without blanks", _key)
HOME = Kind(
    "path",
    "a path that PATH and the first line of a script can carry: without `:`, `;`, `\\` and control characters",
    _home,
    is_path=True,
)
PATHS = Kind("paths", "paths", absolute_path, separator=os.pathsep, is_path=True)
ROOTS = Kind("paths", "paths, or nothing at all", absolute_path, separator=os.pathsep, is_path=True, blank_counts=True)
INTERPRETER = Kind("interpreter", "a path, or the name of a program on PATH", _interpreter, is_path=True)
BYTES = Kind("bytes", "a number of bytes below 8 EiB, as in `50GB` or `1.5 GiB`", _bytes)
SIZE = Kind("size", "width and height in pixels, as in `1024*1024`", _size)
NETWORKS = Kind("networks", "IP addresses or CIDR blocks", _network, separator=",")
NAMES = Kind("names", "distribution names", _distribution_name, separator=",")
ACCELERATOR = Kind("accelerator", "none, npu, cuda=VERSION, or as in cuda=13.0,arch=sm_90", _accelerator)
MOMENT = Kind("moment", "a date, an RFC 3339 time, or an age such as `7 days` or `P7D`", _moment)
