"""Plans that were made a moment ago, for requests that differ in the model's name alone, or for the build after a plan.

A server that starts ten models of one engine asks the sources once. After ten minutes they are asked again: for that
long the public index lets its own pages be kept. A local source is watched instead, and of a checkout nothing is kept.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote

from msgspec import Struct

from venvkit.base import cachefile
from venvkit.base.local import look_at
from venvkit.base.mask import mask
from venvkit.plan.values import Plan
from venvkit.settings.keys import SOURCE_PREFIXES, key_environ
from venvkit.spec.configuration.uv import read_uv_config
from venvkit.spec.request import Request

KEEP_S = 600.0
# What was changed this recently may be changed again without its time telling.
_TICK_S = 0.05
_SCHEMA = 4
_LOCAL = re.compile(r"file:(?://)?(?:localhost)?(/[^\s\"',#]*)|(?:^|(?<=[\s\"'=,]))(/[^\s\"',]*)")
_CHECKOUT = re.compile(r"\b(?:git|hg|bzr|svn)\+")
_PLACES = frozenset({"index", "extra-index", "find-links"})


class _Kept(Struct, frozen=True):
    """The form of a kept plan: the local sources that it was made from, and how they were; the file tells when."""

    schema: int
    paths: tuple[str, ...]
    looked: str
    plan: Plan


class Plans(Struct, frozen=True):
    """A folder of plans, by the digest of all that a plan follows from but the sources' content.

    Args:
        folder: Where they are kept; one that cannot be written keeps nothing.
    """

    folder: Path

    def get(self, digest: str) -> Plan | None:
        """Return the plan that was made a moment ago, when no local source has changed since."""
        place = self._place(digest)
        try:
            age = time.time() - place.stat().st_mtime
        except OSError:
            return None
        kept = cachefile.load(place, _Kept) if 0 <= age <= KEEP_S else None
        if kept is None or kept.schema != _SCHEMA:
            return None
        look = look_at(kept.paths)
        return kept.plan if look is not None and look.digest == kept.looked else None

    def put(self, digest: str, plan: Plan, sources: Iterable[str], *, began: float) -> None:
        """Keep a plan, unless what it came from can change unseen, or an address in it holds a password.

        Args:
            sources: Every text that names a source: addresses, folders, requirement lines, variables.
            began: When planning began, in seconds since the epoch: what is younger may have been missed.
        """
        texts = tuple(sources)
        paths = local_paths(texts)
        look = None if names_checkout(texts) else look_at(paths)
        if look is None or look.newest >= (began - _TICK_S) * 1e9:
            return
        if any(mask(url) != url for item in plan.install for url in (item.url, item.description.url) if url):
            return
        place, kept = self._place(digest), _Kept(_SCHEMA, paths, look.digest, plan)
        # To replace a file costs as much as all the rest of a plan that changes nothing.
        if cachefile.load(place, _Kept) != kept and not cachefile.store(place, kept):
            return
        with contextlib.suppress(OSError):
            os.utime(place, (began, began))

    def forget(self, digest: str) -> None:
        """Let go of a plan that could not be carried out."""
        self._place(digest).unlink(missing_ok=True)

    def _place(self, digest: str) -> Path:
        return self.folder / f"{digest[:32]}.json"


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
        *(value for name, value in key_environ(environ).items() if name.startswith(SOURCE_PREFIXES)),
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
