"""Watches: recorded states of files and folders that an answer depends on, and their comparison with the present.

A watch is a plain JSON list, so that it can be stored anywhere:

* `["stat", path, mtime_ns, size, inode, ctime_ns]`, or `["stat", path]` for what was not there: a file or directory.
  The time of a directory changes when an entry comes, goes or is replaced by a rename. The change time (ctime) cannot
  be set back: `rsync --times`, `cp -a` and images with clamped times keep the others. It is 0 for a regular file with
  several hard links, because each new link to the file changes it.
* `["tree", path, digest]`: a local source tree, with the state of every file below it; null where it is too large to
  look at, and such a watch never holds.
* `["text", path, content]`, the first 4096 bytes decoded, null for what was not there: for files of /proc
  and /sys, whose stat says nothing.
* `["exists", path, true]` or false: for device nodes, whose inode differs in every container.
* `["cwd", path]`: the working directory, where a relative path was read from a file of configuration.

Version 0.1 stored `stat` without a change time, and `file`: entries with those never hold, and are made anew.

The warm path imports this module, so it imports nothing but `os` and `stat`, which every interpreter has loaded.
"""

from __future__ import annotations

# Text paths: importing pathlib costs more than all of the warm path.
# ruff: noqa: PTH109, PTH110, PTH116
import os
import stat

TYPE_CHECKING = False  # importing typing for it would cost more than all of this module
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Watch = list[str | int | bool | None]

_TEXT_LIMIT = 4096


def stat_watch(path: str) -> Watch:
    """Return a watch of the file or directory that `path` leads to, links followed."""
    try:
        return watch_of(path, os.stat(path))
    except (OSError, ValueError):
        return ["stat", path]


def watch_of(path: str, found: os.stat_result) -> Watch:
    """Return the watch of a file or directory whose stat is known, taken before it was read."""
    several = found.st_nlink > 1 and stat.S_ISREG(found.st_mode)
    return ["stat", path, found.st_mtime_ns, found.st_size, found.st_ino, 0 if several else found.st_ctime_ns]


def tree_watch(path: str) -> Watch:
    """Return a watch of a local source tree: every file below it."""
    from venvkit.base.local import look_at

    look = look_at((path,))
    return ["tree", path, look.digest if look is not None else None]


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


def cwd_watch(_path: str = "") -> Watch:
    """Return a watch of the working directory; an empty path where it is gone."""
    try:
        return ["cwd", os.getcwd()]
    except OSError:
        return ["cwd", ""]


def times(watch: Sequence[str | int | bool | None]) -> list[int]:
    """Return the times that a watch holds, in nanoseconds since the epoch."""
    places = (2, 5) if watch[0] == "stat" and len(watch) > 5 else ()
    return [when for place in places if isinstance(when := watch[place], int)]


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
        if kind == "tree" and watch[2] is None:
            return path
    return None


_KINDS: dict[str, Callable[[str], Watch]] = {
    "stat": stat_watch,
    "tree": tree_watch,
    "text": text_watch,
    "exists": exists_watch,
    "cwd": cwd_watch,
}
