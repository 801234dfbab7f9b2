"""Comparisons of the values of markers: versions, texts, engine names, GPU architectures."""

from __future__ import annotations

import operator
import re
from collections.abc import Collection
from functools import lru_cache

from packaging.specifiers import InvalidSpecifier, Specifier
from packaging.version import InvalidVersion, Version

_ARCH = re.compile(r"(?:sm_|compute_)?(\d+)[a-z]?")
OPERATORS = {
    "<": operator.lt, "<=": operator.le, "==": operator.eq, "!=": operator.ne, ">=": operator.ge, ">": operator.gt,
}  # fmt: skip
_TOKENS = re.compile(r"[\s,]+")
# Python refuses to read a number of some thousand digits, with another error than that of a faulty version.
LONGEST_VERSION = 200


def engine_key(name: str) -> str:
    """Return the form in which engine names are equal: without case, `-`, `_` and `.` being one.

    >>> engine_key("llama_cpp") == engine_key("Llama.cpp")
    True
    """
    return re.sub(r"[-_.]+", "-", name.strip().casefold())


def arch_number(text: str) -> int | None:
    """Return the number of a GPU architecture (`sm_80` -> 80), or None where it has none."""
    found = _ARCH.fullmatch(text.strip().lower()) if len(text) <= LONGEST_VERSION else None
    return int(found[1]) if found else None


def tokens(text: str) -> tuple[str, ...]:
    """Return the words of a literal that lists several values, by blanks or commas."""
    return tuple(token for token in _TOKENS.split(text) if token)


@lru_cache(maxsize=65536)
def parse_version(text: str) -> Version | None:
    """Return a version, or None where the text is none that can be read."""
    try:
        return Version(text) if len(text) <= LONGEST_VERSION else None
    except InvalidVersion:
        return None


def is_version(text: str) -> bool:
    """Tell whether `text` is a version."""
    return parse_version(text) is not None


def is_specifier(op: str, text: str) -> bool:
    """Tell whether `op` followed by `text` is a version specifier."""
    if len(text) > LONGEST_VERSION:
        return False
    try:
        Specifier(op + text)
    except InvalidSpecifier:
        return False
    return True


def compare_text(left: str, op: str, right: str) -> bool:
    """Compare as strings, which have no order: `<`, `>` are false, `<=`, `>=` mean equal, as in packaging."""
    if op in ("in", "not in"):
        return (left in right) is (op == "in")
    if op == "!=":
        return left != right
    return op not in ("<", ">") and left == right


def compare_version_or_text(left: str, op: str, right: str) -> bool:
    """Compare as PEP 508 does: as versions where `right` makes a specifier, else as strings."""
    if max(len(left), len(right)) > LONGEST_VERSION:
        return compare_text(left, op, right)
    try:
        return Specifier(op + right).contains(left, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return compare_text(left, op, right)


def compare_cuda_version(actual: str, op: str, literal: str, *, flipped: bool) -> bool:
    """Compare the CUDA version of the machine as a version; `in` looks in a list of versions."""
    if not is_version(actual):
        return False
    if op in ("in", "not in"):
        listed = (actual,) if flipped else tokens(literal)
        sought = literal if flipped else actual
        return any(is_version(one) and Version(one) == Version(sought) for one in listed) is (op == "in")
    left, right = (literal, actual) if flipped else (actual, literal)
    return Specifier(op + right).contains(left, prereleases=True)


def compare_cuda_arch(actual: str, op: str, literal: str, *, flipped: bool) -> bool:
    """Compare the GPU architecture of the machine by its number; `in` looks in a list of architectures."""
    mine = arch_number(actual)
    if mine is None:
        return False
    if op in ("in", "not in"):
        return (mine in {arch_number(token) for token in tokens(literal)}) is (op == "in")
    other = arch_number(literal) or 0
    left, right = (other, mine) if flipped else (mine, other)
    return bool(OPERATORS[op](left, right))


def compare_engine(names: Collection[str], op: str, literal: str) -> bool:
    """Compare the launched engine's names, each in its `engine_key` form; `in` looks in a list of names."""
    listed = tokens(literal) if op in ("in", "not in") else (literal,)
    return any(engine_key(one) in names for one in listed) is (op in ("==", "in"))


def compare_variable(left: str, op: str, right: str) -> bool:
    """Compare a value the caller passed: as strings, but ordered as versions where both sides are."""
    if op in ("==", "!=", "in", "not in", "==="):
        return compare_text(left, op, right)
    if is_version(left) and is_version(right) and is_specifier(op, right):
        return Specifier(op + right).contains(left, prereleases=True)
    return op != "~=" and compare_text(left, op, right)
