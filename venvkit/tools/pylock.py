"""Reading the PEP 751 lock that `uv pip compile --format pylock.toml` writes: files, sizes and digests of pins.

`packaging.pylock` needs packaging 26, which hosts with an upper bound on packaging could not install.
https://packaging.python.org/en/latest/specifications/pylock-toml/
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct, convert, field
from packaging.utils import NormalizedName, canonicalize_name

from venvkit.base.local import local_path, local_size
from venvkit.base.reading import parse_toml
from venvkit.errors import VenvkitError


class LockedFile(Struct, frozen=True):
    """The file (or checkout) that a pin is installed from.

    Args:
        kind: `wheel`, `sdist` or `checkout` (a version control reference or a directory).
        url: Its address; a `file:` URL for a local one.
        size: Bytes, None when the source does not say.
        sha256: Its digest in hexadecimal, None when the source does not say.
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
        path = local_path(self.url)
        return Path(path) if path is not None else None


class _Entry(Struct, rename="kebab"):
    url: str = ""
    path: str = ""
    size: int | None = None
    hashes: dict[str, str] = field(default_factory=dict)
    type: str = ""
    commit_id: str = ""
    subdirectory: str = ""


class _Package(Struct):
    name: str
    version: str = ""
    wheels: tuple[_Entry, ...] = ()
    archive: _Entry | None = None
    sdist: _Entry | None = None
    vcs: _Entry | None = None
    directory: _Entry | None = None


class _Lock(Struct):
    packages: tuple[_Package, ...] = ()


def read_pylock(text: str) -> tuple[LockedFile, ...]:
    """Return one file per package of a lock, the wheel where there is one.

    Raises:
        VenvkitError: The lock is malformed, or a package of it has no source (`uv-answer`).
    """
    try:
        return tuple(_file(package) for package in convert(parse_toml(text.encode()), _Lock).packages)
    except ValueError as error:  # msgspec's errors are ValueErrors too
        raise VenvkitError("uv's lock could not be read", code="uv-answer", details=(str(error),)) from error


def _file(package: _Package) -> LockedFile:
    checkout = package.vcs or package.directory
    entry = next(iter(package.wheels), None) or package.archive or package.sdist or checkout
    if entry is None:
        raise ValueError(f"a package of the lock has no source: {package.name}")
    url = entry.url or Path(entry.path).absolute().as_uri()
    if entry.type == "git":
        url = f"git+{url}@{entry.commit_id}".rstrip("@")
        url += f"#subdirectory={entry.subdirectory}" if entry.subdirectory else ""
    kind = "checkout" if entry is checkout else "wheel" if urlsplit(url).path.endswith(".whl") else "sdist"
    size = local_size(url) if entry.size is None and kind != "checkout" else entry.size
    return LockedFile(canonicalize_name(package.name), package.version, kind, url, size, entry.hashes.get("sha256"))
