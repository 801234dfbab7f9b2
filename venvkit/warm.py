"""The warm path: the environment exists and nothing changed. No process, no network, no write.

It imports almost nothing, on purpose: a server calls it before every model load.
"""

from __future__ import annotations

import json

from venvkit.host.watch import changed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

INDEX_SCHEMA = 1


def read_entry(path: str) -> dict[str, Any] | None:
    """Read an index entry; None when there is none, or it is unreadable or of another schema."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib would cost more than all the rest
            entry = json.loads(file.read())
    except (OSError, ValueError):
        return None
    return entry if isinstance(entry, dict) and entry.get("schema") == INDEX_SCHEMA else None


def still_true(entry: dict[str, Any]) -> bool:
    """Tell whether everything that an entry depends on is as it was."""
    return changed(entry["watches"]) is None
