"""The marker language: PEP 508 plus engines, devices, `not`, and the caller's own `#variables#`.

or    := and ("or" and)*
and   := not ("and" not)*
not   := "not" not | "(" or ")" | flag | comparison
comparison := variable OP string | string OP variable
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from functools import lru_cache

from msgspec import Struct

from venvkit.errors import SpecError
from venvkit.spec.language.compare import arch_number, is_specifier, is_version, tokens
from venvkit.spec.language.nodes import (
    DEVICE_NAMES,
    ENGINE_NAMES,
    FLAG_NAMES,
    IGNORED,
    TEXT_NAMES,
    VERSION_NAMES,
    AcceleratorFacts,
    All,
    AnyOf,
    Comparison,
    Flag,
    Marker,
    MarkerContext,
    Node,
    Not,
    unknown_name,
)
from venvkit.spec.language.urls import quoted

__all__ = ["AcceleratorFacts", "Marker", "MarkerContext", "Parser", "Token", "parse_marker", "tokenize"]

Token = tuple[str, str]  # kind (punctuation, op, string or word) and text

_TOKEN = re.compile(
    r"""\s*(?:(?P<punctuation>[()])
        |(?P<op>===|~=|==|!=|<=|>=|<|>)
        |(?P<string>"[^"]*"|'[^']*')
        |(?P<word>\#[^\#\s"']+\#|[A-Za-z_][A-Za-z0-9_.]*)
        )""",
    re.VERBOSE,
)
_KEYWORDS = frozenset({"and", "or", "not", "in"})
_ORDERING = frozenset({"<", "<=", ">", ">="})
_PLAIN_NAMES = FLAG_NAMES | DEVICE_NAMES | VERSION_NAMES | TEXT_NAMES
_DEPTH = 40  # more parentheses than anybody writes, fewer than the interpreter's stack bears


def parse_marker(text: str, *, known: Collection[str] | None, place: str = "") -> Marker:
    """Parse a marker.

    Args:
        known: Names of the `#variables#` that have a value, without hashes; None accepts any.
            Engine names are always known.
        place: Where the text stands, for messages.

    Raises:
        SpecError: The text is no marker (`requirement-invalid`), or uses an unknown name (`marker-unknown`).
    """
    names = None if known is None else frozenset(known)
    try:
        return _parsed(text, names)
    except SpecError:
        return Parser(text, tokenize(text, place), names, place).parsed()  # which names the place


@lru_cache(maxsize=4096)
def _parsed(text: str, known: frozenset[str] | None) -> Marker:
    return Parser(text, tokenize(text, ""), known, "").parsed()


class Parser(Struct):
    """Descends through the tokens of one marker.

    Args:
        text: The marker, for messages.
        known: Names of the `#variables#` that have a value; None accepts any.
    """

    text: str
    rest: list[Token]
    known: Collection[str] | None
    place: str
    at: int = 0

    def parsed(self) -> Marker:
        node = self.alternatives(0)
        if (token := self.peek()) is not None:
            raise self.malformed(f"does not end where `{token[1]}` stands")
        return Marker(node)

    def malformed(self, reason: str) -> SpecError:
        return _malformed(self.text, self.place, reason)

    def peek(self) -> Token | None:
        return self.rest[self.at] if self.at < len(self.rest) else None

    def take(self) -> Token:
        token = self.peek()
        if token is None:
            raise self.malformed("ends too early")
        self.at += 1
        return token

    def accept(self, *wanted: str) -> bool:
        """Step over the tokens `wanted` if they are next; quoted strings never count."""
        ahead = self.rest[self.at : self.at + len(wanted)]
        if [value if kind != "string" else None for kind, value in ahead] != list(wanted):
            return False
        self.at += len(wanted)
        return True

    def alternatives(self, depth: int) -> Node:
        if depth > _DEPTH:
            raise self.malformed("is nested too deeply")
        parts = [self.conjunction(depth)]
        while self.accept("or"):
            parts.append(self.conjunction(depth))
        return _joined(AnyOf, parts)

    def conjunction(self, depth: int) -> Node:
        parts = [self.term(depth)]
        while self.accept("and"):
            parts.append(self.term(depth))
        return _joined(All, parts)

    def term(self, depth: int) -> Node:
        if depth > _DEPTH:
            raise self.malformed("is nested too deeply")
        if self.accept("not"):
            return Not(self.term(depth + 1))
        if self.accept("("):
            node = self.alternatives(depth + 1)
            if not self.accept(")"):
                raise self.malformed("lacks a closing parenthesis")
            return node
        return self.comparison()

    def comparison(self) -> Node:
        left = self.take()
        if left[0] == "word" and left[1] in FLAG_NAMES:
            return Flag(left[1])
        self.check_operand(left)
        op = self.operator()
        right = self.take()
        self.check_operand(right)
        if (left[0] == "string") is (right[0] == "string"):
            raise self.malformed("must compare one variable with one quoted string")
        flipped = left[0] == "string"
        name, literal = (right[1], left[1]) if flipped else (left[1], right[1])
        node = Comparison(name, op, literal[1:-1], flipped)
        if (fault := _fault(node)) is not None:
            raise self.malformed(fault)
        return node

    def operator(self) -> str:
        if self.accept("not", "in"):
            return "not in"
        if self.accept("in"):
            return "in"
        kind, value = self.take()
        if kind != "op":
            raise self.malformed(f"wants a comparison where `{value}` stands")
        return value

    def check_operand(self, token: Token) -> None:
        kind, value = token
        if kind == "string":
            return
        if kind != "word" or value in _KEYWORDS:
            raise self.malformed(f"wants a variable or a string where `{value}` stands")
        if value in FLAG_NAMES:
            raise self.malformed(f"compares `{value}`, which stands alone")
        if value in _PLAIN_NAMES or value in ENGINE_NAMES:
            return
        if value.startswith("#") and (self.known is None or value.strip("#") in self.known):
            return
        candidates = [*_PLAIN_NAMES, *ENGINE_NAMES, *(f"#{name}#" for name in self.known or ())]
        near = difflib.get_close_matches(value, candidates, n=1)
        raise unknown_name(value, self.text, self.place, f"did you mean `{near[0]}`?" if near else "")


def tokenize(text: str, place: str) -> list[Token]:
    """Split a marker into its tokens.

    Raises:
        SpecError: It holds something that is no token (`requirement-invalid`).
    """
    found: list[Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        token = _TOKEN.match(text, at, end)
        if token is None or token.lastgroup is None:
            raise _malformed(text, place, f"cannot be read from {quoted(text[at:].lstrip())} on")
        found.append((token.lastgroup, token[token.lastgroup]))
        at = token.end()
    return found


def _joined(kind: type[All] | type[AnyOf], parts: list[Node]) -> Node:
    """Join parts, those of the same kind dissolved, so that equal meanings compare alike."""
    flat: list[Node] = []
    for part in parts:
        if part is not IGNORED:
            flat.extend(part.parts if isinstance(part, kind) else (part,))
    if len(flat) > 1:
        return kind(tuple(flat))
    return flat[0] if flat else IGNORED


def _fault(node: Comparison) -> str | None:
    """Return why a comparison can have no meaning, or None."""
    name, op, literal = node.name, node.op, node.literal
    listing = op in ("in", "not in")
    if name in ENGINE_NAMES and (op in _ORDERING or op in ("~=", "===")):
        return f"uses `{op}`, which does not apply to an engine"
    if name == "cuda_arch":
        literals = tokens(literal) if listing and not node.flipped else (literal,)
        if op in ("~=", "===") or any(arch_number(one) is None for one in literals):
            return 'compares cuda_arch with something that is not of the form "sm_80"'
    if name == "cuda_version":
        literals = tokens(literal) if listing else (literal,)
        valid = is_version if listing or node.flipped else lambda one: is_specifier(op, one)
        if not all(valid(one) for one in literals):
            return 'compares cuda_version with something that is not of the form "13.0"'
    if op in ("~=", "===") and (name in TEXT_NAMES or (node.flipped and name in (*VERSION_NAMES, "cuda_version"))):
        return f"uses `{op}`, which does not apply there"
    if op == "~=" and name in VERSION_NAMES and not is_specifier(op, literal):
        return f"uses `{op}`, which needs a version of at least two parts"
    return None


def _malformed(text: str, place: str, reason: str) -> SpecError:
    return SpecError(
        f"the marker {quoted(text)} {reason}",
        code="requirement-invalid",
        where=place,
        remedy='write it like: sys_platform == "linux" and #engine# == "vllm"',
    )
