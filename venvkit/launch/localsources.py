"""Which sources of a request lie on this machine: folders of wheels, indexes in folders, files of requirements."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from venvkit.settings import key_environ
from venvkit.spec.configuration.uv import read_uv_config

if TYPE_CHECKING:
    from venvkit.spec.request import Request

_LOCAL = re.compile(r"file:(?://)?(?:localhost)?(/[^\s\"',#]*)|(?:^|(?<=[\s\"'=,]))(/[^\s\"',]*)")
_CHECKOUT = re.compile(r"\b(?:git|hg|bzr|svn)\+")
_PLACES = frozenset({"index", "extra-index", "find-links"})


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


def _absolute(link: str, where: str = "") -> str:
    """Return a link with its folder in full: uv looks from a uv.toml's own place, else from where it runs."""
    if "://" in link or link.startswith("file:"):
        return link
    return str((Path(where).parent if where.startswith("/") else Path.cwd()) / link)
