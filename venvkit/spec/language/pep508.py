"""The grammar of one requirement line: where its marker begins, and what its head says.

packaging parses heads; a plain head takes a tenth of that here. A host of a thousand distributions has five thousand
lines, and packaging's grammar takes 100 microseconds for each.
Grammar: https://packaging.python.org/en/latest/specifications/dependency-specifiers/
"""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
DIRECT = re.compile(rf"\s*({NAME})\s*(\[[^\]]*\])?\s*@\s*(.*)", re.DOTALL)
_URL_MARKER = re.compile(r"\s;")
# What nearly every head is: a name and bounds without `===`. The rest is left to packaging's grammar.
_PLAIN = re.compile(
    rf"({NAME}) *(\()?((?:(?:~=|==|!=|<=|>=|<|>) *[0-9][A-Za-z0-9.!+*_-]* *(?:, *(?=[~=!<>])|(?=\)|$)))*)(?(2)\))"
)


class Head(Struct, frozen=True):
    """A requirement without its marker.

    Args:
        name: The distribution, normalized.
        extras: Its extras, normalized.
        specifier: The versions that it accepts.
        url: The direct reference, or None.
    """

    name: NormalizedName
    extras: frozenset[NormalizedName]
    specifier: SpecifierSet
    url: str | None


def split_marker(text: str) -> tuple[str, str | None]:
    """Return the head of a requirement line and its marker; in a URL a marker begins at a `;` that follows a blank."""
    if URL.match(text) or DIRECT.match(text):
        found = _URL_MARKER.search(text)
        return (text[: found.start()].rstrip(), text[found.end() :]) if found else (text, None)
    head, semicolon, marker = text.partition(";")
    return head.rstrip(), marker if semicolon else None


@lru_cache(maxsize=65536)
def parse_head(head: str) -> Head:
    """Return the parts of a requirement without its marker; nothing is corrected.

    Raises:
        InvalidRequirement: It is no requirement.
    """
    plain = _PLAIN.fullmatch(head)
    if plain is not None:
        try:
            return Head(_canonical(plain[1]), frozenset(), _specifier(plain[3]), None)
        except InvalidSpecifier as error:
            raise InvalidRequirement(str(error)) from error
    parsed = Requirement(head)
    return Head(_canonical(parsed.name), frozenset(map(_canonical, parsed.extras)), parsed.specifier, parsed.url)


_canonical = lru_cache(maxsize=65536)(canonicalize_name)
_specifier = lru_cache(maxsize=16384)(SpecifierSet)
