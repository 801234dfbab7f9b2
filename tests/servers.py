"""Servers on loopback: an index over HTTPS, a proxy, and one that answers in every wrong way that a server can."""

from __future__ import annotations

import http.server
import select
import socket
import ssl
import subprocess
import threading
from collections.abc import Mapping
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
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
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


@dataclass(frozen=True)
class Reply:
    """An answer that a test wants.

    Args:
        after_s: Waits so long before it begins, in seconds.
        drip_s: Waits so long before each byte of the body.
        slow_headers_s: Sends headers for ever, and waits so long before each.
        cut: Ends the connection before this byte.
        endless: Sends the body again and again.
    """

    status: int = 200
    body: bytes = b""
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    after_s: float = 0.0
    drip_s: float = 0.0
    slow_headers_s: float = 0.0
    cut: int | None = None
    endless: bool = False


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    path: str
    authorization: str


@dataclass(kw_only=True)
class Scripted:
    """A server that answers each path as `replies` says, and 404 elsewhere. It listens inside a `with` block.

    Args:
        replies: Answers by the beginning of the path; the longest counts.
        asked: The requests, as they came.
        context: Encrypts, where it is given.
    """

    replies: dict[str, Reply] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    context: ssl.SSLContext | None = None
    stopping: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Scripted:
        return self.listen(0)

    def listen(self, port: int) -> Scripted:
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), partial(Scripting, self))
        if self.context is not None:
            self.server.socket = self.context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()

    @property
    def port(self) -> int:
        return self.server.server_port

    @property
    def url(self) -> str:
        return f"http{'s' if self.context else ''}://127.0.0.1:{self.port}"

    def answer(self, path: str, headers: Mapping[str, str]) -> Reply:
        """Return the answer to what no reply is given for."""
        return Reply(404)


class Scripting(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, scripted: Scripted, *args: object) -> None:
        self.scripted = scripted
        super().__init__(*args)  # type: ignore[arg-type]

    def log_message(self, format: str, *args: object) -> None:
        return

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            return  # the client has gone, as it should

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.scripted.asked.append(Asked(self.path, self.headers.get("Authorization", "")))
        # A client that takes this for its proxy sends the whole address.
        path = "/" + self.path.split("/", 3)[3] if self.path.startswith("http") else self.path
        matching = [begin for begin in self.scripted.replies if path.startswith(begin)]
        if matching:
            self._send(self.scripted.replies[max(matching, key=len)])
        else:
            self._send(self.scripted.answer(path, dict(self.headers)))

    def _send(self, reply: Reply) -> None:
        stopping = self.scripted.stopping
        if stopping.wait(reply.after_s):
            return
        if reply.cut == 0:
            self._end()
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.slow_headers_s:
            self.flush_headers()
            while not stopping.wait(reply.slow_headers_s):
                self.wfile.write(b"X-Slow: 1\r\n")
        if not reply.endless:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if reply.drip_s:
            for index in range(len(reply.body)):
                if stopping.wait(reply.drip_s):
                    return
                self.wfile.write(reply.body[index : index + 1])
        self.wfile.write(reply.body[: reply.cut])
        while reply.endless and not stopping.is_set():
            self.wfile.write(reply.body)
        if reply.cut is not None:
            self._end()

    def _end(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


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
