"""One unpacked pip for all tests of a run: to compile it takes seconds."""

from __future__ import annotations

from pathlib import Path

import pytest


def share_pip(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let the cache of a test hold the pip of all tests."""
    shared = tmp_path_factory.getbasetemp() / "pip"
    shared.mkdir(exist_ok=True)
    cache = tmp_path / "cache" / "venvkit"
    cache.mkdir(parents=True)
    (cache / "pip").symlink_to(shared)
