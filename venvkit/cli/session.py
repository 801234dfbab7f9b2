"""What the command line says about output, known before it is parsed."""

from __future__ import annotations

from collections.abc import Sequence


class Session:
    """What the command line says about output, known even when it cannot be parsed.

    Attributes:
        command: The command's name; empty when there is none.
        json: The envelope is asked for. `run` never prints one: standard output is the child's.
        traceback: Errors are shown with the whole traceback.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        own = argv[: argv.index("--")] if "--" in argv else argv
        self.command = next((arg for arg in own if not arg.startswith("-")), "")
        self.json = "--json" in own and self.command != "run"
        self.traceback = False
