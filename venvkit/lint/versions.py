"""Versions that stand for all others: enough of them to decide whether bounds can hold together.

Bounds cut the line of all versions into pieces. A bound says the same of every version inside a piece, so one version
of each piece, and each cut itself, is all that has to be tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from packaging.specifiers import SpecifierSet
from packaging.version import Version

_PLAIN = re.compile(r"\s*(\d+(?:\.\d+)*)(?:\.\*)?\s*")
# Before and after a release. The numbers are larger than anybody's.
_FORMS = (
    ".dev0", ".dev999999", "a0.dev0", "a0", "a999999", "b0", "b999999", "rc0.dev0", "rc0", "rc999999",
    ".post0.dev0", ".post0", ".post999999",
)  # fmt: skip

# A longer specifier is left alone: trying all versions takes the cube of the number of bounds.
_MOST_BOUNDS = 50

Release = tuple[int, ...]


def spread(literals: Iterable[str]) -> tuple[str, ...] | None:
    """Return final versions, one of each piece into which bounds with these literals can cut.

    Args:
        literals: `12.8`, `13.*`.

    Returns:
        None where a literal is not the number of a plain release.
    """
    releases: set[Release] = set()
    for literal in literals:
        found = _PLAIN.fullmatch(literal)
        if found is None:
            return None
        releases.add(_release(found[1]))
    return tuple(map(_text, _pieces(releases)))


def contradicts_itself(specifier: str) -> bool:
    """Tell whether certainly no version satisfies a specifier: `<1,>2`.

    >>> contradicts_itself("<1,>2"), contradicts_itself(">=1,<=1")
    (True, False)
    """
    try:
        bounds = SpecifierSet(specifier)
        stated = [Version(bound.version.removesuffix(".*")) for bound in bounds]
    except ValueError:  # `===` takes any text, and a number can have too many digits
        return False
    if len(stated) > _MOST_BOUNDS:
        return False
    return bool(stated) and not any(bounds.contains(version, prereleases=True) for version in _candidates(stated))


def _candidates(stated: list[Version]) -> Iterator[Version]:
    """Yield the likely ones first: almost every specifier is satisfied by one that it names, or by a plain release."""
    yield from stated
    releases = _pieces({version.release for version in stated})
    for form in ("", *_FORMS):
        for epoch in {0, *(version.epoch for version in stated)}:
            head = f"{epoch}!" if epoch else ""
            yield from (Version(f"{head}{_text(release)}{form}") for release in releases)
    for version in stated:
        yield from _neighbours(version)


def _neighbours(version: Version) -> Iterator[Version]:
    """Yield versions right beside one that is itself no final release."""
    base = version.base_version
    pre = f"{version.pre[0]}{version.pre[1]}" if version.pre else ""
    post = f".post{version.post}" if version.post is not None else ""
    if version.local:
        yield Version(version.public)
    if version.pre:
        letter, number = version.pre
        for beside in (max(0, number - 1), number, number + 1):
            for form in (".dev0", "", ".post0.dev0", ".post0", ".post999999"):
                yield Version(f"{base}{letter}{beside}{form}")
    if version.post is not None:
        for beside in (max(0, version.post - 1), version.post, version.post + 1):
            for form in (".dev0", ".dev999999", ""):
                yield Version(f"{base}{pre}.post{beside}{form}")
    if version.dev is not None:
        for beside in (max(0, version.dev - 1), version.dev + 1):
            yield Version(f"{base}{pre}{post}.dev{beside}")


def _pieces(releases: set[Release]) -> list[Release]:
    """Return the cuts that bounds with these releases can make, and one release between each two."""
    cuts: set[Release] = {(0,)}
    for release in releases:
        cuts |= {release, _next(release), _next(release[:-1] or release)}
    longest = max(map(len, cuts))
    # Equal ones of different lengths (12 and 12.0) are one cut.
    ordered = sorted({release + (0,) * (longest - len(release)) for release in cuts})
    shortest = {release + (0,) * (longest - len(release)): release for release in sorted(cuts, reverse=True)}
    found: list[Release] = []
    for cut in ordered:
        found += [shortest[cut], (*cut, 0, 1)]
    return [*found, (ordered[-1][0] + 1,)]


def _next(release: Release) -> Release:
    return (*release[:-1], release[-1] + 1)


def _release(text: str) -> Release:
    return tuple(map(int, text.split(".")))


def _text(release: Release) -> str:
    return ".".join(map(str, release))
