"""A small fleet: a folder of specs, a server's home with custom models, and a host, all made on the spot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.hosts import Host
from tests.wheelhouse import Wheelhouse


@dataclass
class Shelf:
    """Where specs lie."""

    folder: Path
    wheelhouse: Wheelhouse

    def put(
        self,
        file: str,
        *models: tuple[str, Sequence[str]],
        folder: Path | None = None,
        said: Sequence[dict[str, str]] = (),
        **more: Any,
    ) -> Path:
        """Write a file of models, `(name, packages)` each, that take their packages from the wheelhouse alone.

        `said` is what the objects themselves say beside that, in their order.
        """
        block = {"find_links": self.wheelhouse.url, **more}
        objects: list[dict[str, Any]] = [
            {"model_name": name, "virtualenv": {"packages": [*packages], **block}} for name, packages in models
        ]
        for one, facts in zip(objects, said, strict=False):
            one.update(facts)
        path = (folder or self.folder) / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(objects if len(objects) > 1 else objects[0]), encoding="utf-8")
        return path


def make_shelf(folder: Path, wheelhouse: Wheelhouse, host: Host, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """Return an empty shelf; there are wheels of `tool`, which needs `base`, which the host of the settings has."""
    wheelhouse.add("base", "1.0")
    wheelhouse.add("tool", "2.0", requires=["base>=1"])
    wheelhouse.add("extra", "1.0")
    host.install("base")
    monkeypatch.setenv("VENVKIT_HOST_PYTHON", host.python)
    monkeypatch.setenv("VENVKIT_ORPHANS", "hold-repair")  # what cannot be repaired is reported, and not hidden
    folder.mkdir()
    return Shelf(folder, wheelhouse)


def fill(shelf: Shelf, home: Path, host: Host) -> Shelf:
    """Add specs of every kind: equal ones, a hidden one, some without a plan, one that breaks the host."""
    shelf.wheelhouse.add("base", "3.0")
    shelf.wheelhouse.add("server", "1.0", requires=["base<2"])
    host.install("server")
    custom = home / "model" / "v2" / "embedding"
    shelf.put("plain.json", ("plain", ["tool"]), said=[{"model_type": "embedding"}])
    shelf.put("both.json", ("both", ["tool", "extra"]), ("both-too", ["extra", "tool"]))
    shelf.put("custom.json", ("custom", ["tool"]), folder=custom)
    shelf.put("hidden.json", ("plain", ["extra"]), folder=custom)
    shelf.put("engines.json", ("engines", ['extra ; #engine# == "vLLM"', 'tool ; #engine# == "Transformers"']))
    shelf.put("apple.json", ("apple", ['tool ; #engine# == "MLX"']))
    shelf.put("impossible.json", ("impossible", ["tool>=9"]), ("impossible-too", ["tool>=9"]))
    shelf.put("breaking.json", ("breaking", ["base>=3"]))
    shelf.put("variable.json", ("variable", ['tool ; #colour# == "red"']))
    shelf.put("faulty.json", ("faulty", ["-r /etc/passwd"]))
    (shelf.folder / "broken.json").write_text('{"model_name": "half', encoding="utf-8")
    return shelf
