"""Walks over a view: the closure of some roots, and the extras that host distributions ask for. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from msgspec import Struct
from packaging.utils import NormalizedName, canonicalize_name

from venvkit.plan.values import Violation
from venvkit.plan.view import Rules, View
from venvkit.spec.language.requires import Requires as Parsed
from venvkit.spec.language.requires import active_requires, parse_requires, satisfied

NO_HOST: View = {}


class Walk(Struct, frozen=True):
    """The closure of some roots.

    Args:
        reasons: A chain of requirements for each member that is reached.
        violations: What does not hold on the way.
        decided: The names whose copy on the host a requirement rules out; it ends their chain.
    """

    reasons: Mapping[NormalizedName, tuple[str, ...]]
    violations: tuple[Violation, ...]
    decided: frozenset[NormalizedName] = frozenset()


def closure(view: View, roots: Iterable[tuple[str, str]], rules: Rules, host: View = NO_HOST) -> Walk:
    """Walk breadth first from `roots` (origin, requirement line), so that each reason is a shortest chain.

    A root's own violation carries its origin in place of a distribution.

    Args:
        host: Where a requirement rules the host's copy out, the reason is the chain of that requirement.
    """
    decisive: dict[NormalizedName, tuple[str, ...]] = {}
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
        if name not in decisive and name in host and not satisfied(requirement, host[name].version):
            decisive[name] = link
        # An override replaces the extras as well.
        extras = frozenset(canonicalize_name(extra) for extra in requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for below, parsed in active_requires(member.requires or (), extras, rules.environment):
            queue.append((member.label, below, parsed, link))
    return Walk({**reasons, **decisive}, tuple(violations), frozenset(decisive))


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
