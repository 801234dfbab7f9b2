"""The import proof: modules are imported in the environment, each in a process of its own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from venvkit.base.process import Completed, Runner
from venvkit.base.turns import waiting
from venvkit.errors import MachineError
from venvkit.proof.linkage import DRIVER_LIBRARIES
from venvkit.proof.processes import NEUTRAL_CWD

# `module` or `module:attribute`.
_IMPORT = """\
import functools, importlib, sys
module, _, attribute = sys.argv[1].partition(":")
found = importlib.import_module(module)
functools.reduce(getattr, attribute.split("."), found) if attribute else None
"""
_MOST_AT_ONCE = 4
# The words of glibc's loader for what it did not find.
_UNRESOLVED = re.compile(r"([^\s:'\"]+): cannot open shared object file|undefined symbol: ([^\s,]+)")


class FailedImport(Struct, frozen=True):
    """A module that does not import in the environment.

    Args:
        module: `module`, or `module:attribute`.
        reason: The last line of its traceback, or that it did not end in time.
        output: The last lines that it wrote.
        unresolved: Libraries and symbols that the loader named as not found, anywhere in what it wrote.
    """

    module: str
    reason: str
    output: tuple[str, ...]
    unresolved: tuple[str, ...] = ()

    @property
    def lacks_driver(self) -> bool:
        """Whether the loader missed libraries of an accelerator's driver, and nothing else."""
        return bool(self.unresolved) and all(name.startswith(DRIVER_LIBRARIES) for name in self.unresolved)


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
        done = runner.run([str(python), "-c", _IMPORT, module], cwd=NEUTRAL_CWD, env=environ)
    except MachineError as error:
        if error.code != "timeout":
            raise
        return FailedImport(module, f"it did not end within {runner.timeout:.0f} s", ())
    if done.status == 0:
        return None
    named = (library or symbol for library, symbol in _UNRESOLVED.findall(f"{done.stderr}\n{done.stdout}"))
    return FailedImport(module, _reason(done), done.tail(), tuple(dict.fromkeys(named)))


def _reason(done: Completed) -> str:
    if done.status < 0:
        return f"the interpreter was ended by signal {-done.status}"
    lines = done.tail(1)
    return lines[0] if lines else f"the interpreter ended with status {done.status}"
