"""A server on loopback that speaks the part of Xinference's API that tells models, as 4.1.0 speaks it.

It reads its models from JSON files in the catalogue's form, `TYPE/**/*.json` below a folder, and can be made to fail in
every way that a server can.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from tests.servers import Reply, Scripted

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


@dataclass
class StandIn(Scripted):
    """The server.

    Args:
        folder: Where its models are.
        key: The key that it wants; empty wants none.
        not_ready: How many health checks it answers with 503 before it is ready.
        workers: Whether a worker has joined it.
        types: The types that it knows.
        detailed: Whether it knows that lists can be detailed; an older one does not.
        folds: Whether it shows one variant of each name.
        second_hub: Names of models that it lists, but has no page for.
    """

    folder: Path
    key: str = ""
    not_ready: int = 0
    workers: bool = True
    types: tuple[str, ...] = TYPES
    detailed: bool = True
    folds: bool = True
    second_hub: frozenset[str] = frozenset()

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

    def answer(self, path: str, headers: Mapping[str, str]) -> Reply:
        status, document = self._answer(path, headers)
        return Reply(status, json.dumps(document).encode())

    def _answer(self, path: str, headers: Mapping[str, str]) -> tuple[int, object]:
        parts = [unquote(part) for part in urlsplit(path).path.split("/")[1:]]
        if parts == ["status"]:
            return self._status()
        if parts[:2] != _API or len(parts) > 4:
            return 404, {"detail": "Not Found"}
        if self.key and headers.get("Authorization") != f"Bearer {self.key}":
            return 401, {"detail": "Could not validate credentials"}
        if len(parts) == 4:
            return self._model(*parts[2:])
        return self._list(parts[2], parse_qs(urlsplit(path).query).get("detailed") == ["true"])

    def _status(self) -> tuple[int, object]:
        if self.not_ready > 0:
            self.not_ready -= 1
            return 503, {"detail": "starting"}
        return 200, {"uptime": 1, "workers": {"127.0.0.1:1": {}} if self.workers else {}}

    def _list(self, type: str, detailed: bool) -> tuple[int, object]:
        if type not in self.types:
            return 400, {"detail": f"Unsupported model type: {type}"}
        objects = self.objects(type)
        if detailed and self.detailed:
            return 200, [{**table, "is_builtin": True} for table in objects]
        return 200, [{"model_name": table["model_name"], "is_builtin": True} for table in objects]

    def _model(self, type: str, name: str) -> tuple[int, object]:
        objects = [table for table in self.objects(type) if table["model_name"] == name]
        if not objects or name in self.second_hub or type not in self.types:
            return 400, {"detail": f"Model {name} not found"}
        return 200, objects[0]


def _block(table: Mapping[str, object]) -> dict[str, object] | None:
    block = table.get("virtualenv")
    return {name: block.get(name, usual) for name, usual in _BLOCK.items()} if isinstance(block, dict) else None
