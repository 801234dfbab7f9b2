"""What every process of a proof is started with."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from venvkit.formats.pointer import PINNED, PROOF
from venvkit.host.libraries import library_environ

# With `-c` the working directory is on sys.path: what lies there is no part of the environment.
NEUTRAL_CWD = "/"


def proof_environ(folders: Sequence[str], base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables of a process that proves an environment, as `Environment.environ` gives them.

    No byte-code is written, and the start does not count as a use of the environment.

    Args:
        folders: Library folders that its processes need on the loader's path.
        base: The variables to start from; None takes ours.
    """
    env = library_environ(folders, os.environ if base is None else base)
    for name in ("PYTHONHOME", "PYTHONPATH", "VENVKIT_API_KEY", PINNED):
        env.pop(name, None)
    return {**env, "PYTHONDONTWRITEBYTECODE": "1", PROOF: "1"}
