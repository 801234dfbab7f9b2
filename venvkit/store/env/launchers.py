"""Launchers: inherited console scripts for the child, because the host's own carry the host's shebang."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from venvkit.host.contents import scripts
from venvkit.host.distribution import Distribution

# The kernel cuts a `#!` line here, blanks split it: beyond that a shell line starts the interpreter.
_SHEBANG_LIMIT = 127

_TEMPLATE = """\
{shebang}
import sys

from {module} import {first}

if __name__ == "__main__":
    sys.exit({call}())
"""


def write_launchers(bin_folder: Path, inherited: Iterable[Distribution]) -> None:
    """Write a launcher for each console script of `inherited` that the environment has none of its own for."""
    shebang = _shebang(bin_folder / "python")
    for item in inherited:
        for name, target in scripts(item):
            path = bin_folder / name
            module, _, call = target.partition(":")
            if "/" in name or not call or path.exists() or path.is_symlink():
                continue
            text = _TEMPLATE.format(
                shebang=shebang, module=module.strip(), first=call.split(".")[0].strip(), call=call.strip()
            )
            path.write_text(text, encoding="utf-8")
            path.chmod(0o755)


def _shebang(python: Path) -> str:
    if len(os.fsencode(f"#!{python}")) <= _SHEBANG_LIMIT and " " not in str(python):
        return f"#!{python}"
    # To Python these lines are one string. A quoted path has no three quotes in a row, and a home no backslash.
    return f"#!/bin/sh\n'''exec' {shlex.quote(str(python))} \"$0\" \"$@\"\n' '''"
