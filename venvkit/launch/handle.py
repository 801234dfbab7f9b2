"""What the caller gets: an interpreter that sees the host's packages plus what the model needs.

This module is on the warm path: it imports nothing but os and sys until something is asked of an environment.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from venvkit.formats.receipt import Receipt
    from venvkit.store.lock.lease import Lease


class Environment:
    """A ready environment, or the host itself when environments are switched off.

    Start the model's process with `python`, and with `environ()` as its environment.

    Example:
        >>> env = ensure_env("specs/models/hello.json")            # doctest: +SKIP
        >>> env.run(["python", "-c", "import humanize"]).returncode  # doctest: +SKIP
        0

    Attributes:
        model: The model's name.
        engine: The engine it was built for, or None.
        version: The interpreter's version, such as `3.11.7`.
        key: The content key; empty for the host.
        built: This call built it; False when it was there already.
        is_host: Environments are switched off, and this is the host's own interpreter.
    """

    __slots__ = ("_facts", "built")

    def __init__(self, facts: Mapping[str, Any], *, built: bool = False) -> None:
        self._facts = facts
        self.built = built

    def __repr__(self) -> str:
        return f"Environment(model={self.model!r}, engine={self.engine!r}, python={self._facts['python']!r})"

    @property
    def model(self) -> str:
        return str(self._facts["model"])

    @property
    def engine(self) -> str | None:
        engine = self._facts["engine"]
        return None if engine is None else str(engine)

    @property
    def version(self) -> str:
        return str(self._facts["version"])

    @property
    def key(self) -> str:
        return str(self._facts["key"])

    @property
    def is_host(self) -> bool:
        return not self._facts["key"]

    @property
    def python(self) -> Path:
        """The interpreter to start: a real path that never moves."""
        from pathlib import Path

        return Path(self._facts["python"])

    @property
    def path(self) -> Path:
        """The environment's directory (`sys.prefix` of its processes)."""
        from pathlib import Path

        return Path(self._facts["path"])

    @property
    def shell(self) -> Path | None:
        """The model's own small venv at the Xinference-shaped path; None for the host."""
        from pathlib import Path

        return Path(self._facts["shell"]) if self._facts.get("shell") else None

    @property
    def rolled_back(self) -> str:
        """The id of the environment that a rollback replaced by this one; empty when none did."""
        return str(self._facts.get("rolled_back", ""))

    @property
    def receipt(self) -> Receipt | None:
        """What was built and why, read from the environment; None for the host."""
        from venvkit.formats.receipt import read_receipt

        return None if self.is_host else read_receipt(self.path)

    def environ(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment variables for a process of this environment, made from `base` (default: ours).

        PATH begins with the environment's scripts, then the host's; VIRTUAL_ENV names the environment; PYTHONHOME
        and PYTHONPATH are gone (a copy on PYTHONPATH would beat the environment's own), and so is VENVKIT_API_KEY;
        library folders of CUDA wheels that are split between environment and host lead LD_LIBRARY_PATH.
        """
        env = dict(os.environ if base is None else base)
        if self.is_host:
            # So that `python` is the host's, whoever asks; all else is as the host would start it.
            env["PATH"] = os.pathsep.join([str(self.python.parent), env.get("PATH", os.defpath)])
            return env
        for name in ("PYTHONHOME", "PYTHONPATH", "VENVKIT_API_KEY", "_VENVKIT_SHELL"):
            env.pop(name, None)
        scripts: list[str] = self._facts["scripts"]
        rest = [part for part in env.get("PATH", os.defpath).split(os.pathsep) if part not in scripts]
        env["PATH"] = os.pathsep.join([*scripts, *rest])
        env["VIRTUAL_ENV"] = self._facts["path"]
        libraries: list[str] = self._facts["libraries"]
        if libraries:
            variable = "DYLD_LIBRARY_PATH" if sys.platform == "darwin" else "LD_LIBRARY_PATH"
            env[variable] = os.pathsep.join([*libraries, *filter(None, [env.get(variable)])])
        return env

    def run(
        self,
        argv: Sequence[str],
        *,
        capture: bool = False,
        timeout: float | None = None,
        cwd: str | os.PathLike[str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the environment to its end; `python` is the environment's.

        Args:
            argv: The command; its program is looked up in the environment first, then on the host.
            capture: Keep standard output and error as text in the result, instead of passing them on.
            timeout: Seconds until the command is killed.
            cwd: Its working directory.

        Raises:
            MachineError: The program is not there, or the time is over.
        """
        from venvkit.base.process import run_attached

        with self.lease():
            return run_attached(argv, env=self.environ(), capture=capture, timeout=timeout, cwd=cwd)

    def popen(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start a command in the environment; `options` are those of `subprocess.Popen`.

        The child inherits a lease, so that no collection can come between its start and the one that its own
        interpreter takes.
        """
        from venvkit.base.process import start

        env = self.environ(options.pop("env", None))
        with self.lease() as lease:
            return start(argv, env=env, keep_fd=lease.fd, **options)

    def lease(self) -> Lease:
        """Take a lease: the environment is neither collected nor removed until it is closed."""
        from pathlib import Path

        from venvkit.store.lock.lease import Lease

        return Lease(None if self.is_host else Path(self._facts["lease"]))
