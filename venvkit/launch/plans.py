"""Plans that were made a moment ago, for requests that differ in the model's name alone, or for the build after a plan.

A server that starts ten models of one engine asks the sources once. After ten minutes they are asked again: for that
long the public index lets its own pages be kept. A local source is watched instead, and of a checkout nothing is kept.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from venvkit.base import cachefile
from venvkit.base.local import look_at
from venvkit.launch.localsources import local_paths, names_checkout
from venvkit.plan.values import Plan

KEEP_S = 600.0
# What was changed this recently may be changed again without its time telling.
_TICK_S = 0.05
_SCHEMA = 2


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
        """Keep a plan, unless what it came from can change unseen.

        Args:
            sources: Every text that names a source: addresses, folders, requirement lines, variables.
            began: When planning began, in seconds since the epoch: what is younger may have been missed.
        """
        texts = tuple(sources)
        paths = local_paths(texts)
        look = None if names_checkout(texts) else look_at(paths)
        if look is None or look.newest >= (began - _TICK_S) * 1e9:
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
