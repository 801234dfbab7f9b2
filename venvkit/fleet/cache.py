"""Answers of earlier runs, in the user's cache directory, by what they follow from.

An index moves, so none is believed for long. A spoilt file is no answer, and one that cannot be written costs time.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from msgspec import Struct

from venvkit.base import cachefile
from venvkit.fleet.values import Answer

_FORMAT = 2
_DAY = 86400.0
# What a source's absence or a missing compiler decides may be mended any minute.
_SHORT = 600.0
_LASTS = {"planned": _DAY, "broken": _DAY, "no-solution": _DAY, "source-unreachable": _SHORT, "source-refused": _SHORT}
_LASTS_BY_CODE = {"build-failed": _SHORT}
_PRUNED_AFTER = 7 * _DAY
# A clock that was set back a little is no reason to plan anew.
_SKEW = 60.0


class Answers(Struct, frozen=True):
    """The kept answers, one file each in `folder`."""

    folder: Path

    def get(self, request: str, now: float) -> Answer | None:
        """Return the answer to a request, when there is one that still counts at `now` (seconds since 1970)."""
        kept = cachefile.load(self._path(request), Answer, checked=True)
        return kept if kept is not None and -_SKEW <= now - kept.made < lasting(kept) else None

    def put(self, request: str, answer: Answer) -> None:
        """Keep an answer, if it is of a kind that counts for a while."""
        if lasting(answer) > 0:
            cachefile.store(self._path(request), answer, checked=True)

    def prune(self, now: float) -> None:
        """Remove what is too old to count, and what a killed run left half written."""
        with contextlib.suppress(OSError):
            for path in self.folder.iterdir():
                with contextlib.suppress(OSError):
                    if now - path.stat().st_mtime > _PRUNED_AFTER:
                        path.unlink()

    def _path(self, request: str) -> Path:
        return self.folder / f"{request}-{_FORMAT}.json"


def lasting(answer: Answer) -> float:
    """Return for how many seconds an answer counts; 0 for one that is not kept."""
    if answer.makeshift:
        return _SHORT
    by_code = _LASTS_BY_CODE.get(answer.trouble.code, 0.0) if answer.trouble is not None else 0.0
    return _LASTS.get(answer.status, by_code)
