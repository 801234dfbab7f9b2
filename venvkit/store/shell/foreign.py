"""What stands at a shell's path and is not ours: it is moved aside, and deleted only when the user asks."""

from __future__ import annotations

import os
import time
from pathlib import Path

from venvkit.base import crash
from venvkit.errors import BusyError
from venvkit.store.layout import Layout
from venvkit.store.lock.processes import running_from


def move_foreign(layout: Layout, path: Path) -> None:
    """Move a folder that venvkit did not make from a shell's path to foreign/.

    Raises:
        BusyError: A process runs from it (`foreign-busy`).
    """
    pids = running_from(path)
    if pids:
        raise BusyError(
            f"something that is not venvkit's stands here and runs: pid {', '.join(map(str, pids))}",
            code="foreign-busy",
            where=str(path),
            remedy="end those processes, or move the directory away",
        )
    layout.foreign.mkdir(parents=True, exist_ok=True)
    stem = "-".join(path.relative_to(layout.shells).parts)
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    aside = layout.foreign / f"{stem}-{stamp}"
    number = 1
    while os.path.lexists(aside):
        number += 1
        aside = layout.foreign / f"{stem}-{stamp}-{number}"
    path.rename(aside)
    crash.at("shell-foreign")
