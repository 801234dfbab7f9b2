"""Wheels made on the spot, real ones, in a folder that find-links takes or as an index over HTTP."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import threading
import time
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import unquote


def _digest(content: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


@dataclass
class Wheelhouse:
    """A folder of wheels."""

    path: Path
    made: list[Path] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.path.as_uri()

    def add(
        self,
        name: str,
        version: str,
        *,
        requires: Iterable[str] = (),
        files: Mapping[str, str | bytes] | None = None,
        extras: Iterable[str] = (),
        scripts: Mapping[str, str] | None = None,
        tag: str = "py3-none-any",
        requires_python: str | None = None,
    ) -> Path:
        """Write a valid wheel; by default it has one module that knows its version."""
        self.path.mkdir(parents=True, exist_ok=True)
        escaped = name.replace("-", "_")
        contents: dict[str, str | bytes] = (
            dict(files) if files is not None else {f"{escaped}.py": f"__version__ = {version!r}\n"}
        )
        info = f"{escaped}-{version}.dist-info"
        metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        metadata += [f"Requires-Python: {requires_python}"] if requires_python else []
        metadata += [f"Requires-Dist: {line}" for line in requires]
        metadata += [f"Provides-Extra: {extra}" for extra in extras]
        pure = "true" if tag.endswith("none-any") else "false"
        contents[f"{info}/METADATA"] = "\n".join(metadata) + "\n\nA wheel made on the spot.\n"
        contents[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: {pure}\nTag: {tag}\n"
        if scripts:
            lines = "".join(f"{script} = {target}\n" for script, target in scripts.items())
            contents[f"{info}/entry_points.txt"] = f"[console_scripts]\n{lines}"
        encoded = {path: text.encode() if isinstance(text, str) else text for path, text in contents.items()}
        record = "".join(f"{path},{_digest(content)},{len(content)}\n" for path, content in encoded.items())
        contents[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
        wheel = self.path / f"{escaped}-{version}-{tag}.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for path, text in contents.items():
                archive.writestr(path, text)
        self.made.append(wheel)
        return wheel

    def add_variants(self, name: str, version: str, variants: Mapping[str, Mapping[str, object]]) -> None:
        """Write a wheel for each variant, whose module knows its label, and the list of them that an index has.

        Of the providers of wheel variants uv has that of x86_64 built in (https://peps.python.org/pep-0825/).
        """
        escaped = name.replace("-", "_")
        common = {
            "$schema": "https://variants-schema.wheelnext.dev/peps/825/v0.1.1.json",
            "default-priorities": {"namespace": ["x86_64"]},
            "providers": {"x86_64": {"requires": ["x86-64-variant-provider"]}},
        }
        for label, properties in variants.items():
            told = json.dumps({**common, "variants": {label: properties}})
            files = {f"{escaped}.py": f"LABEL = {label!r}\n", f"{escaped}-{version}.dist-info/variant.json": told}
            wheel = self.add(name, version, files=files)
            self.made[-1] = wheel.rename(wheel.with_name(f"{wheel.stem}-{label}.whl"))
        listed = self.path / f"{escaped}-{version}-variants.json"
        listed.write_text(json.dumps({**common, "variants": variants}), encoding="utf-8")


@dataclass
class HttpIndex:
    """A simple index over HTTP on loopback, made of a wheelhouse; every request is noted."""

    wheelhouse: Wheelhouse
    user: str = ""
    requests: list[str] = field(default_factory=list)
    fail_with: int = 0
    fail_first: int = 0
    metadata_files: bool = True
    ranges: bool = True
    sent: int = 0
    hang_on: str = ""
    _server: http.server.ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        credentials = f"{self.user}@" if self.user else ""
        return f"http://{credentials}127.0.0.1:{self._server.server_port}/simple"

    def start(self) -> HttpIndex:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, index: HttpIndex, *args: object) -> None:
        self.index = index
        super().__init__(*args)  # type: ignore[arg-type]

    def log_message(self, format: str, *args: object) -> None:
        return

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        self.index.requests.append(self.path)
        while self.index.hang_on and self.path.endswith(self.index.hang_on):
            time.sleep(0.05)
        if self.index.fail_first > 0:
            self.index.fail_first -= 1
            return self._send(503, b"not now", body)
        if self.index.fail_with:
            return self._send(self.index.fail_with, b"no", body)
        if self.index.user:
            wanted = "Basic " + base64.b64encode(self.index.user.encode()).decode()
            if self.headers.get("Authorization") != wanted:
                return self._send(401, b"who are you", body)
        parts = [unquote(part) for part in self.path.split("/") if part]
        if parts[:1] == ["simple"] and len(parts) == 2:
            return self._project(parts[1], body)
        if parts[:1] == ["files"] and len(parts) == 2:
            return self._file(parts[1], body)
        return self._send(404, b"not here", body)

    def _project(self, name: str, body: bool) -> None:
        wheels = [w for w in sorted(self.index.wheelhouse.path.glob("*")) if _normal(w.name) == name]
        if not wheels:
            return self._send(404, b"no such project", body)
        links = "".join(
            f'<a href="/files/{w.name}#sha256={hashlib.sha256(w.read_bytes()).hexdigest()}" '
            f'data-core-metadata="true">{w.name}</a><br>'
            for w in wheels
        )
        return self._send(200, f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), body, "text/html")

    def _file(self, name: str, body: bool) -> None:
        path = self.index.wheelhouse.path / name.removesuffix(".metadata")
        if not path.is_file():
            return self._send(404, b"no such file", body)
        content = path.read_bytes()
        if name.endswith(".metadata") and not self.index.metadata_files:
            return self._send(404, b"no metadata", body)
        if name.endswith(".metadata"):
            with zipfile.ZipFile(path) as wheel:
                content = wheel.read(next(n for n in wheel.namelist() if n.endswith(".dist-info/METADATA")))
        span = self.headers.get("Range") if self.index.ranges else None
        if span and body:
            first, last = map(int, span.removeprefix("bytes=").split("-"))
            return self._send(206, content[first : last + 1], body, "application/octet-stream")
        return self._send(200, content, body, "application/octet-stream")

    def _send(self, status: int, content: bytes, body: bool, kind: str = "text/plain") -> None:
        self.index.sent += len(content) if body else 0
        self.send_response(status)
        self.send_header("Accept-Ranges", "bytes" if self.index.ranges else "none")
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="index"')
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)


def _normal(file_name: str) -> str:
    return file_name.split("-")[0].lower().replace("_", "-").replace(".", "-")
