"""What sources said of pins, kept for a day, so that the next plan with the same pins asks nobody.

A release's files hardly ever change; what is installed is chosen by the installer anew, and proved after it.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path

import msgspec
from msgspec import Struct

from venvkit.base.digest import digest
from venvkit.plan.values import Description, Pin

_KEEP_S = 86_400.0
_FORMAT = 1


class Descriptions(Struct, frozen=True):
    """A folder of descriptions.

    Args:
        folder: Where they are kept; one that cannot be written keeps nothing.
        context: What else decides them: interpreter and sources.
    """

    folder: Path
    context: str

    def get(self, pin: Pin) -> Description | None:
        """Return what is known of a pin, when it is fresh."""
        path = self._place(pin)
        try:
            if time.time() - path.stat().st_mtime > _KEEP_S:
                return None
            return msgspec.json.decode(path.read_bytes(), type=Description)
        except (OSError, ValueError):  # msgspec's errors, and text that is no UTF-8
            return None

    def put(self, pin: Pin, description: Description) -> None:
        """Keep a description, unless it is of a local file or checkout (they change) or could not be read in full."""
        if pin.url or description.requires is None or not (description.url or "").startswith("http"):
            return
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".new", delete=False) as out:
                out.write(msgspec.json.encode(description))
            Path(out.name).replace(self._place(pin))

    def _place(self, pin: Pin) -> Path:
        return self.folder / f"{digest([_FORMAT, str(pin), self.context])[:32]}.json"
