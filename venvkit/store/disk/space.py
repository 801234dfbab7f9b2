"""The disk below the store: whether a build fits, where uv's cache should lie, and what a refused write means."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec.structs import replace

from venvkit.errors import MachineError
from venvkit.plan.values import Plan
from venvkit.store.layout import Layout
from venvkit.tools.uv.client import Uv

# Of wheels as they are: torch unpacks to 1.7 times its download, pure Python to 3-4 times.
_UNPACKED = 2.0
# An environment without any distribution, with its byte-code, its shell and the index.
_BARE = 1_000_000
_REMEDIES = {
    errno.ENOSPC: "free space, for instance with `venvkit gc`, or set XINFERENCE_HOME to a larger filesystem",
    errno.EDQUOT: "free space, for instance with `venvkit gc`, or have the quota raised",
    errno.EROFS: "mount the filesystem writable, or set XINFERENCE_HOME to one that is",
    errno.EACCES: "give this user the right to write there, or set XINFERENCE_HOME to another directory",
    errno.EPERM: "give this user the right to write there, or set XINFERENCE_HOME to another directory",
    errno.EIO: "the device reports errors: look at the system's log before anything else",
}


def check_space(plan: Plan, folders: Iterable[Path]) -> None:
    """Refuse a build that cannot fit.

    uv unpacks while it downloads, and links from its cache into the environment where both are on one filesystem:
    each filesystem among `folders` must take the unpacked size once.

    Raises:
        MachineError: A filesystem is too full (`disk-space`).
    """
    need = int(plan.download_bytes * _UNPACKED) + _BARE
    seen = set()
    for folder in folders:
        place = existing(folder)
        device = place.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        free = shutil.disk_usage(place).free
        if free < need:
            raise MachineError(
                f"about {need / 1e6:.0f} MB are needed, and {free / 1e6:.0f} MB are free",
                code="disk-space",
                where=str(place),
                remedy=_REMEDIES[errno.ENOSPC],
            )


def existing(path: Path) -> Path:
    """Return the nearest folder at or above `path` that exists."""
    while not path.exists():
        path = path.parent
    return path


def near_cache(uv: Uv, layout: Layout) -> tuple[Uv, Path]:
    """Return uv with a cache on the store's filesystem, and that cache.

    uv links files from its cache when both are on one filesystem and copies them otherwise. A cache that the operator
    names (UV_CACHE_DIR, uv's configuration) stays where it is when it is near already or named by the variable.
    """
    named = uv.environ.get("UV_CACHE_DIR", "")
    if os.path.isabs(named):  # noqa: PTH117 - text as it came
        return uv, Path(named)
    done = uv.run(["cache", "dir"])
    cache = Path(done.stdout.strip()) if done.status == 0 and done.stdout.strip() else layout.cache
    near = existing(cache).stat().st_dev == existing(layout.root).stat().st_dev
    if near or named:
        return uv, cache
    return replace(uv, environ={**uv.environ, "UV_CACHE_DIR": str(layout.cache)}), layout.cache


@contextlib.contextmanager
def writing(layout: Layout) -> Iterator[None]:
    """Change a store in the block.

    Raises:
        MachineError: The disk or the system refused a write (`disk`, `disk-space`).
    """
    try:
        yield
    except OSError as error:
        raise disk_error(error, layout.root) from error


def disk_error(error: OSError, place: Path | str, *, what: str = "the store cannot be written") -> MachineError:
    """Return the one clear error for an access that the disk or the system refused."""
    space = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return MachineError(
        f"{what}: {error.strerror or error}",
        code="disk-space" if space else "disk",
        where=os.fspath(error.filename or place),
        remedy=_REMEDIES.get(error.errno or 0, "see what the system says of that place"),
    )
