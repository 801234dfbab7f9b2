"""Sources on this machine: folders of wheels, indexes in folders, files that a requirement names; what shows a change.

What was made from them may be used again while they are as they were: the folder's own time does not tell that a file
in it was written over, so its files count with their times and sizes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from msgspec import Struct

from venvkit.base.digest import digest
from venvkit.settings import key_environ
from venvkit.spec.configuration.uv import read_uv_config

if TYPE_CHECKING:
    from venvkit.spec.request import Request

# A folder of wheels has none; an index in a folder has one for each project.
_MOST_FOLDERS = 200
# Looking takes a microsecond for each; a folder of more is hardly one of wheels alone.
_MOST_FILES = 20_000
_LOCAL = re.compile(r"file:(?://)?(?:localhost)?(/[^\s\"',#]*)|(?:^|(?<=[\s\"'=,]))(/[^\s\"',]*)")
_CHECKOUT = re.compile(r"\b(?:git|hg|bzr|svn)\+")
_PLACES = frozenset({"index", "extra-index", "find-links"})
_TREE = ("pyproject.toml", "setup.py")
_Entry = tuple[str, int, int, int]


class Look(Struct, frozen=True):
    """How local sources are now.

    Args:
        digest: Equal while nothing of them changes.
        newest: When the youngest file or folder of them was changed, in nanoseconds since the epoch.
    """

    digest: str
    newest: int


def source_texts(request: Request, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return every text of a request, and of uv's own configuration, that may name a source."""
    sources, levers = request.sources, request.levers
    own = (one for one in read_uv_config(environ).statements if one.kind in _PLACES)
    return (
        *map(str, request.requirements),
        *(item for item in (sources.index_url, *sources.extra_index_urls) if item),
        *map(_absolute, sources.find_links),
        *(*levers.constraints, *levers.overrides, *dict(levers.sources).values()),
        *(_absolute(one.value, one.where) if one.kind == "find-links" else one.value for one in own),
        # Others name files, too: of constraints, of certificates.
        *key_environ(environ).values(),
    )


def local_paths(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the absolute paths that texts name: addresses, folders, requirement lines, variables."""
    found: dict[str, None] = {}
    for text in texts:
        for match in _LOCAL.finditer(text):
            found[unquote(match[1]) if match[1] else match[2]] = None
        # A path may have blanks and commas in it.
        if text.startswith("/"):
            found[text] = None
    return tuple(found)


def names_checkout(texts: Iterable[str]) -> bool:
    """Tell whether a text names a checkout of a version control system, which can change unseen."""
    return any(_CHECKOUT.search(text) for text in texts)


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
    return Look(digest(entries), max((entry[1] for entry in entries), default=0))


class _TooManyError(Exception):
    """A folder has more folders than can be looked at."""


def _entries(path: str) -> Iterator[_Entry]:
    """Yield a file, or a folder with what is in it and in its folders; of a source tree all that is below."""
    yield _entry(path)
    folders = [path]
    deep = any(os.path.exists(f"{path}/{name}") for name in _TREE)  # noqa: PTH110 - one of thousands of calls
    for folder in folders:
        try:
            with os.scandir(folder) as found:
                inside = sorted(found, key=lambda entry: entry.name)
        except (OSError, ValueError):
            continue
        for one in inside:
            yield _entry(one.path)
            if one.is_dir(follow_symlinks=not deep) and (deep or folder == path) and one.name != ".git":
                folders.append(one.path)
        if len(folders) > _MOST_FOLDERS:
            raise _TooManyError


def _entry(path: str) -> _Entry:
    try:
        found = os.stat(path)  # noqa: PTH116 - one of thousands of calls
    except (OSError, ValueError):
        return path, 0, 0, 0
    return path, found.st_mtime_ns, found.st_size, found.st_ino


def _absolute(link: str, where: str = "") -> str:
    """Return a link with its folder in full: uv looks from a uv.toml's own place, else from where it runs."""
    if "://" in link or link.startswith("file:"):
        return link
    return str((Path(where).parent if where.startswith("/") else Path.cwd()) / link)
