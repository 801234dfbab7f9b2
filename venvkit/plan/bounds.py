"""Bounds: what the host's requirements and binary interfaces ask of the distributions that a plan may change.

They are told to the resolver as constraints of the very first question. A constraint speaks only of what gets chosen:
hundreds of them cost nothing where nothing is shadowed, and where they have a solution nothing can be broken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import groupby
from operator import attrgetter

from msgspec import Struct
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from venvkit.plan.problem import Root
from venvkit.plan.values import Violation
from venvkit.spec.language.requires import parse_requires


class Bound(Struct, frozen=True):
    """One requirement of the host that holds now.

    Args:
        owner: The distribution whose requirement it is; `label` is its `name==version`.
        requirement: As its metadata writes it, or as a rule on binary interfaces says.
        target: The name that it bounds, to `specifier`.
        binary: It is a rule on binary interfaces, which no metadata shows: the owner's version does not imply it.
    """

    owner: NormalizedName
    label: str
    requirement: str
    target: NormalizedName
    specifier: str
    binary: bool = False

    @classmethod
    def of(cls, violation: Violation, *, binary: bool) -> Bound:
        """Return the bound that keeps a violation from happening."""
        parsed = parse_requires(violation.requirement)
        assert parsed is not None
        owner = canonicalize_name(violation.distribution.partition("==")[0])
        target = canonicalize_name(parsed.name)
        return cls(owner, violation.distribution, violation.requirement, target, str(parsed.specifier), binary)

    def __str__(self) -> str:
        return f"{self.label} requires {self.requirement}"

    def contradicts(self, root: Root) -> bool:
        """Tell whether a root of the request leaves this bound no version."""
        parsed = parse_requires(root.line)
        if root.name != self.target or parsed is None or root.wish:
            return False
        return disjoint(self.specifier, str(parsed.specifier))

    @property
    def limits(self) -> bool:
        """Whether it can keep a newer version away; a mere lower bound holds nothing back."""
        return any(one.operator not in (">", ">=") for one in SpecifierSet(self.specifier))


def order(bounds: Iterable[Bound]) -> tuple[Bound, ...]:
    """Return bounds in the one order that everything keeps to."""
    return tuple(sorted(bounds, key=lambda item: (item.target, item.label, item.requirement, item.specifier)))


@lru_cache(maxsize=4096)
def disjoint(one: str, other: str) -> bool:
    """Tell whether no version satisfies both specifiers, as far as versions at and beside the named ones show."""
    first, second = SpecifierSet(one), SpecifierSet(other)
    probes = [probe for item in (*first, *second) for probe in _beside(item.version.removesuffix(".*"))]
    return bool(probes) and not any(
        first.contains(probe, prereleases=True) and second.contains(probe, prereleases=True) for probe in probes
    )


def _beside(text: str) -> Iterator[Version]:
    """Yield a version, one just above it and one just below."""
    try:
        version = Version(text)
    except InvalidVersion:
        return
    yield version
    release = version.release
    yield Version(".".join(map(str, (*release, 1))))
    while release and release[-1] == 0:
        release = release[:-1]
    if release:
        yield Version(".".join(map(str, (*release[:-1], release[-1] - 1, 99999))))


def as_constraints(bounds: Iterable[Bound]) -> tuple[str, ...]:
    """Return bounds as constraint lines, one per target."""
    target = attrgetter("target")
    grouped = groupby(sorted(bounds, key=target), target)
    return tuple(_constraint(name, tuple([bound.specifier for bound in group])) for name, group in grouped)


@lru_cache(maxsize=16384)
def _constraint(target: str, specifiers: tuple[str, ...]) -> str:
    return target + ",".join(sorted({part for one in specifiers for part in one.split(",")}))


def by_owner(bounds: Iterable[Bound]) -> Mapping[NormalizedName, tuple[Bound, ...]]:
    """Group bounds by the distribution whose they are."""
    grouped: dict[NormalizedName, tuple[Bound, ...]] = {}
    for bound in bounds:
        grouped[bound.owner] = (*grouped.get(bound.owner, ()), bound)
    return grouped
