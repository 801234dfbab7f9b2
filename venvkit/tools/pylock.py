"""Reading the PEP 751 lock that `uv pip compile --format pylock.toml` writes: files, sizes and digests of pins."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from msgspec import Struct
from packaging.utils import NormalizedName, canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Table: TypeAlias = Mapping[str, object]


class LockedFile(Struct, frozen=True):
    """The file (or checkout) that a pin is installed from.

    Args:
        kind: `wheel`, `sdist` or `checkout` (a version control reference or a directory).
        url: Its address; a `file:` URL for a local one.
        size: Bytes, None when the source does not say.
    """

    name: NormalizedName
    version: str
    kind: str
    url: str
    size: int | None
    sha256: str | None

    @property
    def path(self) -> Path | None:
        """The local path, when the file is on this machine."""
        parts = urlsplit(self.url)
        return Path(unquote(parts.path)) if parts.scheme == "file" else None


def read_pylock(text: str) -> tuple[LockedFile, ...]:
    """Return one file per package of a lock, the wheel where there is one."""
    packages = tomllib.loads(text).get("packages", [])
    return tuple(_file(package) for package in packages)


def _file(package: Table) -> LockedFile:
    for key, kind in (
        ("wheels", "wheel"),
        ("archive", ""),
        ("sdist", "sdist"),
        ("vcs", "checkout"),
        ("directory", "checkout"),
    ):
        entry = package.get(key)
        if isinstance(entry, list):
            entry = entry[0] if entry else None
        if isinstance(entry, dict):
            return _entry(package, entry, kind)
    raise ValueError(f"a package of the lock has no source: {package.get('name')}")


def _entry(package: Table, entry: Table, kind: str) -> LockedFile:
    url = str(entry["url"]) if "url" in entry else Path(str(entry["path"])).absolute().as_uri()
    if kind == "checkout" and entry.get("type") == "git":
        url = f"git+{url}@{entry.get('commit-id', '')}".rstrip("@")
        url += f"#subdirectory={entry['subdirectory']}" if entry.get("subdirectory") else ""
    hashes = entry.get("hashes")
    size = entry.get("size")
    return LockedFile(
        name=canonicalize_name(str(package["name"])),
        version=str(package.get("version", "")),
        kind=kind or ("wheel" if urlsplit(url).path.endswith(".whl") else "sdist"),
        url=url,
        size=size if isinstance(size, int) else _local_size(url),
        sha256=str(hashes["sha256"]) if isinstance(hashes, dict) and "sha256" in hashes else None,
    )


def _local_size(url: str) -> int | None:
    parts = urlsplit(url)
    if parts.scheme != "file":
        return None
    try:
        return Path(unquote(parts.path)).stat().st_size
    except OSError:
        return None
