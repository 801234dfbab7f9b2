"""Plans that were made a moment ago, for requests that differ in the model's name alone, or for the build after a plan.

A server that starts ten models of one engine asks the sources once. After ten minutes they are asked again: for that
long the public index lets its own pages be kept. A local source is watched instead, and of a checkout nothing is kept.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from venvkit.frozen import dataclass
from venvkit.host import cachefile
from venvkit.host.watch import Watch, changed, stat_watch
from venvkit.plan.values import Plan

KEEP_S = 600.0
# A folder that was changed this recently may be changed again without its time telling.
_TICK_S = 0.05
_SCHEMA = 1
# A folder of wheels has none; an index in a folder has one for each project.
_MOST_FOLDERS = 200
_LOCAL = re.compile(r"file:(?://)?(/[^\s\"',#]*)|(?:^|(?<=[\s\"'=]))(/[^\s\"',]*)")
_CHECKOUT = re.compile(r"\b(?:git|hg|bzr|svn)\+")


@dataclass(frozen=True, slots=True)
class _Kept:
    """The form of a kept plan; `watches` are of the local sources that it was made from, the file's time tells when."""

    schema: int
    watches: tuple[Watch, ...]
    plan: Plan


@dataclass(frozen=True, slots=True)
class Plans:
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
        if kept is None or kept.schema != _SCHEMA or changed(kept.watches) is not None:
            return None
        return kept.plan

    def put(self, digest: str, plan: Plan, sources: Iterable[str], *, began: float) -> None:
        """Keep a plan, unless what it came from can change unseen.

        Args:
            sources: Every text that names a source: addresses, folders, requirement lines, variables.
            began: When planning began, in seconds since the epoch: what is younger may have been missed.
        """
        watches = _watches(tuple(sources))
        late = (began - _TICK_S) * 1e9
        if watches is None or any(int(watch[2] or 0) >= late for watch in watches if len(watch) > 2):
            return
        place, kept = self._place(digest), _Kept(_SCHEMA, tuple(watches), plan)
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


def _watches(texts: tuple[str, ...]) -> list[Watch] | None:
    """Return what shows a change of local sources; None where nothing would."""
    watches: list[Watch] = []
    for text in texts:
        if _CHECKOUT.search(text):
            return None
        for match in _LOCAL.finditer(text):
            path = match[1] or match[2]
            folders = _folders(path)
            if len(folders) > _MOST_FOLDERS:
                return None
            watches += map(stat_watch, (path, *folders))
    return watches


def _folders(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(entry.path for entry in entries if entry.is_dir())
    except OSError:
        return []
