"""Library folders of CUDA wheels that are split between an environment and its host.

The CUDA wheels find one another by relative paths inside one `nvidia/` folder. When some of them are in the child and
others on the host, the loader needs to be told of both.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path


def library_folders(site_packages: Path, host_dirs: Iterable[str]) -> tuple[str, ...]:
    """Return `nvidia/*/lib` of the child, then of the host, when both have any; else nothing is needed."""
    child = _folders(site_packages)
    host = [folder for path in host_dirs for folder in _folders(Path(path))]
    return (*child, *host) if child and host else ()


def _folders(site_packages: Path) -> list[str]:
    return sorted(str(folder) for folder in (site_packages / "nvidia").glob("*/lib") if folder.is_dir())


def library_environ(folders: Iterable[str], base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return variables with library folders in front of the loader's path."""
    env = dict(os.environ if base is None else base)
    found = list(folders)
    if found:
        variable = "DYLD_LIBRARY_PATH" if sys.platform == "darwin" else "LD_LIBRARY_PATH"
        env[variable] = os.pathsep.join([*found, *filter(None, [env.get(variable)])])
    return env
