"""Output options of the command line, read before it is parsed; and streams that the caller closed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from venvkit.events import Warned


class Session:
    """Output options of the command line, known even when it cannot be parsed.

    Attributes:
        command: The command's name; empty when there is none.
        json: The envelope is asked for. `run` never prints one: standard output is the child's.
        traceback: Errors are shown with the whole traceback.
        warnings: What was warned of, for the envelope.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        own = argv[: argv.index("--")] if "--" in argv else argv
        self.command = next((arg for arg in own if not arg.startswith("-")), "")
        self.json = "--json" in own and self.command != "run"
        self.traceback = False
        self.warnings: list[Warned] = []


def open_closed_streams() -> None:
    """Put something in the place of standard streams that the caller closed (`<&-`, `>&-`, `2>&-`).

    Else the next file that is opened takes their descriptor, and what is printed ends in it. Standard input ends at
    once, standard error is dropped, and a write to standard output fails, as it does for a closed descriptor.
    """
    for number, (name, flags) in enumerate((("stdin", os.O_RDONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY))):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number, since those below are open.
            descriptor = os.open(os.devnull, flags)
            mode = "r" if number == 0 else "w"
            setattr(sys, name, open(descriptor, mode, closefd=False))  # noqa: SIM115
