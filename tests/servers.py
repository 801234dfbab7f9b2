"""Servers on loopback that stand between a plan and its packages: an index over HTTPS, and a proxy."""

from __future__ import annotations

import http.server
import select
import socket
import ssl
import subprocess
import threading
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.wheelhouse import HttpIndex

_NETWORK = (
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSL_CLIENT_CERT",
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
)  # fmt: skip


def forget_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """See no proxy, no certificate and no password of this machine."""
    for name in _NETWORK:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.delenv("NETRC", raising=False)


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the tests' own, and a certificate that it signed for loopback and `index.test`."""

    folder: Path

    @property
    def bundle(self) -> Path:
        return self.folder / "ca.pem"

    def make(self) -> Authority:
        self.folder.mkdir(parents=True, exist_ok=True)
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        self._openssl(
            "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=tests",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign",
        )  # fmt: skip
        self._openssl("req", *key, "-keyout", "index.key", "-out", "index.csr", "-subj", "/CN=index.test")
        names = "subjectAltName=IP:127.0.0.1,DNS:index.test\nbasicConstraints=CA:FALSE\n"
        (self.folder / "names").write_text(names, encoding="utf-8")
        self._openssl(
            "x509", "-req", "-in", "index.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names", "-out", "index.pem",
        )  # fmt: skip
        return self

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "index.pem", self.folder / "index.key")
        return context

    def _openssl(self, *args: str) -> None:
        done = subprocess.run(["openssl", *args], cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@dataclass
class TlsIndex(HttpIndex):
    """The index over HTTPS, with a certificate that only those accept who know its authority."""

    authority: Authority | None = None

    @property
    def url(self) -> str:
        return super().url.replace("http://", "https://", 1)

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    def start(self) -> TlsIndex:
        assert self.authority is not None
        super().start()
        assert self._server is not None
        # Shaken hands in the request's own thread: a client that hangs up may not stop the others.
        self._server.socket = self.authority.context().wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        return self


@dataclass
class Proxy:
    """A forward proxy that leads every host to one port of loopback; `asked` says for which addresses it was used."""

    port: int
    asked: list[str] = field(default_factory=list)
    _server: http.server.ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> Proxy:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Relay, self))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


class _Relay(http.server.BaseHTTPRequestHandler):
    def __init__(self, proxy: Proxy, *args: object) -> None:
        self.proxy = proxy
        super().__init__(*args)  # type: ignore[arg-type]

    def log_message(self, format: str, *args: object) -> None:
        return

    def do_CONNECT(self) -> None:
        self.proxy.asked.append(self.path)
        with socket.create_connection(("127.0.0.1", self.proxy.port)) as other:
            self.send_response(200)
            self.end_headers()
            self.wfile.flush()
            _pass_on(self.connection, other)
        self.close_connection = True

    def do_GET(self) -> None:
        self._forward()

    def do_HEAD(self) -> None:
        self._forward()

    def _forward(self) -> None:
        self.proxy.asked.append(self.path)
        parts = urlsplit(self.path)
        headers = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items() if name != "Connection")
        with socket.create_connection(("127.0.0.1", self.proxy.port)) as other:
            request = f"{self.command} {parts.path} HTTP/1.0\r\n{headers}Connection: close\r\n\r\n"
            other.sendall(request.encode())
            while chunk := other.recv(65536):
                self.connection.sendall(chunk)
        self.close_connection = True


def _pass_on(first: socket.socket, second: socket.socket) -> None:
    """Carry bytes both ways until one side has ended."""
    while True:
        ready, _, _ = select.select([first, second], [], [], 10)
        if not ready:
            return
        for one in ready:
            chunk = one.recv(65536)
            if not chunk:
                return
            (second if one is first else first).sendall(chunk)
