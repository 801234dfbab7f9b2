"""Which processes run from a directory, as far as /proc tells."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from venvkit.store.layout import Layout


def running_in(layout: Layout) -> dict[Path, tuple[int, ...]]:
    """Return the pids of the processes that run from each shell and each environment of a store, by its path."""
    found: dict[Path | None, list[int]] = {}
    for pid, texts in _processes():
        below = {
            path for text in texts for path in (_below(text, layout.envs, 1), _below(text, layout.shells, 3)) if path
        }
        for path in below:
            found.setdefault(path, []).append(pid)
    return {path: tuple(sorted(pids)) for path, pids in found.items() if path is not None}


def _below(path: bytes, root: Path, depth: int) -> Path | None:
    """Return the folder `depth` levels below `root` that a path leads into."""
    prefix = os.fsencode(f"{root}{os.sep}")
    parts = path[len(prefix) :].split(os.fsencode(os.sep), depth) if path.startswith(prefix) else []
    return Path(root, *map(os.fsdecode, parts[:depth])) if len(parts) > depth else None


def running_from(folder: Path) -> tuple[int, ...]:
    """Return the pids of processes whose program or libraries lie below `folder`; empty where /proc cannot tell."""
    prefix = os.fsencode(f"{folder}{os.sep}")
    return tuple(sorted(pid for pid, texts in _processes() if any(text.startswith(prefix) for text in texts)))


def _processes() -> Iterator[tuple[int, set[bytes]]]:
    """Yield each process with the paths of its program, as it was started, and of the files that it maps."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            paths = {(process / "cmdline").read_bytes().split(b"\0", 1)[0]}
            # address perms offset device inode path: https://man7.org/linux/man-pages/man5/proc_pid_maps.5.html
            paths.update(
                line[start:] for line in (process / "maps").read_bytes().splitlines() if (start := line.find(b"/")) > 0
            )
            yield int(process.name), paths
