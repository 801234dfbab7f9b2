"""The import proof: modules are imported in the environment, each in a process of its own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from venvkit.base.process import Completed, Runner
from venvkit.base.turns import waiting
from venvkit.errors import MachineError

# `module` or `module:attribute`.
_IMPORT = """\
import functools, importlib, sys
module, _, attribute = sys.argv[1].partition(":")
found = importlib.import_module(module)
functools.reduce(getattr, attribute.split("."), found) if attribute else None
"""
# With `-c` the working directory is on sys.path: what lies there is no part of the environment.
_NEUTRAL_CWD = "/"
_MOST_AT_ONCE = 4


class FailedImport(Struct, frozen=True):
    """A module that does not import in the environment.

    Args:
        module: `module`, or `module:attribute`.
        reason: The last line of its traceback, or that it did not end in time.
        output: The last lines that it wrote.
    """

    module: str
    reason: str
    output: tuple[str, ...]


def failed_imports(
    python: Path, modules: Iterable[str], runner: Runner, *, environ: Mapping[str, str] | None = None
) -> tuple[FailedImport, ...]:
    """Import modules in an environment and return those that fail, in the order given.

    Each gets an interpreter of its own, and a few run at the same time: one that crashes or hangs takes no other along.

    Args:
        python: The environment's interpreter.
        modules: `module`, or `module:attribute`.
        runner: Its time limit is that of each import.
        environ: The variables of the processes; None passes ours on.

    Raises:
        CancelledError: The caller's cancel event is set.
    """
    wanted = tuple(dict.fromkeys(modules))
    if len(wanted) < 2:
        found = [_attempt(python, module, runner, environ) for module in wanted]
    else:
        from concurrent.futures import ThreadPoolExecutor

        with waiting(), ThreadPoolExecutor(min(_MOST_AT_ONCE, len(wanted), os.cpu_count() or 1)) as pool:
            found = list(pool.map(lambda module: _attempt(python, module, runner, environ), wanted))
    return tuple(item for item in found if item is not None)


def _attempt(python: Path, module: str, runner: Runner, environ: Mapping[str, str] | None) -> FailedImport | None:
    try:
        done = runner.run([str(python), "-c", _IMPORT, module], cwd=_NEUTRAL_CWD, env=environ)
    except MachineError as error:
        if error.code != "timeout":
            raise
        return FailedImport(module, f"it did not end within {runner.timeout:.0f} s", ())
    return None if done.status == 0 else FailedImport(module, _reason(done), done.tail())


def _reason(done: Completed) -> str:
    if done.status < 0:
        return f"the interpreter was ended by signal {-done.status}"
    lines = done.tail(1)
    return lines[0] if lines else f"the interpreter ended with status {done.status}"
