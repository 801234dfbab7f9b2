"""Requirement lines of metadata, of the host and of indexes: read leniently, and never refused.

Published metadata holds lines that the grammar forbids (`PyYAML (>=5.1.*)`). uv corrects them, so the same corrections
are made here, in uv's order. A line that stays unreadable counts as its name with any version: to take it for nothing
would leave a requirement out of every proof.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from packaging.requirements import InvalidRequirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from venvkit.errors import SpecError
from venvkit.host.distribution import Distribution, Unreadable
from venvkit.spec.language.compare import LONGEST_VERSION, parse_version
from venvkit.spec.language.marker import Marker, MarkerContext
from venvkit.spec.language.metadatamarker import parse_metadata_marker
from venvkit.spec.language.pep508 import Head, parse_head, split_marker
from venvkit.spec.language.urls import quoted

# uv's corrections in uv's order: pattern, replacement. After each one that changes the line, the line is read again.
# https://github.com/astral-sh/uv/blob/main/crates/uv-pypi-types/src/lenient_requirement.rs
CORRECTIONS = (
    (re.compile(r"(\d)([<>=~^!])"), r"\1,\2"),  # >=7.2.0<8.0.0
    (re.compile(r"!=~((?:\d\.)*\d)"), r"!=\1.*"),  # !=~5.0
    (re.compile(r"(<=|>=|<|>)\s*(\d+(\.\d+)*)\.\*"), r"\1\2"),  # >=1.9.*
    (re.compile(r"(\d\.\d)+\*"), r"\1.*"),  # !=3.0*
    (re.compile(r",\s*\Z"), ""),  # >=3.6,
    (re.compile(r">dev"), ">0.0.0dev"),
    (re.compile(r"(\d+(\.\d)*(a|b|rc|post|dev)\d+)\.0"), r"\1"),  # >=9.0.0a1.0
    (re.compile(r"\A[^;]+"), lambda head: re.sub("['\"]", "", head[0])),  # >= '2.7'
)
_HEAD = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_canonical = lru_cache(maxsize=65536)(canonicalize_name)
_ANY = SpecifierSet()


class Requires(Head, frozen=True):
    """A requirement line of metadata.

    Args:
        marker: Its condition, or None.
        readable: False where the line could not be read, and counts as the name with any version.

    `str()` gives a line that every reader takes for the same.
    """

    marker: Marker | None
    readable: bool = True

    def __str__(self) -> str:
        extras = f"[{','.join(sorted(self.extras))}]" if self.extras else ""
        marker = f" ; {self.marker}" if self.marker else ""
        return f"{self.name}{extras}{f' @ {self.url}' if self.url else self.specifier}{marker}"


@lru_cache(maxsize=65536)
def parse_requires(line: str) -> Requires | None:
    """Read a requirement line of metadata; None only where it does not even begin with a name."""
    line = line.strip()
    try:
        return _read(line)
    except (ValueError, SpecError):
        pass
    corrected = line
    for pattern, replacement in CORRECTIONS:
        before, corrected = corrected, pattern.sub(replacement, corrected)
        if corrected != before:
            try:
                return _read(corrected)
            except (ValueError, SpecError):
                continue
    name = required_name(line)
    return Requires(name, frozenset(), _ANY, None, None, readable=False) if name else None


def _read(line: str) -> Requires:
    text, marker = split_marker(line)
    head = parse_head(text)
    if len(text) > LONGEST_VERSION and any(len(bound.version) > LONGEST_VERSION for bound in head.specifier):
        raise InvalidRequirement("no version is so long")
    condition = parse_metadata_marker(marker.strip()) if marker is not None else None
    return Requires(head.name, head.extras, head.specifier, head.url, condition)


@lru_cache(maxsize=65536)
def required_name(line: str) -> NormalizedName | None:
    """Return the name that a line speaks of without parsing the rest: most lines are never needed in full."""
    match = _HEAD.match(line)
    return _canonical(match.group(1)) if match else None


@lru_cache(maxsize=65536)
def _holds(line: str, extra: str, environment: tuple[tuple[str, str], ...]) -> bool:
    """Tell whether a line's marker holds; a walk asks the same of the same lines again and again."""
    requirement = parse_requires(line)
    if requirement is None or requirement.marker is None:
        return requirement is not None
    return requirement.marker.evaluate(MarkerContext({**dict(environment), "extra": extra}))


def active_requires(
    lines: tuple[str, ...], extras: frozenset[str], environment: Mapping[str, str]
) -> Iterator[tuple[str, Requires]]:
    """Yield the lines that apply to a distribution that is wanted with `extras`, as (line, parsed)."""
    items = tuple(environment.items())
    for line in lines:
        if not extras and "extra ==" in line and " or " not in line:
            continue  # an optional dependency, by far the most frequent line: no need to parse it
        requirement = parse_requires(line)
        if requirement is not None and any(_holds(line, extra, items) for extra in ("", *extras)):
            yield line, requirement


def unreadable_requires(distributions: Iterable[Distribution]) -> Iterator[Unreadable]:
    """Yield the requirement lines of installed metadata that could not be read, with what they count as."""
    for distribution in distributions:
        for line in distribution.requires:
            parsed = parse_requires(line)
            if parsed is None or not parsed.readable:
                meaning = f"it counts as {parsed.name} of any version" if parsed else "it names nothing"
                yield Unreadable(distribution.location, f"the requirement {quoted(line)} cannot be read: {meaning}")


def satisfied(requirement: Requires, version: str | None) -> bool:
    """Tell whether a present version (None: absent) satisfies a requirement; an installed pre-release counts."""
    if version is None:
        return False
    parsed = parse_version(version)
    return parsed is None or requirement.specifier.contains(parsed, prereleases=True)
