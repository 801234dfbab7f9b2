"""The independent checker: does a merged view keep what the model asks, and what held on the host?

It shares no code with the planner: plain dictionaries, `packaging`, and a recursion in place of the planner's queue.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

Table = Mapping[str, tuple[str, tuple[str, ...]]]
Finding = tuple[str, str, str]


@dataclass(slots=True)
class Report:
    """What does not hold, as (owner `name==version`, requirement, found version or "none").

    Args:
        model: Requirements that the model reaches.
        host: Requirements of inherited distributions that held on the host.
    """

    model: set[Finding] = field(default_factory=set)
    host: set[Finding] = field(default_factory=set)


def check(
    host: Table,
    installed: Table,
    roots: Iterable[tuple[str, str]],
    environment: Mapping[str, str],
    *,
    overrides: Iterable[str] = (),
    excludes: Iterable[str] = (),
    hidden: Iterable[str] = (),
) -> Report:
    """Check `installed` in front of `host`.

    Args:
        host: Every distribution of the host: normalized name -> (version, Requires-Dist lines).
        installed: What the plan puts in front of it, in the same form.
        roots: What the model requires, as (where it is written, PEP 508 line).
        environment: The PEP 508 environment of the child.
        overrides: Lines that stand in place of the model's requirements of their names.
        excludes: Names that count as if the model did not require them.
        hidden: Names of the host that the child does not see. What needs one and is seen counts as broken.
    """
    report = Report()
    gone = set(hidden)
    merged = {name: item for name, item in host.items() if name not in gone}
    merged.update(installed)
    bent = {canonicalize_name(Requirement(line).name): Requirement(line) for line in overrides}
    dropped = {canonicalize_name(name) for name in excludes}
    seen: set[tuple[str, frozenset[str]]] = set()

    def visit(owner: str, line: str, requirement: Requirement) -> None:
        name = canonicalize_name(requirement.name)
        if name in dropped:
            return
        found = merged.get(name)
        if not _holds(bent.get(name, requirement), found):
            report.model.add((owner, line, found[0] if found else "none"))
        extras = frozenset(canonicalize_name(extra) for extra in requirement.extras)
        if found is None or (name, extras) in seen:
            return
        seen.add((name, extras))
        for below, parsed in _active(found[1], extras, environment):
            visit(f"{name}=={found[0]}", below, parsed)

    for owner, line in roots:
        visit(owner, line, Requirement(line))
    wanted = _wanted_extras(host, environment)
    for name, (version, lines) in host.items():
        if name in installed or name in gone:
            continue
        for line, parsed in _active(lines, wanted[name], environment):
            target = canonicalize_name(parsed.name)
            if _holds(parsed, host.get(target)) and not _holds(parsed, merged.get(target)):
                report.host.add((f"{name}=={version}", line, merged[target][0] if target in merged else "none"))
    return report


def normal(owner: str, line: str) -> tuple[str, str]:
    """Return a violation's owner and requirement in a form that two writers of it agree on."""
    name, equal, version = owner.partition("==")
    try:
        line = str(Requirement(line))
    except InvalidRequirement:
        line = line.strip()
    return (f"{canonicalize_name(name)}=={version}" if equal else owner, line)


def _wanted_extras(table: Table, environment: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """Return the extras of each distribution that others of the table ask for: what they bring must keep working."""
    wanted = dict.fromkeys(table, frozenset[str]())
    while True:
        before = dict(wanted)
        for name, (_, lines) in table.items():
            for _line, parsed in _active(lines, wanted[name], environment):
                target = canonicalize_name(parsed.name)
                if target in wanted:
                    wanted[target] |= {canonicalize_name(extra) for extra in parsed.extras}
        if wanted == before:
            return wanted


def _active(
    lines: Iterable[str], extras: frozenset[str], environment: Mapping[str, str]
) -> list[tuple[str, Requirement]]:
    """Return the requirements whose markers hold; a line that no installer can read is nobody's requirement."""
    active = []
    for line in lines:
        try:
            parsed = Requirement(line)
        except InvalidRequirement:
            continue
        if parsed.marker is None or any(
            parsed.marker.evaluate({**environment, "extra": extra}) for extra in ("", *extras)
        ):
            active.append((line, parsed))
    return active


def _holds(requirement: Requirement, found: tuple[str, tuple[str, ...]] | None) -> bool:
    if found is None:
        return False
    try:
        return requirement.specifier.contains(Version(found[0]), prereleases=True)
    except InvalidVersion:
        return requirement.specifier == ""
