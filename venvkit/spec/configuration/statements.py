"""The account of sources: what each speaker says about where packages come from, and which of it is in force."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import canonicalize_name

from venvkit.base.mask import mask

Kind = Literal[
    "index", "extra-index", "package-index", "find-links", "trusted-host", "index-strategy", "cert",
    "no-index", "no-build-isolation", "constraint", "override", "exclude", "only-binary", "no-binary", "prerelease",
]  # fmt: skip
By = Literal["caller", "spec", "pip", "rule", "engine", "host", "uv", "installer"]
# Only the strongest statement of these kinds counts; of the others all do.
_SINGLE = frozenset({"index", "package-index", "index-strategy"})
# The value of a statement that is a flag.
YES = "yes"
SPEAKERS: dict[By, str] = {
    "caller": "the caller",
    "spec": "the spec",
    "pip": "pip's configuration",
    "rule": "a special case of the engine data",
    "engine": "the engine",
    "host": "the host's own build",
    "uv": "uv's configuration",
    "installer": "the installer itself",
}


class Statement(Struct, frozen=True):
    """One thing that a speaker says about sources.

    Args:
        value: An address, a host, a strategy, a file, a requirement line or a name.
        where: The file, variable or field that says so; empty where `by` is enough.
        package: For a `package-index`, the distribution that comes from that index alone.
        dropped: Why the statement is not in force; empty when it is.
    """

    kind: Kind
    value: str
    by: By
    where: str = ""
    package: str = ""
    dropped: str = ""

    def __repr__(self) -> str:
        return f"Statement({self.kind!r}, {mask(self.value)!r}, {self.by!r}, {self.where!r}, {self.package!r})"


def settled(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    """Return statements, the strongest first, with each dropped that a stronger one makes void."""
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


def without(
    statements: Iterable[Statement], kinds: Iterable[Kind], why: str, *, values: Iterable[str] | None = None
) -> tuple[Statement, ...]:
    """Return statements with those of some kinds dropped for a reason, unless they are dropped already.

    Args:
        values: Drop only statements with one of these values; None drops all of the kinds.
    """
    kinds, some = tuple(kinds), None if values is None else set(values)
    return tuple(
        replace(one, dropped=why)
        if one.kind in kinds and not one.dropped and (some is None or one.value in some)
        else one
        for one in statements
    )


def _reason(one: Statement, stronger: Statement) -> str:
    speaker = SPEAKERS[stronger.by] if stronger.by != one.by else stronger.where or SPEAKERS[stronger.by]
    return f"{speaker} says {'so already' if one.value == stronger.value else 'otherwise'}"
