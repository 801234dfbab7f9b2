"""Who says what about sources, and what came of it: an account that goes with them, for whoever asks why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import canonicalize_name

Kind = Literal["index", "extra-index", "package-index", "find-links", "trusted-host", "index-strategy", "cert"]
By = Literal["caller", "spec", "pip", "rule", "engine", "host", "uv"]
# Of these only the strongest statement counts; of the others all do.
_SINGLE = frozenset({"index", "package-index", "index-strategy"})
SPEAKERS: dict[By, str] = {
    "caller": "the caller",
    "spec": "the spec",
    "pip": "pip's configuration",
    "rule": "a special case of the engine data",
    "engine": "the engine",
    "host": "the host's own build",
    "uv": "uv's configuration",
}


class Statement(Struct, frozen=True):
    """One thing that somebody says about sources.

    Args:
        kind: What it is about.
        value: An address, a host, a strategy or a file.
        by: Who says it.
        where: The place where it is said: a file, a variable, a field; empty where `by` tells it all.
        package: For a `package-index`, the distribution that comes from there alone.
        dropped: Why it is not in force; empty when it is.
    """

    kind: Kind
    value: str
    by: By
    where: str = ""
    package: str = ""
    dropped: str = ""


def settled(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    """Return statements, the strongest first, with those dropped that a stronger one leaves nothing to say."""
    found: list[Statement] = []
    taken: dict[tuple[str, str], Statement] = {}
    for one in statements:
        key = (one.kind, canonicalize_name(one.package) if one.kind in _SINGLE else one.value)
        stronger = taken.get(key)
        if one.dropped or stronger is None:
            found.append(one)
        else:
            found.append(replace(one, dropped=_reason(one, stronger)))
        if not one.dropped:
            taken.setdefault(key, one)
    return tuple(found)


def without(statements: Iterable[Statement], kinds: Iterable[Kind], why: str) -> tuple[Statement, ...]:
    """Return statements with those of some kinds dropped for a reason, unless they are already."""
    kinds = tuple(kinds)
    return tuple(replace(one, dropped=why) if one.kind in kinds and not one.dropped else one for one in statements)


def _reason(one: Statement, stronger: Statement) -> str:
    speaker = SPEAKERS[stronger.by] if stronger.by != one.by else stronger.where or SPEAKERS[stronger.by]
    return f"{speaker} says {'so already' if one.value == stronger.value else 'otherwise'}"
