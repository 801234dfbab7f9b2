"""The end of the process: an outcome or an exception becomes output and an exit status."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

import click

from venvkit.cli.outcome import Outcome
from venvkit.cli.output import write_json, write_text
from venvkit.cli.page.text import masked
from venvkit.errors import CancelledError, MachineError, UsageError, VenvkitError, raised_at

if TYPE_CHECKING:
    from venvkit.cli.session import Session


def finish(session: Session, ended: object) -> int:
    """Write what a command ended with, an outcome or an exception, and return the exit status for it."""
    outcome = ended if isinstance(ended, Outcome) else Outcome(failure=_failure(ended, session))
    try:
        if session.json:
            write_json(session.command, outcome, session.warnings)
        else:
            write_text(outcome)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the result cannot be delivered
        return _undelivered(error, outcome, session)
    return outcome.status


def _undelivered(error: BaseException, outcome: Outcome, session: Session) -> int:
    """Return the exit status when standard output took no result: its reader has gone, or its disk is full."""
    if isinstance(error, OSError):
        _drop_output()
        if isinstance(error, BrokenPipeError) and outcome.failure is None:
            return 1
        error = MachineError(f"the result cannot be written: {error.strerror or error}", code="output")
    failure = outcome.failure or _failure(error, session)
    with contextlib.suppress(OSError):
        write_text(Outcome(failure=failure))
    return failure.exit_code


def _drop_output() -> None:
    """Drop what is in the buffer of standard output: it would fail once more when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failure(error: object, session: Session) -> VenvkitError:
    assert isinstance(error, BaseException)
    if session.traceback:
        _show_traceback(error)
    if isinstance(error, VenvkitError):
        return error
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return CancelledError("interrupted")
    if isinstance(error, click.ClickException):
        context = error.ctx if isinstance(error, click.UsageError) else None
        path = context.command_path if context is not None else "venvkit"
        return UsageError(error.format_message(), where=path, remedy=f"`{path} --help` shows what is accepted")
    if isinstance(error, OSError):
        try:
            sys.stdout.flush()
        except OSError:
            _drop_output()
        from venvkit.store.disk.space import disk_error

        return disk_error(error, "", what="the system refused an access")
    remedy = f"`venvkit --traceback {session.command} ...` shows the whole traceback; please report it"
    return VenvkitError(f"{type(error).__name__}: {error}", where=raised_at(error), remedy=remedy)


def _show_traceback(error: BaseException) -> None:
    import traceback

    sys.stderr.write(masked("".join(traceback.format_exception(error))))
