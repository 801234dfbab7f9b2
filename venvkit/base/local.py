"""Sources on this machine, as they are now: folders of wheels, indexes in folders, source trees, single files.

A folder's own time does not tell that a file in it was written over, so its files count with their times and sizes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from venvkit.base.digest import digest

# A folder of wheels has none; an index in a folder has one for each project.
_MOST_FOLDERS = 200
_MOST_TREE_FOLDERS = 5_000
# Looking takes a microsecond for each; a folder of more is hardly one of wheels alone.
_MOST_FILES = 20_000
_TREE = ("pyproject.toml", "setup.py")
# What builds and tools leave in a source tree; of a repository only what names the commit counts.
_LEFT_BEHIND = frozenset(("__pycache__", ".hg", ".svn", ".tox", ".nox", ".venv", ".mypy_cache", ".ruff_cache"))
_LEFT_AT_TOP = frozenset(("build", "dist"))
_COMMIT = frozenset(("HEAD", "packed-refs", "refs"))
_PIECE = 1 << 20
_Entry = tuple[str, int, int, int, int]


class Look(Struct, frozen=True):
    """The state of local sources.

    Args:
        digest: Equal while nothing of them changes.
        newest: When the youngest file or folder of them was changed, in nanoseconds since the epoch.
    """

    digest: str
    newest: int


def look_at(paths: Iterable[str]) -> Look | None:
    """Return how files and folders are now; None where there is too much to look at."""
    entries: list[_Entry] = []
    for path in paths:
        try:
            for number, entry in enumerate(_entries(path)):
                if number > _MOST_FILES:
                    return None
                entries.append(entry)
        except _TooManyError:
            return None
    return Look(digest(entries), max((max(entry[1], entry[4]) for entry in entries), default=0))


def local_path(url: str | None) -> str | None:
    """Return the path that a `file:` URL names; None for another URL.

    >>> local_path("file:///srv/my%20tree#egg=tool")
    '/srv/my tree'
    """
    parts = urlsplit(url or "")
    return unquote(parts.path) if parts.scheme == "file" else None


def local_size(url: str) -> int | None:
    """Return the size in bytes of the file that a `file:` URL names; None where it names none."""
    path = local_path(url)
    return os.stat(path).st_size if path is not None and os.path.isfile(path) else None  # noqa: PTH113, PTH116


def content_digest(path: str) -> str | None:
    """Return the sha256 of a file's content, or the digest of a source tree's names and contents.

    What builds leave in a tree does not count, so that a tree is the same before and after it was built. None where
    it cannot be read.
    """
    try:
        if not os.path.isdir(path):  # noqa: PTH112
            return _sha256(path)
        files = _files_below(path)
        return digest([[os.path.relpath(file, path), _sha256(file)] for file in files])
    except (OSError, _TooManyError):
        return None


class _TooManyError(Exception):
    """A folder has more folders than can be looked at."""


def is_tree(path: str) -> bool:
    """Tell whether a folder is a source tree."""
    return any(os.path.exists(f"{path}/{name}") for name in _TREE)  # noqa: PTH110


def _entries(path: str) -> Iterator[_Entry]:
    """Yield a file, a folder with what is in it and in its folders, or all files below a source tree."""
    if is_tree(path):
        yield from map(_entry, _files_below(path))
        return
    yield _entry(path)
    folders = [path]
    for folder in folders:
        for one in _listed(folder):
            yield _entry(one.path)
            # Never raises, as `is_dir` does of a link into a folder that this user may not read.
            if folder == path and os.path.isdir(one.path) and one.name != ".git":  # noqa: PTH112
                folders.append(one.path)
        if len(folders) > _MOST_FOLDERS:
            raise _TooManyError


def _files_below(path: str) -> Iterator[str]:
    """Yield the files of a source tree that a build may read, in the order of their names."""
    folders = [path]
    for folder in folders:
        in_repository = os.path.basename(folder) == ".git"  # noqa: PTH119
        for one in _listed(folder):
            if one.name in _LEFT_BEHIND or one.name.endswith(".egg-info"):
                continue
            if (folder == path and one.name in _LEFT_AT_TOP) or (in_repository and one.name not in _COMMIT):
                continue
            if one.is_dir(follow_symlinks=False):
                folders.append(one.path)
            else:
                yield one.path
        if len(folders) > _MOST_TREE_FOLDERS:
            raise _TooManyError


def _listed(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except (OSError, ValueError):
        return []


def _entry(path: str) -> _Entry:
    try:
        found = os.stat(path)  # noqa: PTH116 - one of thousands of calls
    except (OSError, ValueError):
        return path, 0, 0, 0, 0
    return path, found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns


def _sha256(path: str) -> str:
    """Return the digest of a file's content; of a link that leads to a folder or nowhere, of where it leads."""
    try:
        if not os.path.isfile(path):  # noqa: PTH113 - a pipe would keep its reader waiting
            raise FileNotFoundError(path)
        with open(path, "rb") as file:  # noqa: PTH123
            found = hashlib.sha256()
            while piece := file.read(_PIECE):
                found.update(piece)
            return found.hexdigest()
    except OSError:
        if not os.path.islink(path):  # noqa: PTH114
            raise
        return f"link {os.readlink(path)}"  # noqa: PTH115
