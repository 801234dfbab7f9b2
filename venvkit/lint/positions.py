"""Line numbers of the fields of a JSON document."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def lines_of(text: str) -> Mapping[str, int]:
    """Return the line, from 1, on which each value of a well-formed document begins, by its path: `[2].a.b[3]`."""
    found: dict[str, int] = {}
    # The path of each open container, and for an object the key of the next value, for a list its position.
    open_ones: list[tuple[str, str | int | None]] = []
    line, at = 1, 0
    for token in _TOKEN.finditer(text):
        line += text.count("\n", at, token.start())
        at = token.start()
        word = token[0]
        if word in "}]":
            open_ones.pop()
        elif word == ",":
            outer, key = open_ones[-1]
            open_ones[-1] = (outer, key + 1 if isinstance(key, int) else None)
        elif word != ":":
            path = _path(open_ones)
            if path is None:  # the key of an object, whose value comes next
                open_ones[-1] = (open_ones[-1][0], json.loads(word, strict=False))
                continue
            found.setdefault(path, line)
            if word in "{[":
                open_ones.append((path, None if word == "{" else 0))
    return found


def line_of(lines: Mapping[str, int], path: str) -> int | None:
    """Return the line of a path, else of the nearest thing around it: what is missing stands nowhere."""
    while path:
        if path in lines:
            return lines[path]
        path = re.sub(r"(?:\.|^)[^.\[\]]*$|\[\d+\]$", "", path)
    return lines.get("")


def _path(open_ones: list[tuple[str, str | int | None]]) -> str | None:
    if not open_ones:
        return ""
    path, key = open_ones[-1]
    if key is None:
        return None
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key
