"""How a dependence on the outside is recorded, and compared later.

A watch is a plain JSON list, so that it can be stored anywhere:

* `["stat", path, mtime_ns, size, inode]`, or `["stat", path]` for what was not there. A directory is watched
  by its own stat: its time changes when an entry comes, goes or is replaced by a rename.
* `["file", path, mtime_ns, size, inode, ctime_ns]`, or `["file", path]` where there is no regular file: for a file
  that people write and copy, where `rsync --times` and `tar` can leave time and size as they were.
* `["text", path, content]`, the first 4096 bytes decoded, null for what was not there: for files of /proc
  and /sys, whose stat says nothing.
* `["exists", path, true]` or false: for device nodes, whose inode differs in every container.

The warm path imports this module, so it imports nothing but `os` and `stat`, which every interpreter has loaded.
"""

from __future__ import annotations

# Text paths: importing pathlib costs more than all of the warm path.
# ruff: noqa: PTH110, PTH116
import os
import stat

TYPE_CHECKING = False  # importing typing for it would cost more than all of this module
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Watch = list[str | int | bool | None]

_TEXT_LIMIT = 4096


def stat_watch(path: str) -> Watch:
    """Return a watch of the file or directory that `path` leads to, links followed."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return ["stat", path]
    return ["stat", path, found.st_mtime_ns, found.st_size, found.st_ino]


def file_watch(path: str) -> Watch:
    """Return a watch of the regular file that `path` leads to; a folder, or anything else, is as good as nothing."""
    try:
        return watch_of(path, os.stat(path))
    except (OSError, ValueError):
        return ["file", path]


def watch_of(path: str, found: os.stat_result) -> Watch:
    """Return the watch of a file whose stat is known, taken before it was read."""
    if not stat.S_ISREG(found.st_mode):
        return ["file", path]
    return ["file", path, found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns]


def text_watch(path: str) -> Watch:
    """Return a watch of the first 4096 bytes of the file at `path`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):
        return ["text", path, None]
    try:
        return ["text", path, os.read(descriptor, _TEXT_LIMIT).decode("utf-8", "replace")]
    except OSError:
        return ["text", path, None]
    finally:
        os.close(descriptor)


def exists_watch(path: str) -> Watch:
    """Return a watch of whether there is anything at `path`."""
    return ["exists", path, os.path.exists(path)]


def changed(watches: Iterable[Sequence[str | int | bool | None]]) -> str | None:
    """Return the path of the first watch that no longer holds, or None when all do.

    A watch of an unknown or malformed kind never holds: it was written by another version, or the file is
    spoilt.
    """
    for watch in watches:
        kind, path = watch[:2] if len(watch) > 1 else ("", "")
        take = _KINDS.get(str(kind))
        if take is None or not isinstance(path, str) or take(path) != list(watch):
            return str(path) or "malformed watch"
    return None


_KINDS = {"stat": stat_watch, "file": file_watch, "text": text_watch, "exists": exists_watch}
