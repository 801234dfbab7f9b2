"""One unpacked pip for all tests of a run: to compile it takes seconds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def share_pip(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, *further: str) -> None:
    """Let the cache of a test hold the pip of all tests.

    Args:
        tmp_path_factory: The workers of a run share one pip.
        further: Folders of the cache that all tests of a worker share as well, such as the mirrors of a host that they
            share.
    """
    own = tmp_path_factory.getbasetemp()
    everyone = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    cache = tmp_path / "cache" / "venvkit"
    cache.mkdir(parents=True)
    for name, place in {"pip": everyone, **dict.fromkeys(further, own / "shared")}.items():
        (place / name).mkdir(parents=True, exist_ok=True)
        (cache / name).symlink_to(place / name)
