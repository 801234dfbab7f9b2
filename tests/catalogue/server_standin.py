"""A server on loopback that speaks the part of Xinference's API that tells models, as 4.1.0 speaks it.

It reads its models from JSON files in the catalogue's form, `TYPE/**/*.json` below a folder, and can be made to fail in
every way that a server can.
"""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

TYPES = ("LLM", "embedding", "rerank", "image", "audio", "video", "flexible", "world")
_API = ["v1", "model_registrations"]
# What the server's own model of the block knows: it fills in what is absent, and drops what it does not know.
_BLOCK = {
    "packages": None,
    "inherit_pip_config": True,
    "index_url": None,
    "extra_index_url": None,
    "find_links": None,
    "trusted_host": None,
    "index_strategy": None,
    "no_build_isolation": None,
}


@dataclass(frozen=True)
class Reply:
    """An answer given in place of the right one.

    Args:
        after_s: Waits so long before it begins, in seconds.
        drip_s: Waits so long before each byte.
        cut: Ends the connection before this byte.
        endless: Sends the body again and again.
    """

    status: int = 200
    body: bytes = b""
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    after_s: float = 0.0
    drip_s: float = 0.0
    cut: int | None = None
    endless: bool = False


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    path: str
    authorization: str


@dataclass
class StandIn:
    """The server. A context manager: it listens inside the block.

    Args:
        folder: Where its models are.
        key: The key that it wants; empty wants none.
        not_ready: How many health checks it answers with 503 before it is ready.
        workers: Whether a worker has joined it.
        types: The types that it knows.
        detailed: Whether it knows that lists can be detailed; an older one does not.
        folds: Whether it shows one variant of each name.
        second_hub: Names of models that it lists, but has no page for.
        replies: Answers in place of the right ones, by the begin of the path.
        asked: What it was asked, the paths as they came.
    """

    folder: Path
    key: str = ""
    not_ready: int = 0
    workers: bool = True
    types: tuple[str, ...] = TYPES
    detailed: bool = True
    folds: bool = True
    second_hub: frozenset[str] = frozenset()
    replies: dict[str, Reply] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    scheme: str = "http"
    stopping: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> StandIn:
        return self.listen(0)

    def listen(self, port: int) -> StandIn:
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, self))
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server.server_port}"

    @property
    def paths(self) -> list[str]:
        """The paths that it was asked for, health checks left out."""
        return [one.path for one in self.asked if one.path != "/status"]

    def objects(self, type: str) -> list[dict[str, object]]:
        """Return what it shows of a type."""
        found: dict[str, list[dict[str, object]]] = {}
        for path in sorted((self.folder / type.lower()).rglob("*.json")):
            document = json.loads(path.read_bytes())
            for table in document if isinstance(document, list) else [document]:
                if name := table.get("model_name") or table.get("model_family"):
                    found.setdefault(name, []).append({**table, "model_name": name, "virtualenv": _block(table)})
        shown = [variants[:1] if self.folds else variants for _, variants in sorted(found.items())]
        return [table for variants in shown for table in variants]


def _block(table: Mapping[str, object]) -> dict[str, object] | None:
    block = table.get("virtualenv")
    return {name: block.get(name, usual) for name, usual in _BLOCK.items()} if isinstance(block, dict) else None


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, standin: StandIn, *args: object) -> None:
        self.standin = standin
        super().__init__(*args)  # type: ignore[arg-type]

    def log_message(self, format: str, *args: object) -> None:
        return

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            return  # the client has gone, as it should

    def do_GET(self) -> None:
        self.standin.asked.append(Asked(self.path, self.headers.get("Authorization", "")))
        # A client that takes this for its proxy sends the whole address.
        path = "/" + self.path.split("/", 3)[3] if self.path.startswith("http") else self.path
        matching = [begin for begin in self.standin.replies if path.startswith(begin)]
        if matching:
            self._send(self.standin.replies[max(matching, key=len)])
            return
        status, document = self._answer(path)
        self._send(Reply(status, json.dumps(document).encode()))

    def _answer(self, path: str) -> tuple[int, object]:
        parts = [unquote(part) for part in urlsplit(path).path.split("/")[1:]]
        if parts == ["status"]:
            return self._status()
        if parts[:2] != _API or len(parts) > 4:
            return 404, {"detail": "Not Found"}
        if self.standin.key and self.headers.get("Authorization") != f"Bearer {self.standin.key}":
            return 401, {"detail": "Could not validate credentials"}
        if len(parts) == 4:
            return self._model(*parts[2:])
        return self._list(parts[2], parse_qs(urlsplit(path).query).get("detailed") == ["true"])

    def _status(self) -> tuple[int, object]:
        if self.standin.not_ready > 0:
            self.standin.not_ready -= 1
            return 503, {"detail": "starting"}
        return 200, {"uptime": 1, "workers": {"127.0.0.1:1": {}} if self.standin.workers else {}}

    def _list(self, type: str, detailed: bool) -> tuple[int, object]:
        if type not in self.standin.types:
            return 400, {"detail": f"Unsupported model type: {type}"}
        objects = self.standin.objects(type)
        if detailed and self.standin.detailed:
            return 200, [{**table, "is_builtin": True} for table in objects]
        return 200, [{"model_name": table["model_name"], "is_builtin": True} for table in objects]

    def _model(self, type: str, name: str) -> tuple[int, object]:
        objects = [table for table in self.standin.objects(type) if table["model_name"] == name]
        if not objects or name in self.standin.second_hub or type not in self.standin.types:
            return 400, {"detail": f"Model {name} not found"}
        return 200, objects[0]

    def _send(self, reply: Reply) -> None:
        if self.standin.stopping.wait(reply.after_s):
            return
        if reply.cut == 0:
            self._end()
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if not reply.endless:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if reply.drip_s:
            for index in range(len(reply.body)):
                if self.standin.stopping.wait(reply.drip_s):
                    return
                self.wfile.write(reply.body[index : index + 1])
        self.wfile.write(reply.body[: reply.cut])
        while reply.endless and not self.standin.stopping.is_set():
            self.wfile.write(reply.body)
        if reply.cut is not None:
            self._end()

    def _end(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
