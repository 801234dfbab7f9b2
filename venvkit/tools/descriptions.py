"""Descriptions of pins, kept for a day, so that the next plan with the same pins asks no index.

A release's files hardly ever change; the installer chooses the files anew, and they are proved after the install.
"""

from __future__ import annotations

import time
from pathlib import Path

from msgspec import Struct

from venvkit.base import cachefile
from venvkit.base.digest import value_digest
from venvkit.plan.values import Description, Pin
from venvkit.spec.request import Sources

_KEEP_S = 86_400.0
_FORMAT = 3


class Descriptions(Struct, frozen=True):
    """A folder of descriptions.

    Args:
        folder: Where they are kept; one that cannot be written keeps nothing.
        context: Digest of what else decides which file a pin means: interpreter, levers, settings of the tool.
    """

    folder: Path
    context: str

    def get(self, pin: Pin, sources: Sources) -> Description | None:
        """Return the description of a pin by the sources that are asked for it, when it is fresh."""
        path = self._place(pin, sources)
        try:
            if time.time() - path.stat().st_mtime > _KEEP_S:
                return None
        except OSError:
            return None
        return cachefile.load(path, Description, checked=True)

    def put(self, pin: Pin, sources: Sources, description: Description) -> None:
        """Keep a description, unless it is of a local file or checkout (they change) or could not be read in full.

        Nor one of a wheel variant: it follows from the machine.

        Args:
            sources: Those that answered: without an optional index that could not be reached.
        """
        if (
            pin.url
            or description.variant
            or description.requires is None
            or not (description.url or "").startswith("http")
        ):
            return
        cachefile.store(self._place(pin, sources), description, checked=True)

    def _place(self, pin: Pin, sources: Sources) -> Path:
        return self.folder / f"{value_digest([_FORMAT, str(pin), self.context, sources.decisive])[:32]}.json"
