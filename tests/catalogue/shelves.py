"""Spec files for the tests of the catalogue."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path


def spec(name: str, *packages: str, **fields: object) -> dict[str, object]:
    """Return the object of a model that wants `packages`."""
    return {"model_name": name, "virtualenv": {"packages": list(packages)}, **fields}


def put(path: Path, *objects: object) -> Path:
    """Write a file of one object, or of a list of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(objects[0] if len(objects) == 1 else objects), encoding="utf-8")
    return path


def age(folder: Path) -> None:
    """Let everything in a folder have been as it is for an hour."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            before = path.stat().st_mtime - 3600
            os.utime(path, (before, before))
    # When a file was last changed cannot be set back: two ticks of a file system's clock.
    time.sleep(0.03)
