"""One root for every error of ours: a stable code, what happened, where, and what to do next.

Each class carries the exit status that the command line ends with, so that a caller of the library and a caller of
the command see one table. The warm path may raise these, so this module imports nothing.
"""

from __future__ import annotations


def raised_at(error: BaseException) -> str:
    """Return file and line that raised an exception; empty where it was not raised."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return f"{last.tb_frame.f_code.co_filename}:{last.tb_lineno}" if last is not None else ""


class VenvkitError(Exception):
    """The root of all errors of venvkit.

    Args:
        message: What happened, one sentence, secrets already masked.
        code: Stable, kebab-case identifier of the fault, for programs.
        where: The place of the fault: a file, `virtualenv.packages[3]`, a variable's name. Empty when there is none.
        remedy: What the user can do next. Empty when nothing is known to help.
        details: Further faults or lines of evidence, one per line (gathered faults, an installer's last lines).
    """

    exit_code = 1
    default_code = "unexpected"

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        where: str = "",
        remedy: str = "",
        details: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.where = where
        self.remedy = remedy
        self.details = details

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.message}" if self.where else self.message]
        lines += [f"  {line}" for line in self.details]
        if self.remedy:
            lines.append(f"  remedy: {self.remedy}")
        return "\n".join(lines)


class UsageError(VenvkitError):
    """A bad argument, spec, variable or configuration file; also an interpreter that was asked for and is not there."""

    exit_code = 2
    default_code = "usage"


class SpecError(UsageError):
    """A model spec, a requirement of it or the engine data is faulty.

    `faults` holds one error for each fault of a document that was read as a whole, its place in `where`.
    """

    default_code = "spec-invalid"
    faults: tuple[SpecError, ...] = ()


class SettingError(UsageError):
    """An environment variable or settings file holds a malformed value."""

    default_code = "setting-invalid"


class NoSolutionError(VenvkitError):
    """No set of distributions satisfies the request together with what must hold."""

    exit_code = 3
    default_code = "no-solution"


class ProofError(VenvkitError):
    """An environment is not what was proved: `check` found violations, or verification in the child failed.

    Attributes:
        names: The distributions that do not load, where that is the reason.
    """

    names: tuple[str, ...] = ()

    exit_code = 3
    default_code = "proof-failed"


class SourceError(VenvkitError):
    """An index or file source cannot be reached, or refused the request (401, 403, hash mismatch)."""

    exit_code = 4
    default_code = "source-unreachable"


class PolicyError(VenvkitError):
    """The operator's policy forbids what was asked."""

    exit_code = 5
    default_code = "policy-refused"


class BusyError(VenvkitError):
    """The thing is in use by a live process, or something that is not ours stands in its place."""

    exit_code = 6
    default_code = "busy"


class MachineError(VenvkitError):
    """This machine cannot: no uv, no interpreter, home not writable, no space, time-out."""

    exit_code = 7
    default_code = "machine"


class CancelledError(VenvkitError):
    """The caller's cancel event was set, or the user pressed Ctrl-C."""

    exit_code = 130
    default_code = "cancelled"
