"""What a plan follows from: the request's roots, the host, and what bends or bounds the solution."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from msgspec import Struct
from packaging.utils import NormalizedName, canonicalize_name

from venvkit.plan.families import NO_FAMILIES, Families
from venvkit.plan.view import View
from venvkit.spec.engine_values import BuildLine
from venvkit.spec.language.requires import parse_requires, required_name, satisfied

Orphans = Literal["hold-repair-hide", "hold-repair", "hold-hide", "hold", "report"]

REPAIR_BUDGET = 200_000_000
"""Bytes that one repair may bring, where nobody says another number."""


class Root(Struct, frozen=True):
    """A requirement of the request: its PEP 508 line without a marker, and where it was written.

    `wish` marks a `#system_NAME#` pin, which is kept when a solution exists and dropped to the bare name otherwise;
    `bare` a version control address whose distribution name is only guessed; `optional` one that may be missing.
    """

    name: NormalizedName
    line: str
    origin: str
    wish: bool = False
    bare: bool = False
    optional: bool = False

    @property
    def released(self) -> str:
        """The line of a wish without its pin; its extras stay."""
        head, bracket, rest = self.line.partition("[")
        return f"{self.name}[{rest.partition(']')[0]}]" if bracket and head.strip() else str(self.name)

    @property
    def claim(self) -> str:
        """What must hold in the view: a bare address says nothing that could be compared."""
        if self.bare:
            return str(self.name)
        return self.released if self.wish else self.line


class Misfit(Struct, frozen=True):
    """A distribution that does not load beside others, as a proof has shown.

    Args:
        name: Its name; `sha256` is the digest of its file, where it is known.
        version: Its version.
        providers: The others, as `name==version`.
        reason: The last line of its import.
    """

    name: NormalizedName
    version: str
    sha256: str | None
    providers: tuple[str, ...]
    reason: str

    def concerns(self, view: View, sha256: str | None) -> bool:
        """Tell whether a view has it beside the same others.

        Args:
            sha256: The digest of the file that the view's copy comes from.
        """
        own = view.get(self.name)
        if own is None or own.inherited or own.version != self.version:
            return False
        if self.sha256 and sha256 and self.sha256 != sha256:
            return False
        seen = {
            view[name].label
            for label in self.providers
            if (name := canonicalize_name(label.partition("==")[0])) in view
        }
        return seen == set(self.providers)


class Problem(Struct, frozen=True):
    """Everything a plan follows from, but for the resolver.

    Args:
        roots: The request's requirements.
        host: What the host has, by name; empty when the child does not see it.
        environment: The PEP 508 marker environment of the child.
        inherit: Host distributions may satisfy the request; False installs everything that it reaches.
        orphans: How far to go for host distributions that a shadow would break.
        protect: Names whose reachable requirements may only be held.
        runtime: Names that the child's process itself runs on. No copy of them is installed, unless the request itself
            names them and the host's copy will not do.
        budget: Bytes that the repair of one distribution may bring with it.
        lines: Indexes of the builds that fit the host, by the names that they have.
        misfits: What is known not to load.
        unfit: Host distributions that do not fit the host itself, with the reason.
        no_inherit: Names whose copy on the host must not satisfy the request.
        families: Rules on binary interfaces.
        upgrade: Prefer the newest versions to the host's.
    """

    roots: tuple[Root, ...]
    host: View
    environment: Mapping[str, str]
    inherit: bool = True
    orphans: Orphans = "hold-repair-hide"
    protect: frozenset[NormalizedName] = frozenset()
    runtime: frozenset[NormalizedName] = frozenset()
    budget: int = REPAIR_BUDGET
    lines: Mapping[NormalizedName, BuildLine] = {}
    misfits: tuple[Misfit, ...] = ()
    unfit: Mapping[NormalizedName, str] = {}
    constraints: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    no_inherit: frozenset[NormalizedName] = frozenset()
    families: Families = NO_FAMILIES
    upgrade: bool = False

    def claims(self, absent: Collection[str] = ()) -> tuple[tuple[str, str], ...]:
        """Return what must hold in the child, as (origin, line), without the optional lines that are `absent`."""
        return tuple((root.origin, root.claim) for root in self.roots if not (root.optional and root.line in absent))

    @property
    def barred(self) -> frozenset[NormalizedName]:
        """Host distributions that may not satisfy the request."""
        if self.inherit:
            return frozenset(self.no_inherit | (self.unfit.keys() - self.kept))
        return frozenset(self.host.keys() - self.kept)

    @property
    def kept(self) -> frozenset[NormalizedName]:
        """The distributions of the runtime that are not replaced: no root asks for another copy by itself."""
        there = self.runtime & self.host.keys() - self.no_inherit
        if not there:
            return frozenset()
        named = {root.name for root in self.roots if self.replaces(root)}
        overridden = {canonicalize_name(name) for line in self.overrides if (name := required_name(line))}
        return frozenset(there - named - overridden)

    @property
    def served(self) -> tuple[tuple[str, str], ...]:
        """What the child's process runs on, as (origin, line)."""
        return tuple(("runtime", str(name)) for name in sorted(self.runtime & self.host.keys()))

    @property
    def shielded(self) -> frozenset[NormalizedName]:
        """Host distributions of which no copy may be installed to repair them."""
        return self.kept | self.protect

    def replaces(self, root: Root) -> bool:
        """Tell whether a root asks by itself for another copy than the host's: what that copy requires is moot."""
        member, parsed = self.host.get(root.name), parse_requires(root.line)
        if member is None or parsed is None or parsed.url:
            return True
        return not root.wish and not satisfied(parsed, member.version)
