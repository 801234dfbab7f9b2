"""The distributions in a list of site directories, as an import there would meet them: the first of a name
wins.

A scan reads headers only and parses nothing but names and versions, so that 1,000 distributions take well
under 150 ms. What one broken folder holds is left out and listed; it never stops the scan.
"""

from __future__ import annotations

# Text paths throughout: a path object costs as much as reading the file it names.
# ruff: noqa: PTH116, PTH118, PTH119, PTH208
import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from msgspec import Struct

from venvkit.host import metadata

if TYPE_CHECKING:
    from packaging.utils import NormalizedName
else:
    # Decoders read annotations at run time; a cached snapshot must not pay for the import of packaging (20
    # ms).
    NormalizedName = str


_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


class Distribution(Struct, frozen=True, kw_only=True):
    """One installed distribution.

    Args:
        name: Its PEP 503 name.
        version: As its metadata writes it, local part included; it parses.
        requires: Its Requires-Dist lines, not parsed.
        extras: The extras it provides, normalised.
        location: Path of its `.dist-info` or `.egg-info` (a directory, or with old tools one file).
        site_dir: The site directory it was found in.
        direct_url: The URL it was installed from, when that was a direct reference.
        editable: Whether it is a link to a source tree.
        tags: The compatibility tags of its wheel.
        requires_python: Its Requires-Python, not parsed.
    """

    name: NormalizedName
    version: str
    requires: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    location: str
    site_dir: str
    direct_url: str | None = None
    editable: bool = False
    tags: tuple[str, ...] = ()
    requires_python: str | None = None

    @property
    def compiled(self) -> bool:
        """Whether its wheel is for one platform."""
        return any(not tag.endswith("-none-any") for tag in self.tags)


class Unreadable(Struct, frozen=True):
    """Something in a site directory that could not be taken into account: where, and why."""

    path: str
    why: str


class _Listing(Struct, frozen=True):
    """The entries of one site directory, sorted by their names alone."""

    site_dir: str
    infos: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    fault: str = ""


class _Faulty(Exception):  # noqa: N818 - never leaves this module
    """Metadata that cannot be used; `name` is whose it is, where that is known."""

    def __init__(self, why: str, name: str) -> None:
        super().__init__(why)
        self.why = why
        self.name = name


def read_ahead(site_dirs: Sequence[str]) -> dict[str, Distribution]:
    """Read what `scan` will be asked for next, by the path of its `.dist-info`; what cannot be read is left to it."""
    found = {}
    for listing in map(_list, site_dirs):
        for path in listing.infos:
            if not path.endswith(".dist-info"):
                continue
            with contextlib.suppress(_Faulty):
                found[path] = _read(path, listing.site_dir, linked=False)
    return found


def scan(
    site_dirs: Sequence[str], *, known: Mapping[str, Distribution] = MappingProxyType({})
) -> tuple[tuple[Distribution, ...], tuple[Unreadable, ...]]:
    """Return the distributions that are found in `site_dirs`, the first of a name, and what could not be
    read.

    Args:
        site_dirs: Directories in the order of `sys.path`.
        known: What `read_ahead` has read of them a moment ago.

    Returns:
        The distributions in the order they are found, and the unreadable entries. Where one directory has a
        name twice, the one that `importlib.metadata` finds is a distribution and the others are unreadable.
        A name whose metadata is unreadable hides the same name in later directories, as it does for an
        import.
    """
    listings = [_list(site_dir) for site_dir in _distinct(site_dirs)]
    linked = {os.path.realpath(link) for listing in listings for link in listing.links}
    taken: dict[str, Distribution] = {}
    hidden: set[str] = set()
    unreadable: list[Unreadable] = []
    for listing in listings:
        if listing.fault:
            unreadable.append(Unreadable(listing.site_dir, listing.fault))
        editable = bool(linked) and os.path.realpath(listing.site_dir) in linked
        here, broken = _read_directory(listing, known, editable=editable)
        unreadable += [Unreadable(path, error.why) for path, error in broken]
        for name, distribution in here.items():
            if name not in hidden:
                taken.setdefault(name, distribution)
        hidden.update(error.name for _, error in broken if error.name not in here)
    return tuple(taken.values()), tuple(unreadable)


def _distinct(site_dirs: Sequence[str]) -> list[str]:
    """Leave out a directory that is there under another name already (`lib64` beside `lib`)."""
    seen: dict[tuple[int, int], str] = {}
    missing = []
    for site_dir in site_dirs:
        try:
            found = os.stat(site_dir)
        except (OSError, ValueError):
            missing.append(site_dir)
        else:
            seen.setdefault((found.st_dev, found.st_ino), site_dir)
    return [*seen.values(), *missing]


def _list(site_dir: str) -> _Listing:
    try:
        # In the order of the file system, which is the one importlib.metadata goes by.
        entries = os.listdir(site_dir)
    except (OSError, ValueError) as error:
        return _Listing(site_dir, fault=f"the directory cannot be listed: {_reason(error)}")
    infos, eggs, leftovers, links = [], [], [], []
    for entry in entries:
        lower = entry.lower()
        if entry.startswith("~"):
            leftovers.append(f"{site_dir}/{entry}")
        elif lower.endswith((".dist-info", ".egg-info")):
            infos.append(f"{site_dir}/{entry}")
        elif lower == "egg-info" and site_dir.lower().rstrip("/").endswith(".egg"):
            eggs.append(f"{site_dir}/{entry}")
        elif lower.endswith(".egg-link"):
            target = (metadata.read_text(f"{site_dir}/{entry}") or "").partition("\n")[0].strip()
            links.append(os.path.join(site_dir, target))
    return _Listing(site_dir, tuple(infos + eggs), tuple(leftovers), tuple(links))


def _read_directory(
    listing: _Listing, known: Mapping[str, Distribution], *, editable: bool
) -> tuple[dict[str, Distribution], list[tuple[str, _Faulty]]]:
    here: dict[str, Distribution] = {}
    broken = [(_printable(path), _Faulty("left behind by an interrupted uninstall", "")) for path in listing.leftovers]
    for path in listing.infos:
        try:
            distribution = known.get(path) or _read(path, listing.site_dir, linked=editable)
        except _Faulty as error:
            broken.append((_printable(path), error))
            continue
        first = here.setdefault(distribution.name, distribution)
        if first is not distribution:
            broken.append((path, _Faulty(_duplicate(first, distribution), "")))
    return here, broken


def _duplicate(first: Distribution, other: Distribution) -> str:
    kept = f"{first.version} ({os.path.basename(first.location)}), which importlib.metadata finds,"
    return f"a duplicate: {first.name} is here as {kept} and as {other.version}"


def _read(path: str, site_dir: str, *, linked: bool) -> Distribution:
    """Read one `.dist-info` or `.egg-info`; its name is that in the metadata, else that of the folder."""
    stem = os.path.basename(site_dir if path.endswith("/EGG-INFO") else path)
    spelled = stem.rpartition(".")[0].partition("-")[0]
    legacy = path.lower().endswith("egg-info")
    try:
        path.encode()
        headers = _headers(path, legacy=legacy)
    except (OSError, ValueError) as error:
        raise _Faulty(f"no metadata can be read: {_reason(error)}", _normalize(spelled)) from error
    name = _normalize(headers.get("name", [spelled])[0])
    if not _NAME.fullmatch(name):
        raise _Faulty(f"{name!r} is not a name", "")
    version = headers.get("version", [""])[0]
    if not _is_version(version):
        raise _Faulty(f"{version!r} is not a version" if version else "its metadata has no version", name)
    extras, requires = headers.get("provides-extra", []), headers.get("requires-dist", [])
    if legacy and not requires and (listed := metadata.read_text(f"{path}/requires.txt")):
        requires, extras = metadata.egg_requires(listed)
    url, editable = metadata.direct_url(path)
    return Distribution(
        name=name,
        version=version,
        requires=tuple(requires),
        extras=tuple(dict.fromkeys(map(_normalize, extras))),
        location=path,
        site_dir=site_dir,
        direct_url=url,
        editable=editable or (legacy and linked),
        tags=() if legacy else metadata.wheel_tags(path),
        requires_python=headers.get("requires-python", [None])[0],
    )


def _headers(path: str, *, legacy: bool) -> dict[str, list[str]]:
    if not legacy:
        return metadata.read_headers(f"{path}/METADATA")
    try:
        return metadata.read_headers(f"{path}/PKG-INFO")
    except NotADirectoryError:
        return metadata.read_headers(path)


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{os.path.basename(error.filename)} is missing"
    return (error.strerror if isinstance(error, OSError) else None) or "its path is not valid Unicode"


def _printable(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()


def _normalize(name: str) -> NormalizedName:
    """Normalize a name by PEP 503."""
    found = name.lower().replace("_", "-").replace(".", "-")
    while "--" in found:
        found = found.replace("--", "-")
    return cast(NormalizedName, found)


@lru_cache(maxsize=8192)
def _is_version(text: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        Version(text)
    except InvalidVersion:
        return False
    return True
