"""Requirements of the files of a source: their core metadata, read without installing and mostly without downloading.

A local wheel is opened; a remote one's metadata file is fetched (https://peps.python.org/pep-0658/), else the tail of
the wheel by ranges; of a source distribution PKG-INFO or requires.txt is read. What cannot be read (a checkout, a slow
index) is None: the planner then trusts uv's word, and the proof after the install reads the real thing.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TypeAlias

from msgspec import Struct, field
from packaging.utils import canonicalize_name
from packaging.version import Version

from venvkit.base import cachefile
from venvkit.base.digest import digest
from venvkit.base.http import Client, HttpError, Limits
from venvkit.base.network import Network, authority_files, environment_proxies, split_no_proxy
from venvkit.base.turns import waiting
from venvkit.errors import CancelledError
from venvkit.host.metadata import egg_requires, parse_headers
from venvkit.spec.configuration.uv import in_force, read_uv_config, trusted_bundle
from venvkit.spec.request import Sources
from venvkit.tools.pylock import LockedFile
from venvkit.tools.rangefile import RangeFile

_PARALLEL = 8
# For all files of a plan together. What is missed is read by the next plan.
_SECONDS = 120.0
# Of the metadata alone, unpacked; the largest on the public index have a megabyte, most of it a long description.
_MOST_METADATA = 8_000_000
# Of a file that has to be fetched whole: a source distribution, or a wheel of a server without ranges.
_MOST_WHOLE = 30_000_000
# Of a source distribution up to its metadata, unpacked.
_MOST_UNPACKED = 300_000_000
_FORMAT = 3

Requires: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]
_UNREADABLE = (HttpError, OSError, ValueError, zipfile.BadZipFile, tarfile.TarError, KeyError, RuntimeError, EOFError)


class _Kept(Struct):
    """The kept form of a file's requirements; None where the file states none for sure."""

    found: Requires | None


class MetadataReader(Struct, frozen=True):
    """Reads what files require, with a cache by file in `folder`.

    Args:
        folder: Where requirements are kept; a file's metadata never changes.
        sources: Index addresses, whose credentials are used for files of the same origin, and whom to trust.
        offline: Read local files and the cache only.
        environ: The environment whose proxies, certificates and uv configuration hold for a read.
        seconds: The most that all reads of one call may take.
    """

    folder: Path
    sources: Sources
    offline: bool = False
    cancel: threading.Event | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    seconds: float = _SECONDS

    def read(self, files: Iterable[LockedFile]) -> Mapping[LockedFile, Requires | None]:
        """Return (Requires-Dist lines, extras) of each file; None for one that cannot be read.

        Raises:
            CancelledError: The cancel event was set.
        """
        found: dict[LockedFile, Requires | None] = {}
        remote = []
        for file in files:
            if file.kind == "checkout":
                found[file] = None
            elif file.path is not None:
                found[file] = _read_local(file.path, file)
            else:
                kept = cachefile.load(self._place(file), _Kept, checked=True)
                found[file] = kept.found if kept is not None else None
                if kept is None and not self.offline:
                    remote.append(file)
        return {**found, **(self._fetch_all(remote) if remote else {})}

    def _fetch_all(self, files: Sequence[LockedFile]) -> dict[LockedFile, Requires | None]:
        network = read_network(self.sources, self.environ)
        # Every request ends in time or at a cancel, so the threads of the pool do, too.
        with (
            waiting(),
            ThreadPoolExecutor(_PARALLEL) as pool,
            Client(network, Limits(size=_MOST_WHOLE), seconds=min(self.seconds, _SECONDS), tick=self._tick) as client,
        ):
            return dict(zip(files, pool.map(lambda file: self._fetch(client, file), files), strict=True))

    def _tick(self) -> None:
        if self.cancel is not None and self.cancel.is_set():
            raise CancelledError("cancelled while reading metadata")

    def _fetch(self, client: Client, file: LockedFile) -> Requires | None:
        """Fetch and keep what a file requires. Where there is no sound answer, the next plan asks again."""
        try:
            found = _ask(client, file)
        except _UNREADABLE:
            return None
        cachefile.store(self._place(file), _Kept(found), checked=True)
        return found

    def _place(self, file: LockedFile) -> Path:
        return self.folder / f"{digest([_FORMAT, file.sha256, file.url, file.name, file.version])[:32]}.json"


def read_network(sources: Sources, environ: Mapping[str, str]) -> Network:
    """Return the way to the sources of a request, as uv would take it.

    These are the rules of uv 0.13, as they were measured: a proxy of uv.toml before the variables, upper case before
    lower, no exception for this machine but those of NO_PROXY; a bundle of authorities stands in place of the usual
    ones. A lock lists the files of an index without its user and password: they are taken from the index's address.
    """
    config = read_uv_config(environ)
    said = [one for one in in_force(sources, environ) if not one.dropped]
    proxies, spared = environment_proxies(environ)
    own = {scheme: config.proxies.get(f"{scheme}-proxy", ("",))[0] for scheme in proxies}
    if any(own.values()):
        proxies, spared = own, split_no_proxy(config.proxies.get("no-proxy", ()))
    file = environ.get("SSL_CERT_FILE") or trusted_bundle(sources, environ) or ""
    return Network(
        proxies=proxies,
        no_proxy=spared,
        authorities=authority_files(file, environ.get("SSL_CERT_DIR", "")),
        system_authorities=bool(config.system_certs),
        client_certificate=environ.get("SSL_CLIENT_CERT", ""),
        trusted_hosts=tuple(one.value for one in said if one.kind == "trusted-host"),
        users=tuple(config.users.get(one.value, one.value) for one in said),
        netrc=environ.get("NETRC") or (f"{environ['HOME']}/.netrc" if environ.get("HOME") else ""),
    )


def _ask(client: Client, file: LockedFile) -> Requires | None:
    """Return the requirements of a remote file.

    Raises:
        One of `_UNREADABLE`: There is no sound answer.
    """
    if file.kind == "sdist":
        return _ask_sdist(client, file) if (file.size or 0) <= _MOST_WHOLE else None
    try:
        answer = client.get(f"{file.url}.metadata", limits=Limits(size=_MOST_METADATA))
        if answer.status == 200:
            return _parse(answer.content, file)
        if answer.status >= 500:
            raise HttpError("unreachable", f"status {answer.status}")
    except (HttpError, ValueError) as error:
        # A server may answer each address with a page for people: then the wheel itself is looked at.
        if isinstance(error, HttpError) and error.kind != "malformed":
            raise
    return _read_wheel(io.BufferedReader(RangeFile(client, file.url, whole=_MOST_WHOLE), 65536), file)


def _ask_sdist(client: Client, file: LockedFile) -> Requires | None:
    answer = client.get(file.url)
    if answer.status != 200 or file.sha256 not in (None, hashlib.sha256(answer.content).hexdigest()):
        raise ValueError(f"status {answer.status}, or not the file that was locked")
    return _read_sdist(io.BytesIO(answer.content), file)


def _read_local(path: Path, locked: LockedFile) -> Requires | None:
    try:
        with path.open("rb") as file:
            return _read_sdist(file, locked) if locked.kind == "sdist" else _read_wheel(file, locked)
    except _UNREADABLE:
        return None


def _read_wheel(file: IO[bytes] | io.BufferedReader, locked: LockedFile) -> Requires:
    with zipfile.ZipFile(file) as wheel:
        names = (name for name in wheel.namelist() if name.count("/") == 1 and name.endswith(".dist-info/METADATA"))
        with wheel.open(next(names, "")) as content:
            return _parse(content.read(_MOST_METADATA), locked)


def _read_sdist(file: IO[bytes], locked: LockedFile) -> Requires | None:
    """Read PKG-INFO where it states its requirements for sure (Metadata 2.2, not dynamic), else requires.txt.

    https://packaging.python.org/en/latest/specifications/core-metadata/#dynamic
    """
    header = egg = None
    with tarfile.open(fileobj=file, mode="r|*") as archive:
        for member in archive:
            if member.offset_data > _MOST_UNPACKED:
                break
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None and member.name.count("/") == 1 and member.name.endswith("/PKG-INFO"):
                header = content.read(_MOST_METADATA)
            elif content is not None and member.name.endswith(".egg-info/requires.txt"):
                egg = content.read(_MOST_METADATA)
    if header is None:
        return None
    stated = _parse(header, locked)
    headers = parse_headers(header.decode("utf-8", "replace"))
    if headers["metadata-version"][0] >= "2.2" and "requires-dist" not in map(str.lower, headers.get("dynamic", [])):
        return stated
    if egg is None:
        return stated if stated[0] else None
    requires, extras = egg_requires(egg.decode("utf-8", "replace"))
    return tuple(requires), tuple(extras)


def _parse(content: bytes, file: LockedFile) -> Requires:
    """Return the requirements in core metadata.

    Raises:
        ValueError: This is no metadata, or that of another distribution.
    """
    headers = parse_headers(content.decode("utf-8", "replace"))
    (name,), (version,) = headers.get("name", [""]), headers.get("version", [""])
    if not headers.get("metadata-version") or canonicalize_name(name) != file.name:
        raise ValueError("not the metadata of this distribution")
    if file.version and Version(version) != Version(file.version):
        raise ValueError("not the metadata of this version")
    return tuple(headers.get("requires-dist", [])), tuple(headers.get("provides-extra", []))
