"""The `.pth` line that leads a shell to its environment, and the names of the start-up files in an environment."""

from __future__ import annotations

import ast
from pathlib import Path

HOOK = "_venvkit_child"
POINTER = "zzzz_venvkit.pth"
# A process that started through a shell tells those that it starts through it which environment it has: when the shell
# moves on meanwhile, its workers still get the environment of the process that they work for.
PINNED = "_VENVKIT_SHELL"
# Set for the processes of a proof: their start and end are no use of the environment.
PROOF = "_VENVKIT_PROOF"
_POINTER_HEAD = (
    f"import os, site, sys; _p, _, _e = os.environ.get({PINNED!r}, '').partition('\\n'); "
    "site.addsitedir(_e if _p == sys.prefix and os.path.isdir(_e) else "
)
_POINTER_TAIL = ")\n"


def pointer_line(site_packages: Path) -> bytes:
    """Return the content of a shell's `.pth`: it adds an environment's site-packages, hook and all."""
    return f"{_POINTER_HEAD}{str(site_packages)!a}{_POINTER_TAIL}".encode()


def pointed_to(pointer: bytes) -> str:
    """Return the site-packages that a shell's `.pth` adds; empty when it is not one of ours."""
    line = pointer.decode("ascii", "replace")
    if not line.startswith(_POINTER_HEAD) or not line.endswith(_POINTER_TAIL):
        return ""
    try:
        value = ast.literal_eval(line[len(_POINTER_HEAD) : -len(_POINTER_TAIL)])
    except (ValueError, SyntaxError):
        return ""
    return value if isinstance(value, str) else ""
