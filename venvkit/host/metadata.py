"""Reading the files inside a `.dist-info` or `.egg-info`, fast, and without trusting what is in them.

Only headers are read: the long description of a METADATA file is most of it, and of no use here.
"""

from __future__ import annotations

import os
import re

from venvkit.base.reading import parse_json

_CHUNK = 16384
_HEADERS = frozenset(
    ("metadata-version", "name", "version", "requires-dist", "provides-extra", "requires-python", "dynamic")
)
_INITIALS = frozenset(header[0] for header in _HEADERS) | frozenset(header[0].upper() for header in _HEADERS)
_FOLD = re.compile(r"\n[ \t]+")
_TAGS = re.compile(r"^Tag:[ \t]*(\S+)", re.MULTILINE)


def read_bytes(path: str) -> bytes:
    """Return the whole file at `path`.

    Raises:
        OSError: It cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        chunks = []
        while chunk := os.read(descriptor, _CHUNK):
            chunks.append(chunk)
        return b"".join(chunks)
    finally:
        os.close(descriptor)


def read_text(path: str) -> str | None:
    """Return the whole file at `path`, invalid UTF-8 replaced, or None when it cannot be read."""
    try:
        return read_bytes(path).decode("utf-8", "replace")
    except (OSError, ValueError):
        return None


def read_headers(path: str) -> dict[str, list[str]]:
    """Return the values of the headers venvkit knows, by lower case name, of the METADATA or PKG-INFO at
    `path`.

    Raises:
        OSError: It cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        head = b""
        while chunk := os.read(descriptor, _CHUNK):
            head += chunk
            # A carriage return at the end may be half of a line end: the next chunk tells.
            if b"\n\n" in head or b"\n\r\n" in head:
                break
    finally:
        os.close(descriptor)
    return parse_headers(head.partition(b"\n\n")[0].decode("utf-8", "replace"))


def parse_headers(text: str) -> dict[str, list[str]]:
    """Return the values of the headers venvkit knows: up to the first blank line, folded lines joined."""
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    text = text.lstrip("\ufeff").partition("\n\n")[0]
    if "\n " in text or "\n\t" in text:
        text = _FOLD.sub(" ", text)
    found: dict[str, list[str]] = {}
    # A pattern over the whole text takes five times as long as looking at the lines.
    for line in text.split("\n"):
        if line[:1] in _INITIALS:
            name, colon, value = line.partition(":")
            name = name.rstrip(" \t").lower()
            if colon and name in _HEADERS:
                found.setdefault(name, []).append(value.strip(" \t"))
    return found


def wheel_tags(directory: str) -> tuple[str, ...]:
    """Return the compatibility tags of the wheel it was installed from, none when unknown."""
    text = read_text(f"{directory}/WHEEL")
    return tuple(_TAGS.findall(text)) if text else ()


def direct_url(directory: str) -> tuple[str | None, bool]:
    """Return the URL it was installed from, for a direct reference (PEP 610), and whether it is editable."""
    try:
        value = parse_json(read_bytes(f"{directory}/direct_url.json"))
    except (OSError, ValueError):
        return None, False
    if not isinstance(value, dict) or not isinstance(value.get("url"), str):
        return None, False
    info = value.get("dir_info")
    return value["url"], isinstance(info, dict) and info.get("editable") is True


def egg_requires(text: str) -> tuple[list[str], list[str]]:
    """Return the requirements and the extras of a `requires.txt`, as Requires-Dist and Provides-Extra would
    say them.

    >>> egg_requires("six\\n\\n[test:python_version<'3']\\nmock>=1 ; os_name=='nt'\\n")
    (['six', "mock>=1 ; (os_name=='nt') and (python_version<'3') and extra == 'test'"], ['test'])
    """
    requires, extras, conditions = [], [], []
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            extra, _, marker = line[1:-1].partition(":")
            conditions = [f"({marker})"] if marker else []
            if extra:
                extras.append(extra)
                conditions.append(f"extra == '{extra}'")
        elif line and not line.startswith("#"):
            head, _, own = line.partition(";")
            parts = ([f"({own.strip()})"] if own.strip() else []) + conditions
            requires.append(f"{head.strip()} ; {' and '.join(parts)}" if parts else line)
    return requires, list(dict.fromkeys(extras))
