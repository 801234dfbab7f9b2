"""`venvkit xinference -- COMMAND...`."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import click

from venvkit.errors import MachineError, UsageError
from venvkit.integrations import startup


@click.command("xinference")
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="-- COMMAND...")
def command(argv: tuple[str, ...]) -> None:
    """Run COMMAND, a command of Xinference: its models get environments of venvkit, in place of those of uv.

    This holds in every process that the server starts with its own interpreter. COMMAND takes the place of this
    process.
    """
    if not argv:
        raise UsageError(
            "there is no command to run",
            code="command-missing",
            where="venvkit xinference",
            remedy="put it after two dashes: venvkit xinference -- xinference-local --host 127.0.0.1",
        )
    program = _program(argv[0])
    environ = dict(os.environ)
    startup.enter(environ)
    try:
        os.execve(program, [program, *argv[1:]], environ)
    except OSError as error:
        raise MachineError(f"{program} cannot be run: {error.strerror}", code="no-program") from error


def _program(name: str) -> str:
    """Return the path of the command, which must belong to the interpreter that venvkit runs on."""
    own = Path(sys.executable).parent
    program = shutil.which(name, path=os.pathsep.join([str(own), os.environ.get("PATH", os.defpath)]))
    if program is None:
        raise MachineError(f"there is no command {name}", code="no-program", where="PATH")
    other = _interpreter(program)
    if importlib.util.find_spec("xoscar") is None or (other is not None and other.parent.resolve() != own.resolve()):
        raise UsageError(
            f"venvkit is not installed beside Xinference: it runs on {sys.executable}",
            code="not-beside",
            where=program,
            remedy=f"install it there: uv pip install --python {other or 'INTERPRETER'} 'venvkit[xoscar]'",
        )
    return program


def _interpreter(program: str) -> Path | None:
    """Return the Python interpreter that a script names in its first line; None where that tells none."""
    with open(program, "rb") as file:  # noqa: PTH123 - a program's first bytes
        first = file.readline(4096)
    path = Path(os.fsdecode(first[2:].split(b" ")[0].strip())) if first.startswith(b"#!") else Path()
    return path if path.is_absolute() and path.name.startswith("python") else None
