"""Crash points: the named instants at which the store is between two states.

In production `at` does nothing. The fault-injection tests put a function in its place, in a process of their own, that
kills that process at one of the names; this is the only seam they need.
"""

from __future__ import annotations

from collections.abc import Callable

POINTS = (
    # one environment
    "build-number", "build-lease", "build-created", "build-hook", "build-installed", "build-verified", "build-sealed",
    # the model's shell
    "shell-foreign", "shell-attempt", "shell-made", "shell-mark", "shell-scripts", "shell-pointed",
    # the steps between them
    "request-locked", "planned", "obtained", "pointed", "recorded", "repaired", "condemned",
    # every file that is replaced: written beside its place, and put there
    "receipt-written", "receipt-replaced", "mark-written", "mark-replaced", "pointer-written", "pointer-replaced",
    "index-written", "index-replaced", "config-written", "config-replaced",
    # what goes away
    "tree-aside", "shell-aside", "shell-removed", "environment-aside", "environment-removed",
    "gc-swept", "gc-shells", "gc-environments", "gc-index",
)  # fmt: skip


def nothing(point: str) -> None:
    """Do nothing, as in production."""


at: Callable[[str], None] = nothing
