"""The envelope: the one JSON document that each command with `--json` prints, also when it fails.

Its schema is published as `envelope.schema.json`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from venvkit.base.version import __version__
from venvkit.errors import VenvkitError
from venvkit.events import Warned

SCHEMA = 2


def told(fault: object) -> dict[str, object]:
    """Return an error, or the record of one, as dicts and scalars."""
    return {name: getattr(fault, name) for name in ("code", "message", "where", "remedy", "details")}


def envelope(
    command: str, data: Mapping[str, Any], warnings: Iterable[Warned], error: VenvkitError | None
) -> dict[str, Any]:
    """Return the document of a command that has ended.

    Args:
        data: The command's result; empty where it has none.
        warnings: What an operator should know, each told once.
        error: Why the command failed; None when it did not.
    """
    return {
        "schema": SCHEMA,
        "command": command,
        "ok": error is None,
        "status": error.exit_code if error is not None else 0,
        "venvkit": __version__,
        "data": data,
        "warnings": [{"code": one.code, "message": one.message} for one in dict.fromkeys(warnings)],
        "error": told(error) if error is not None else None,
    }
