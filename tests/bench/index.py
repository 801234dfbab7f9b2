"""A simple index on loopback: its pages may be cached as those of the real one, or must be asked for each time."""

from __future__ import annotations

import hashlib
import http.server
import threading
import time
import zipfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path


@dataclass
class StaticIndex:
    """Serves a folder of wheels that does not change; pages are made once.

    Args:
        port: A fixed one, because uv's cache is by address.
        keep: What it says of keeping its answers.
        away: How long an answer takes, in seconds.
    """

    folder: Path
    port: int
    keep: str = "max-age=600, public"
    away: float = 0.0
    requests: list[str] = field(default_factory=list)
    _pages: dict[str, bytes] = field(default_factory=dict)
    _server: http.server.ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_port}/simple"

    def start(self) -> StaticIndex:
        """Begin to serve."""
        for wheel in sorted(self.folder.glob("*.whl")):
            name = wheel.name.partition("-")[0].replace("_", "-")
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            link = f'<a href="/files/{wheel.name}#sha256={digest}" data-core-metadata="true">{wheel.name}</a><br>'
            self._pages[name] = self._pages.get(name, b"") + link.encode()
        try:
            self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), partial(_Handler, self))
        except OSError as error:
            raise RuntimeError(f"port {self.port}: {error}; is a bench at work in this folder? see --work") from error
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def stop(self) -> None:
        """End it."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def find(self, path: str) -> tuple[bytes, str] | None:
        """Return what lies at a path, and its type."""
        parts = [part for part in path.split("/") if part]
        if parts[:1] == ["simple"] and len(parts) == 2 and parts[1] in self._pages:
            return b"<!DOCTYPE html><html><body>" + self._pages[parts[1]] + b"</body></html>", "text/html"
        if parts[:1] == ["files"] and len(parts) == 2:
            wheel = self.folder / parts[1].removesuffix(".metadata")
            if not wheel.is_file():
                return None
            if not parts[1].endswith(".metadata"):
                return wheel.read_bytes(), "application/octet-stream"
            with zipfile.ZipFile(wheel) as archive:
                name = next(item for item in archive.namelist() if item.endswith(".dist-info/METADATA"))
                return archive.read(name), "application/octet-stream"
        return None


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, index: StaticIndex, *args: object) -> None:
        self.index = index
        super().__init__(*args)  # type: ignore[arg-type]

    def log_message(self, format: str, *args: object) -> None:
        return

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        self.index.requests.append(self.path)
        time.sleep(self.index.away)
        found = self.index.find(self.path)
        content, kind = found or (b"not here", "text/plain")
        mark = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        if found and self.headers.get("If-None-Match") == mark:
            self.send_response(304)
            self.send_header("ETag", mark)
            self.send_header("Cache-Control", self.index.keep)
            self.end_headers()
            return
        self.send_response(200 if found else 404)
        self.send_header("ETag", mark)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", self.index.keep)
        self.end_headers()
        if body:
            self.wfile.write(content)
