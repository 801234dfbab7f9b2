"""Requirement lines of installed metadata, parsed once and cheaply looked at before that."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from venvkit.spec.language.pep508 import parse_requirement

_HEAD = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_canonical = lru_cache(maxsize=65536)(canonicalize_name)


@lru_cache(maxsize=65536)
def parse_requires(line: str) -> Requirement | None:
    """Parse a Requires-Dist line; None when it is malformed (old metadata), as installers pass over those too."""
    try:
        return parse_requirement(line)
    except InvalidRequirement:
        return None


@lru_cache(maxsize=65536)
def required_name(line: str) -> NormalizedName | None:
    """Return the name a line speaks of without parsing the rest: most lines are never needed in full."""
    match = _HEAD.match(line)
    return _canonical(match.group(1)) if match else None


@lru_cache(maxsize=65536)
def _holds(line: str, extra: str, environment: tuple[tuple[str, str], ...]) -> bool:
    """Tell whether a line's marker holds; a walk asks the same of the same lines again and again."""
    requirement = parse_requires(line)
    return requirement is not None and (
        requirement.marker is None or requirement.marker.evaluate({**dict(environment), "extra": extra})
    )


def active_requires(
    lines: tuple[str, ...], extras: frozenset[str], environment: Mapping[str, str]
) -> Iterator[tuple[str, Requirement]]:
    """Yield the lines of a distribution that is wanted with `extras` that apply, as (line, parsed)."""
    items = tuple(environment.items())
    for line in lines:
        if not extras and "extra ==" in line and " or " not in line:
            continue  # an optional dependency, by far the most frequent line: no need to parse it
        requirement = parse_requires(line)
        if requirement is None:
            continue
        if requirement.marker is None or any(_holds(line, extra, items) for extra in ("", *extras)):
            yield line, requirement


@lru_cache(maxsize=65536)
def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def satisfied(requirement: Requirement, version: str | None) -> bool:
    """Tell whether a present version (None: absent) satisfies a requirement; an installed pre-release counts."""
    if version is None:
        return False
    parsed = _version(version)
    return parsed is None or requirement.specifier.contains(parsed, prereleases=True)
