"""What of a call the index keeps, so that a spoilt environment can be built anew."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from venvkit.base.mask import mask
from venvkit.launch.asked import Call
from venvkit.spec.options import decisive

_SECRET = re.compile(r"token|key|secret|passw|auth|credential", re.IGNORECASE)


def recorded_call(call: Call) -> Mapping[str, Any] | None:
    """Return what repeats a call, for the index; None when it holds a secret, or cannot be written down."""
    choices = decisive(call.choices)
    given = call.given
    asked: Mapping[str, Any]
    if given.name is not None:
        asked = {"name": given.name}
    elif given.path is not None:
        asked = {"path": str(Path(given.path).absolute())}
    else:
        asked = {"spec": msgspec.to_builtins(given.value)}
    try:
        text = json.dumps({**asked, "choices": msgspec.to_builtins(choices)})
    except (TypeError, ValueError):
        return None
    recorded: dict[str, Any] = json.loads(text)
    secret = any(_SECRET.search(name) for name in call.choices["variables"])
    return None if secret or mask(text) != text else recorded
