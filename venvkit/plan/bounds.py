"""Bounds: what the host's requirements and binary interfaces ask of the distributions that a plan may change.

They are told to the resolver as constraints of the very first question. A constraint speaks only of what gets chosen:
hundreds of them cost nothing where nothing is shadowed, and where they have a solution nothing can be broken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from venvkit.plan.problem import Problem, Root
from venvkit.plan.requires import active_requires, parse_requires, satisfied
from venvkit.plan.values import Violation
from venvkit.plan.view import Rules, host_extras


@dataclass(frozen=True, slots=True)
class Bound:
    """One requirement of the host that holds now.

    Args:
        owner: The distribution whose requirement it is; `label` is its `name==version`.
        requirement: As its metadata writes it, or as a rule on binary interfaces says.
        target: The name that it bounds, to `specifier`.
        hidden: No metadata shows it: keeping the owner's version does not keep it whole.
    """

    owner: NormalizedName
    label: str
    requirement: str
    target: NormalizedName
    specifier: str
    hidden: bool = False

    @classmethod
    def of(cls, violation: Violation, *, hidden: bool) -> Bound:
        """Return the bound that keeps a violation from happening."""
        parsed = parse_requires(violation.requirement)
        assert parsed is not None
        owner = canonicalize_name(violation.distribution.partition("==")[0])
        target = canonicalize_name(parsed.name)
        return cls(owner, violation.distribution, violation.requirement, target, str(parsed.specifier), hidden)

    def __str__(self) -> str:
        return f"{self.label} requires {self.requirement}"

    def contradicts(self, root: Root) -> bool:
        """Tell whether a root of the request leaves this bound no version."""
        parsed = parse_requires(root.line)
        if root.name != self.target or parsed is None or root.wish:
            return False
        return disjoint(SpecifierSet(self.specifier), parsed.specifier)

    @property
    def limits(self) -> bool:
        """Whether it can keep a newer version away; a mere lower bound holds nothing back."""
        return any(one.operator not in (">", ">=") for one in SpecifierSet(self.specifier))


def host_bounds(problem: Problem, rules: Rules) -> tuple[Bound, ...]:
    """Return every bound that holds on the host now, sorted."""
    moving = {root.name for root in problem.roots if _must_move(root, problem)}
    ties = problem.families.ties(problem.host, problem.environment)
    found = {*_metadata_bounds(problem, rules), *(Bound.of(item, hidden=True) for item in ties), *_kept(problem)}
    kept = (bound for bound in found if bound.owner not in moving or bound.owner in problem.protect)
    return tuple(sorted(kept, key=lambda bound: (bound.target, bound.label, bound.requirement)))


def _kept(problem: Problem) -> Iterator[Bound]:
    """What is protected stays as it is: its own version is a bound, too."""
    for name in problem.protect & problem.host.keys():
        member = problem.host[name]
        yield Bound(name, member.label, f"{name}=={member.version}", name, f"=={member.version}")


def _metadata_bounds(problem: Problem, rules: Rules) -> Iterator[Bound]:
    extras = host_extras(problem.host, problem.environment)
    for name, member in problem.host.items():
        lines = member.requires or ()
        for line, asked in active_requires(lines, extras.get(name, frozenset()), problem.environment):
            target = canonicalize_name(asked.name)
            # What the request overrides or excludes is no bound any more.
            if rules.bend(asked) is not asked or not asked.specifier or target not in problem.host:
                continue
            if satisfied(asked, problem.host[target].version):
                yield Bound(name, member.label, line, target, str(asked.specifier))


def _must_move(root: Root, problem: Problem) -> bool:
    """Tell whether the request itself puts another copy in front of the host's, whose requirements then are moot."""
    member, parsed = problem.host.get(root.name), parse_requires(root.line)
    if member is None or parsed is None or parsed.url:
        return True
    return root.name in problem.hidden or (not root.wish and not satisfied(parsed, member.version))


def disjoint(first: SpecifierSet, second: SpecifierSet) -> bool:
    """Tell whether no version satisfies both, as far as versions at and beside the named ones show."""
    probes = [probe for one in (*first, *second) for probe in _beside(one.version.removesuffix(".*"))]
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
    merged: dict[str, dict[str, None]] = {}
    for bound in bounds:
        merged.setdefault(bound.target, {}).update(dict.fromkeys(bound.specifier.split(",")))
    return tuple(f"{target}{','.join(sorted(parts))}" for target, parts in sorted(merged.items()))


def by_owner(bounds: Iterable[Bound]) -> Mapping[NormalizedName, tuple[Bound, ...]]:
    """Group bounds by the distribution whose they are."""
    grouped: dict[NormalizedName, tuple[Bound, ...]] = {}
    for bound in bounds:
        grouped[bound.owner] = (*grouped.get(bound.owner, ()), bound)
    return grouped
