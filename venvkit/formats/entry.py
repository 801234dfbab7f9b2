"""An entry of the index: a request on this host -> its environment, and what that answer depends on.

Plain JSON, because the warm path reads it: no module of a third party is imported for it.
"""

from __future__ import annotations

from venvkit.base.reading import parse_json, read_regular

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SCHEMA = 1
_TEXTS = ("model", "version", "key", "id", "python", "path", "shell", "lease")
_LISTS = ("scripts", "libraries")


def read_entry(path: str) -> dict[str, Any] | None:
    """Read an index entry; None when there is none, or it is unreadable, of another schema or of another shape.

    Returns:
        `facts` (what a handle is made of: see `store.change.index.facts_of`), `deep` (digest of what the plan follows
        from), `call` (what repeats the call, or None), `planned` (when it was planned, in nanoseconds since the epoch;
        version 0.1 wrote none), `size` (bytes) and `watches` (see `base.watch`).
    """
    try:
        entry = parse_json(read_regular(path))
    except (OSError, ValueError):
        return None
    return entry if isinstance(entry, dict) and _is_whole(entry) else None


def is_newer(path: str) -> bool:
    """Tell whether an entry has the schema of a later version, which alone may judge and remove it."""
    try:
        entry = parse_json(read_regular(path))
    except (OSError, ValueError):
        return False
    schema = entry.get("schema") if isinstance(entry, dict) else None
    return isinstance(schema, int) and schema > SCHEMA


def _is_whole(entry: dict[str, Any]) -> bool:
    facts, watches, call = entry.get("facts"), entry.get("watches"), entry.get("call")
    return (
        entry.get("schema") == SCHEMA
        and isinstance(facts, dict)
        and all(isinstance(facts.get(name), str) for name in _TEXTS)
        and all(_is_texts(facts.get(name)) for name in _LISTS)
        and isinstance(facts.get("engine"), (str, type(None)))
        and isinstance(entry.get("deep"), str)
        and isinstance(entry.get("size"), int)
        and isinstance(entry.get("planned", 0), int)
        and isinstance(facts.get("rolled_back", ""), str)
        and isinstance(watches, list)
        and all(isinstance(watch, list) and len(watch) > 1 for watch in watches)
        and (call is None or _is_call(call))
    )


def _is_call(value: object) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("choices"), dict):
        return False
    named = [value[name] for name in ("path", "name") if name in value]
    return all(isinstance(item, str) for item in named) if named else "spec" in value


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
