"""What the files of a plan require, read by the checker's own means and kept, since a file never changes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from typing_extensions import Buffer

_PARALLEL = 6


class Library:
    """Reads Requires-Dist lines by address, with a cache in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def requires(self, urls: list[str]) -> dict[str, tuple[str, ...] | None]:
        """Return the requirements of each file; None where they cannot be read."""
        with ThreadPoolExecutor(_PARALLEL) as pool:
            return dict(zip(urls, pool.map(self._one, urls), strict=True))

    def _one(self, url: str) -> tuple[str, ...] | None:
        place = self._folder / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.json"
        if place.exists():
            return tuple(json.loads(place.read_text(encoding="utf-8")))
        lines = _read(url)
        if lines is not None:
            with tempfile.NamedTemporaryFile("w", dir=self._folder, delete=False, encoding="utf-8") as out:
                json.dump(lines, out)
            Path(out.name).replace(place)
        return lines


def _read(url: str) -> tuple[str, ...] | None:
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path.endswith(".whl"):
        return _of_wheel(Path(unquote(parts.path)))
    if not parts.path.endswith(".whl"):
        lines = _by_pip(url)
        return lines if lines is not None or not parts.path.endswith(".tar.gz") else _of_sdist(url)
    try:
        with urllib.request.urlopen(f"{url}.metadata", timeout=60) as answer:
            return _of_metadata(answer.read())
    except urllib.error.HTTPError:
        pass
    try:
        return _of_wheel(_Remote(url))
    except (OSError, zipfile.BadZipFile):
        return None


class _Remote(io.RawIOBase):
    """A file behind an address, read by ranges: what a wheel requires stands near its end."""

    def __init__(self, url: str) -> None:
        self._url, self._at = url, 0
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=60) as answer:
            self._size = int(answer.headers["Content-Length"])
            # Where a redirect led to, so that it is followed once.
            self._url = answer.url

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def readinto(self, buffer: Buffer) -> int:
        last = min(self._at + len(memoryview(buffer)), self._size) - 1
        if last < self._at:
            return 0
        ask = urllib.request.Request(self._url, headers={"Range": f"bytes={self._at}-{last}"})
        with urllib.request.urlopen(ask, timeout=60) as answer:
            if answer.status != 206:
                raise OSError(f"no ranges at {self._url}")
            content = answer.read()
        memoryview(buffer)[: len(content)] = content
        self._at += len(content)
        return len(content)


def _of_wheel(file: Path | _Remote) -> tuple[str, ...] | None:
    with zipfile.ZipFile(file if isinstance(file, Path) else io.BufferedReader(file, 1 << 18)) as wheel:
        for name in wheel.namelist():
            if name.count("/") == 1 and name.endswith(".dist-info/METADATA"):
                return _of_metadata(wheel.read(name))
    return None


def _of_metadata(content: bytes) -> tuple[str, ...]:
    return tuple(HeaderParser().parsestr(content.decode("utf-8", "replace")).get_all("Requires-Dist") or ())


def _by_pip(url: str) -> tuple[str, ...] | None:
    """A source distribution says for sure what it requires only when its backend is asked: let pip do that."""
    flags = ["--quiet", "--dry-run", "--no-deps", "--ignore-installed", "--no-input", "--report", "-"]
    environ = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    command = [sys.executable, "-m", "pip", "install", *flags, url]
    try:
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)
        report = json.loads(done.stdout)["install"][0]["metadata"]
    except (ValueError, KeyError, IndexError, subprocess.TimeoutExpired):
        return None
    return tuple(report.get("requires_dist") or ())


def _of_sdist(url: str) -> tuple[str, ...] | None:
    """Some backends run only where half of the request is installed; then what was written at release must do."""
    try:
        with urllib.request.urlopen(url, timeout=120) as answer:
            archive = tarfile.open(fileobj=io.BytesIO(answer.read()))  # noqa: SIM115
        (name,) = [name for name in archive.getnames() if name.count("/") == 1 and name.endswith("/PKG-INFO")]
        content = archive.extractfile(name)
        return _of_metadata(content.read()) if content else None
    except (OSError, ValueError, tarfile.TarError):
        return None
