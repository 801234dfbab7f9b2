"""The error of an installation, in a form that callers of xoscar's managers expect."""

from __future__ import annotations

from venvkit.base.process import ProcessError
from venvkit.errors import VenvkitError


class InstallError(VenvkitError, ProcessError):
    """An environment could not be made: what venvkit or uv says, for who expects a `CalledProcessError`.

    It is pickled as a RuntimeError of the same text, because the process that receives it, such as a supervisor on
    another machine, may have no venvkit.

    Attributes:
        returncode: The exit status that the command line ends with for this error.
        cmd: `venvkit`.
        stderr: The text of the error.
    """

    def __init__(self, error: VenvkitError) -> None:
        Exception.__init__(self, error.message)
        self.message = error.message
        self.code = error.code
        self.where = error.where
        self.remedy = error.remedy
        self.details = error.details
        self.returncode = error.exit_code
        self.cmd = "venvkit"
        self.output = None
        self.stderr = self._text = str(error)

    def __str__(self) -> str:
        return self._text

    def __reduce__(self) -> tuple[type[RuntimeError], tuple[str]]:
        return RuntimeError, (self._text,)
