"""Builds without isolation on a host that lacks what they import: the distribution is built in isolation instead.

uv has a switch for all builds and one for each distribution without isolation, none for each with it. So all are
isolated from then on, but for those that import what only the host has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from venvkit.base.process import Completed
from venvkit.tools.failure import missing_module

_SHARED = "--no-build-isolation"
_SHARED_PACKAGE = "--no-build-isolation-package"


def run_builds(run: Callable[[Sequence[str]], Completed], arguments: Sequence[str]) -> Completed:
    """Run uv, and again with other isolation as long as a build fails because a module is missing.

    Args:
        run: Runs uv with arguments.
        arguments: The arguments of the first attempt.

    Returns:
        The last attempt, with a warning in uv's form for each distribution that had to be isolated.
    """
    done = run(arguments)
    if _SHARED not in arguments:
        return done
    told, shared = "", frozenset[str]()
    isolated = False
    while (found := missing_module(done)) is not None:
        package, module = found
        name = package.partition("==")[0].partition(" ")[0]
        if name in shared or (isolated and not name):
            break
        if isolated:
            shared |= {name}
        else:
            isolated = True
            told = f"warning: `{package}` is built in isolation: without, it needs {module}, which the host lacks\n"
        others = [part for one in sorted(shared) for part in (_SHARED_PACKAGE, one)]
        done = run([*(part for part in arguments if part != _SHARED), *others])
    return replace(done, stderr=done.stderr + told) if told else done
