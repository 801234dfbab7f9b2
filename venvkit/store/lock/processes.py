"""Which processes run from a directory, as far as /proc tells."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def running_from(folder: Path) -> tuple[int, ...]:
    """Return the pids of processes whose program or libraries lie below `folder`; empty where /proc cannot tell."""
    prefix = f"{folder}{os.sep}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            started = (process / "cmdline").read_bytes().split(b"\0", 1)[0]
            if started.startswith(prefix) or prefix in (process / "maps").read_bytes():
                found.append(int(process.name))
    return tuple(sorted(found))
