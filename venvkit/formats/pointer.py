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
# The INSTALLER of what stands in a shell for its environment starts so; distributions with another are of others.
STAND_IN = b"venvkit-"
# The one of a copy that is imported in place of the environment's, because a server edits it.
COPY = STAND_IN + b"copy\n"
_GONE = "venvkit: the environment of this shell is gone; `venvkit build` makes it anew: "
_START = f"import os, site, sys; _p, _, _e = os.environ.get({PINNED!r}, '').partition('\\n'); "
_HEAD = f"{_START}_e = _e if _p == sys.prefix and os.path.isdir(_e) else "
# Without its environment the shell would start on the packages of its interpreter alone. A failing write must not keep
# it from ending, because `site` goes on after a line that raises.
_END = f"try: os.write(2, os.fsencode({_GONE!r} + _e + chr(10)))\nfinally: os._exit(7)"
_TAIL = f"; os.path.isdir(_e) or exec({_END!r}); site.addsitedir(_e)\n"
# As written before it noticed that.
_FORMER = (f"{_START}site.addsitedir(_e if _p == sys.prefix and os.path.isdir(_e) else ", ")\n")


def pointer_line(site_packages: Path) -> bytes:
    """Return the content of a shell's `.pth`: it adds an environment's site-packages, hook and all."""
    return f"{_HEAD}{str(site_packages)!a}{_TAIL}".encode()


def pointed_to(pointer: bytes) -> str:
    """Return the site-packages that a shell's `.pth` adds; empty when it is not one of ours."""
    line = pointer.decode("ascii", "replace")
    for head, tail in ((_HEAD, _TAIL), _FORMER):
        if line.startswith(head) and line.endswith(tail):
            try:
                value = ast.literal_eval(line[len(head) : -len(tail)])
            except (ValueError, SyntaxError):
                continue
            if isinstance(value, str):
                return value
    return ""
