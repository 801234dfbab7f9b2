"""Markers of metadata, with the truth values that uv gives them: the plan has to mean what uv resolves.

Where uv finds a comparison without a meaning (`sys_platform ~= "linux"`, `python_version >= "3.x"`), it drops that
comparison from its `and` or `or`; a marker of which nothing is left holds.
https://github.com/astral-sh/uv/blob/main/crates/uv-pep508/src/marker/parse.rs (and algebra.rs for the comparisons)
"""

from __future__ import annotations

import re
from functools import lru_cache

from packaging.specifiers import Specifier
from packaging.utils import canonicalize_name
from packaging.version import Version

from venvkit.spec.language.compare import OPERATORS, compare_text, is_specifier, is_version, parse_version
from venvkit.spec.language.marker import Marker, MarkerContext, Parser, Token, tokenize
from venvkit.spec.language.nodes import IGNORED, TEXT_NAMES, Comparison, Node
from venvkit.spec.language.pep508 import NAME

_VERSION_NAMES = frozenset({"python_version", "python_full_version", "implementation_version"})
_NAMES = _VERSION_NAMES | TEXT_NAMES | {"platform_release"}
# Names of before PEP 508, which old metadata still uses.
_OLD_NAMES = {
    "os.name": "os_name",
    "sys.platform": "sys_platform",
    "platform.machine": "platform_machine",
    "platform.version": "platform_version",
    "platform.python_implementation": "platform_python_implementation",
    "python_implementation": "platform_python_implementation",
}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
# Texts that are ordered by their letters; others have no order.
_ORDERED_NAMES = frozenset({"platform_release", "platform_version"})


class MetadataComparison(Comparison, frozen=True):
    """A marker variable against a literal. It is `flipped` only for `in` and `not in`: "the literal is in it"."""

    def evaluate(self, context: MarkerContext) -> bool:
        actual = context.environment.get(self.name, "")
        if self.name == "extra":
            valid = re.fullmatch(NAME, self.literal) is not None
            return valid and (canonicalize_name(self.literal) == actual) is (self.op == "==")
        if self.name in _ORDERED_NAMES and self.op in _TURNED:
            return bool(OPERATORS[self.op](actual, self.literal))
        if self.name not in _VERSION_NAMES:
            return compare_text(*self._sides(actual))
        # An interpreter built from a checkout ends its version in `+`.
        version = parse_version(actual.removesuffix("+"))
        if version is None:
            return False
        if self.op in ("in", "not in"):
            return any(version == Version(one) for one in self.literal.split()) is (self.op == "in")
        return _specifier(self.op + self.literal).contains(version, prereleases=True)


class _MetadataParser(Parser):
    def term(self, depth: int) -> Node:
        if self.peek() == ("word", "not"):
            raise self.malformed("has a `not`, which metadata may not have")
        return super().term(depth)

    def comparison(self) -> Node:
        left, op, right = self.take(), self.operator(), self.take()
        for token in (left, right):
            self.check_operand(token)
        if op == "===":
            raise self.malformed("uses `===`, which no marker may")
        flipped = left[0] == "string"
        if flipped is (right[0] == "string"):
            return IGNORED
        word, literal = (right[1], left[1][1:-1]) if flipped else (left[1], right[1][1:-1])
        name = _OLD_NAMES.get(word, word)
        if flipped and op not in ("in", "not in"):
            op = _TURNED.get(op, op)
            if name in _VERSION_NAMES and not is_version(literal):
                return IGNORED
            flipped = False
        return MetadataComparison(name, op, literal, flipped) if _means(name, op, literal, flipped) else IGNORED

    def check_operand(self, token: Token) -> None:
        if token[0] != "string" and _OLD_NAMES.get(token[1], token[1]) not in _NAMES:
            raise self.malformed(f"wants a variable or a string where `{token[1]}` stands")


def _means(name: str, op: str, literal: str, flipped: bool) -> bool:
    """Tell whether uv gives a comparison a meaning."""
    if name == "extra":
        return op in ("==", "!=")
    if name not in _VERSION_NAMES:
        return op != "~="
    if op in ("in", "not in"):
        return not flipped and all(map(is_version, literal.split()))
    return is_specifier(op, literal)


@lru_cache(maxsize=16384)
def parse_metadata_marker(text: str) -> Marker | None:
    """Read a marker of metadata; None where nothing of it has a meaning, so that it always holds.

    Raises:
        SpecError: It is no marker (`requirement-invalid`).
    """
    marker = _MetadataParser(text, tokenize(text, ""), None, "").parsed()
    return None if marker.root is IGNORED else marker


_specifier = lru_cache(maxsize=1024)(Specifier)
