"""The view: the host's distributions overlaid by what a plan installs, and walks over it. Pure data."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from packaging.utils import NormalizedName, canonicalize_name

from venvkit.plan.values import Violation
from venvkit.spec.language.requires import Requires as Parsed
from venvkit.spec.language.requires import active_requires, parse_requires, satisfied


class Member(Struct, frozen=True):
    """A distribution that the child sees.

    Args:
        requires: Its Requires-Dist lines; None when its metadata cannot be read before the build.
        inherited: It is the host's copy.
        compiled: Its wheel holds compiled code.
    """

    name: NormalizedName
    version: str
    requires: tuple[str, ...] | None
    inherited: bool
    compiled: bool = False

    @property
    def label(self) -> str:
        """`name==version`."""
        return f"{self.name}=={self.version}"


class Rules(Struct, frozen=True):
    """What bends requirements in every walk: the marker environment, overrides by name, excluded names."""

    environment: Mapping[str, str]
    overrides: Mapping[NormalizedName, Parsed]
    excludes: frozenset[NormalizedName]

    @classmethod
    def of(cls, environment: Mapping[str, str], overrides: Iterable[str] = (), excludes: Iterable[str] = ()) -> Rules:
        """Build rules from requirement lines and names."""
        parsed = [requirement for line in overrides if (requirement := parse_requires(line)) is not None]
        return cls(
            environment,
            {canonicalize_name(requirement.name): requirement for requirement in parsed},
            frozenset(canonicalize_name(name) for name in excludes),
        )

    def bend(self, requirement: Parsed) -> Parsed | None:
        """Return the requirement in force in place of `requirement`; None when its name is excluded."""
        name = canonicalize_name(requirement.name)
        if name in self.excludes:
            return None
        return self.overrides.get(name, requirement)


View = Mapping[NormalizedName, Member]


class HostView(dict[NormalizedName, Member]):
    """A host that nobody changes any more; `grounds` holds what the planner has read from it before."""

    grounds: Sequence[object] = ()


def overlay(host: View, installed: Iterable[Member]) -> dict[NormalizedName, Member]:
    """Return the host's members with `installed` in front of them."""
    return {**host, **{member.name: member for member in installed}}


class Walk(Struct, frozen=True):
    """The closure of some roots: a reason chain for each member reached, and what does not hold on the way."""

    reasons: Mapping[NormalizedName, tuple[str, ...]]
    violations: tuple[Violation, ...]


def closure(view: View, roots: Iterable[tuple[str, str]], rules: Rules) -> Walk:
    """Walk breadth first from `roots` (origin, requirement line), so that each reason is a shortest chain.

    A root's own violation carries its origin in place of a distribution.
    """
    reasons: dict[NormalizedName, tuple[str, ...]] = {}
    violations: dict[Violation, None] = {}
    seen: set[tuple[NormalizedName, frozenset[str]]] = set()
    queue: deque[tuple[str, str, Parsed, tuple[str, ...]]] = deque()
    for origin, line in roots:
        if (parsed := parse_requires(line)) is not None:
            queue.append((origin, line, parsed, ()))
    while queue:
        source, line, asked, chain = queue.popleft()
        requirement = rules.bend(asked)
        if requirement is None:
            continue
        name = canonicalize_name(requirement.name)
        member = view.get(name)
        if not satisfied(requirement, member.version if member else None):
            violations[Violation(source, line, member.version if member else None)] = None
        if member is None:
            continue
        link = (*chain, f"{source}: {line}" if not chain else f"{source} requires {line}")
        reasons.setdefault(name, link)
        extras = frozenset(canonicalize_name(extra) for extra in asked.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for below, parsed in active_requires(member.requires or (), extras, rules.environment):
            queue.append((member.label, below, parsed, link))
    return Walk(reasons, tuple(violations))


def host_extras(host: View, environment: Mapping[str, str]) -> dict[NormalizedName, frozenset[str]]:
    """Return which extras of host distributions other host distributions ask for: those must keep working too."""
    found: dict[NormalizedName, frozenset[str]] = {}
    pending = list(host.values())
    while pending:
        member = pending.pop()
        for line in member.requires or ():
            if "[" not in line.split(";", 1)[0]:
                continue
            for _, requirement in active_requires((line,), found.get(member.name, frozenset()), environment):
                name = canonicalize_name(requirement.name)
                extras = found.get(name, frozenset()) | {canonicalize_name(extra) for extra in requirement.extras}
                if name in host and extras != found.get(name):
                    found[name] = extras
                    pending.append(host[name])
    return found
