"""What the files of a source require: their core metadata, read without installing and mostly without downloading.

A local wheel is opened; a remote one's metadata file is fetched (PEP 658), else the tail of the wheel by ranges; a
source distribution's PKG-INFO or egg-info is read. What cannot be read (a checkout) is None: the planner then trusts
uv's word, and the proof after the install reads the real thing.
"""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct, field
from packaging.metadata import parse_email

from venvkit.base.digest import digest
from venvkit.errors import CancelledError
from venvkit.spec.request import Sources
from venvkit.tools.pylock import LockedFile
from venvkit.tools.rangefile import NoRanges, RangeFile

if TYPE_CHECKING:
    import httpx

_PARALLEL = 8
# A source distribution must be fetched whole; past this size its metadata is not worth the download while planning.
_MAX_SDIST_BYTES = 30_000_000

# A wheel of a server without ranges is fetched whole up to here.
_MAX_WHOLE_WHEEL_BYTES = 10_000_000
_POLL_S = 0.1
_TIMEOUT_S = 20.0

Requires: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]


class MetadataReader(Struct, frozen=True):
    """Reads what files require, with an immutable cache by file in `folder`.

    Args:
        folder: Where what was read is kept; a file's metadata never changes.
        sources: Index addresses, whose credentials are used for files of the same host, and whom to trust.
        offline: Read local files and the cache only.
        cancel: Set by the caller to stop.
        environ: The environment whose proxies, certificates and uv configuration hold for a read.
    """

    folder: Path
    sources: Sources
    offline: bool = False
    cancel: threading.Event | None = None
    environ: Mapping[str, str] = field(default_factory=dict)

    def read(self, files: Iterable[LockedFile]) -> Mapping[LockedFile, Requires | None]:
        """Return (Requires-Dist lines, extras) of each file; None for what cannot be read.

        Raises:
            CancelledError: The cancel event was set.
        """
        found: dict[LockedFile, Requires | None] = {}
        remote = []
        for file in files:
            if file.kind == "checkout":
                found[file] = None
            elif file.path is not None:
                found[file] = _read_local(file.path, file.kind)
            else:
                known, found[file] = self._cached(file)
                if not known and not self.offline:
                    remote.append(file)
        return {**found, **(self._fetch_all(remote) if remote else {})}

    def _fetch_all(self, files: Sequence[LockedFile]) -> dict[LockedFile, Requires | None]:
        from venvkit.base.http import open_client

        pool = ThreadPoolExecutor(_PARALLEL)
        try:
            with open_client(self.sources, self.environ, timeout=_TIMEOUT_S) as client:
                work = {pool.submit(self._fetch, client, file): file for file in files}
                pending = set(work)
                while pending:
                    _, pending = wait(pending, timeout=_POLL_S)
                    if self.cancel is not None and self.cancel.is_set():
                        raise CancelledError("cancelled while reading metadata")
            return {file: future.result() for future, file in work.items()}
        finally:
            # Not waited for: closing the client has ended what was still being read.
            pool.shutdown(wait=False, cancel_futures=True)

    # -- cache ----------------------------------------------------------------------------------------------

    def _place(self, file: LockedFile) -> Path:
        return self.folder / f"{digest([file.sha256 or file.url, file.name, file.version])[:32]}.json"

    def _cached(self, file: LockedFile) -> tuple[bool, Requires | None]:
        """Return whether a file was read before, and what it said: None is an answer, too."""
        try:
            kept = json.loads(self._place(file).read_bytes())
            return True, (tuple(kept[0]), tuple(kept[1])) if kept is not None else None
        except (OSError, ValueError, TypeError, IndexError):
            return False, None

    def _keep(self, file: LockedFile, result: Requires | None) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self.folder, suffix=".new", delete=False) as out:
                json.dump(result, out)
            Path(out.name).replace(self._place(file))
        except OSError:
            return  # a cache that cannot be written costs time, never a plan

    # -- network --------------------------------------------------------------------------------------------

    def _fetch(self, client: httpx.Client, file: LockedFile) -> Requires | None:
        """Fetch and keep what a file requires; a source that does not answer is asked again by the next plan."""
        import httpx

        try:
            result = self._ask(client, file.url, file)
        except (httpx.HTTPError, OSError, ValueError, zipfile.BadZipFile, tarfile.TarError, KeyError, RuntimeError):
            return None
        self._keep(file, result)
        return result

    def _ask(self, client: httpx.Client, url: str, file: LockedFile) -> Requires | None:
        if file.kind == "sdist":
            if (file.size or 0) > _MAX_SDIST_BYTES:
                return None
            return _read_sdist(io.BytesIO(client.get(url).raise_for_status().content))
        answer = client.get(f"{url}.metadata")
        if answer.status_code == 200:
            return _parse(answer.content)
        if answer.status_code >= 500:
            answer.raise_for_status()
        try:
            return _read_wheel(io.BufferedReader(RangeFile(client, url), 65536))
        except NoRanges as error:
            if error.size > _MAX_WHOLE_WHEEL_BYTES:
                raise
            return _read_wheel(io.BytesIO(client.get(url).raise_for_status().content))


def _read_local(path: Path, kind: str) -> Requires | None:
    try:
        with path.open("rb") as file:
            return _read_sdist(file) if kind == "sdist" else _read_wheel(file)
    except (OSError, ValueError, zipfile.BadZipFile, tarfile.TarError, KeyError):
        return None


def _read_wheel(file: io.BufferedIOBase | io.BufferedReader) -> Requires | None:
    with zipfile.ZipFile(file) as wheel:
        name = next((item for item in wheel.namelist() if item.endswith(".dist-info/METADATA")), None)
        return _parse(wheel.read(name)) if name else None


def _read_sdist(file: io.BufferedIOBase | io.BufferedReader) -> Requires | None:
    """PKG-INFO where it states its requirements for sure (Metadata 2.2, not dynamic), else egg-info's requires.txt."""
    with tarfile.open(fileobj=file) as archive:
        names = archive.getnames()
        info = next((name for name in names if name.count("/") == 1 and name.endswith("/PKG-INFO")), None)
        if info is None:
            return None
        content = archive.extractfile(info)
        header = content.read() if content else b""
        raw, _ = parse_email(header.partition(b"\n\n")[0])
        dynamic = {field.lower() for field in raw.get("dynamic", [])}
        if raw.get("metadata_version", "1.0") >= "2.2" and "requires-dist" not in dynamic:
            return _parse(header)
        egg = next((name for name in names if name.endswith(".egg-info/requires.txt")), None)
        content = archive.extractfile(egg) if egg else None
        if content is None:
            return _parse(header) if raw.get("requires_dist") else None
        return _egg_requires(content.read().decode("utf-8", "replace"))


def _egg_requires(text: str) -> Requires:
    """Translate requires.txt: sections `[extra]`, `[:marker]`, `[extra:marker]`."""
    lines: list[str] = []
    extras: dict[str, None] = {}
    extra = marker = ""
    for line in filter(None, (line.strip() for line in text.splitlines())):
        if line.startswith("["):
            extra, _, marker = line.strip("[]").partition(":")
            if extra:
                extras[extra] = None
            continue
        conditions = [f"({marker})"] if marker else []
        conditions += [f'extra == "{extra}"'] if extra else []
        lines.append(f"{line} ; {' and '.join(conditions)}" if conditions else line)
    return tuple(lines), tuple(extras)


def _parse(content: bytes) -> Requires:
    raw, _ = parse_email(content.replace(b"\r\n", b"\n").partition(b"\n\n")[0])
    return tuple(raw.get("requires_dist", [])), tuple(raw.get("provides_extra", []))
