"""The folder for what can be made again: host snapshots, mirrors, metadata, plans.

Nothing in it is needed, so a place that cannot be written is never a reason to fail: the next one is tried.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from venvkit.base.files import exists


def cache_folder(environ: Mapping[str, str], store: Path) -> Path:
    """Return the folder, made if it was not there: the first of these places that can be written.

    1. `$XDG_CACHE_HOME` (https://specifications.freedesktop.org/basedir-spec/latest/)
    2. `~/.cache`, or `~/Library/Caches` on macOS
    3. the cache folder of the store, where there is a store already
    4. a folder of this user's in `$TMPDIR`, `/tmp` or `/var/tmp`

    Args:
        environ: The caller's environment variables.
        store: The cache folder of the store, whether it is there or not.

    Returns:
        An absolute path. Where no place can be written it names the first one, and nothing can be kept there.
    """
    bases = [*_usual(environ), *([str(store)] if exists(store.parent) else [])]
    for base in bases:
        if _is_usable(f"{base}/venvkit"):
            return Path(base, "venvkit")
    for base in (environ.get("TMPDIR", ""), "/tmp", "/var/tmp"):
        own = os.path.join(base, f"venvkit-{os.getuid()}")  # noqa: PTH118
        if base.startswith("/") and _is_own(own) and _is_usable(f"{own}/venvkit"):
            return Path(own, "venvkit")
    return Path(*bases[:1] or (store,), "venvkit")


def uv_cache(environ: Mapping[str, str], cache: Path) -> dict[str, str]:
    """Return the variable that gives uv a cache beside ours, where its own place cannot be written; else nothing."""
    first = next(_usual(environ), None)
    if environ.get("UV_CACHE_DIR") or (first is not None and _is_usable(f"{first}/uv")):
        return {}
    return {"UV_CACHE_DIR": str(cache.with_name("uv"))}


def _usual(environ: Mapping[str, str]) -> Iterator[str]:
    base = environ.get("XDG_CACHE_HOME", "")
    if base.startswith("/"):
        yield base
    home = environ.get("HOME", "")
    if not home:
        # Under an arbitrary user id, as some container platforms give one, there is no entry.
        with contextlib.suppress(KeyError):
            home = pwd.getpwuid(os.getuid()).pw_dir
    if home.startswith("/"):
        yield os.path.join(home, *(("Library", "Caches") if sys.platform == "darwin" else (".cache",)))  # noqa: PTH118


def _is_usable(folder: str) -> bool:
    """Tell whether a folder is there, or can be made, and can be written."""
    try:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def _is_own(folder: str) -> bool:
    """Tell whether a folder in a place that everybody may write to is this user's alone, made if it was not there."""
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)  # noqa: PTH102
        found = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022
