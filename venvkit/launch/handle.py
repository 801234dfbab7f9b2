"""What the caller gets: an interpreter that sees the host's packages plus what the model needs.

This module is on the warm path: it imports nothing but os and sys until something is asked of an environment.
"""

from __future__ import annotations

import os
import sys

from venvkit.store.lock.lease import Lease, share

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from venvkit.formats.receipt import Receipt


class Environment:
    """A ready environment, or the host itself when environments are switched off.

    Start the model's process with `python`, and with `environ()` as its environment. The object holds a lease: as long
    as it lives, nothing removes or collects the environment, unless `release()` or the end of a `with` block ends the
    lease before. In a forked child, and when it is unpickled, it takes a lease of that process.

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

    __slots__ = ("__weakref__", "_facts", "_lease", "built")

    def __init__(self, facts: Mapping[str, Any], lease: Lease | None, *, built: bool = False) -> None:
        self._facts = facts
        self._lease = lease
        self.built = built

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self._facts, self.built)

    def __enter__(self) -> Environment:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """End the lease: from now on the environment may be removed. Releasing twice is no fault."""
        self._lease = None

    def __eq__(self, other: object) -> bool:
        """Whether both are the same environment of one model, whoever holds it and whoever built it."""
        return self._same == other._same if isinstance(other, Environment) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._same)

    def __repr__(self) -> str:
        return f"Environment(model={self.model!r}, engine={self.engine!r}, python={self._facts['python']!r})"

    @property
    def _same(self) -> tuple[str, ...]:
        return (*(str(self._facts.get(name)) for name in ("model", "engine", "path", "shell")),)

    def to_dict(self) -> dict[str, Any]:
        """Return what it is as strings and booleans, by the names of the JSON documents."""
        return {
            "model": self.model,
            "engine": self.engine,
            "python_version": self.version,
            "key": self.key,
            "environment": self._facts["path"],
            "interpreter": self._facts["python"],
            "path": self._facts.get("shell") or self._facts["path"],
            "is_host": self.is_host,
            "built": self.built,
            "rolled_back": bool(self.rolled_back),
        }

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

        self._renew()
        return Path(self._facts["python"])

    @property
    def path(self) -> Path:
        """The environment's directory (`sys.prefix` of its processes)."""
        from pathlib import Path

        self._renew()
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
        self._renew()
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
            argv: The command; its program is looked up in the environment first, then on the host, but for an
                interpreter (`python`, `python3`, `python3.11`), which is the environment's or none.
            capture: Keep standard output and error as text in the result, instead of passing them on.
            timeout: Seconds until the command is killed.
            cwd: Its working directory.

        Raises:
            UsageError: The command installs into the host or the sealed environment (`install-refused`).
            MachineError: The environment is gone (`environment-gone`), the program is not there (`no-program`), the
                time is over (`timeout`), or the exit status was lost (`status-lost`).
        """
        from venvkit.base.process import run_attached

        with self.lease():
            return run_attached(self._command(argv), env=self.environ(), capture=capture, timeout=timeout, cwd=cwd)

    def popen(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start a command in the environment; `options` are those of `subprocess.Popen`.

        The child inherits a lease of its own, so that no collection can come between its start and the one that its
        interpreter takes. Its exit status reads as 255 where the kernel gave it to somebody else: in a process that
        ignores SIGCHLD, or that waits for all children.

        Raises:
            VenvkitError: As `run`, but for `timeout` and `status-lost`.
        """
        from venvkit.base.process import start
        from venvkit.store.lock.lease import open_alone

        env = self.environ(options.pop("env", None))
        with self.lease():
            keep_fd = -1 if self.is_host else open_alone(self._facts["lease"])
            try:
                return start(self._command(argv), env=env, keep_fd=keep_fd, **options)
            finally:
                if keep_fd >= 0:
                    os.close(keep_fd)

    def lease(self) -> Lease:
        """Take a further lease: the environment is neither collected nor removed until it is closed.

        Raises:
            MachineError: The environment is gone (`environment-gone`).
        """
        return Lease(None) if self.is_host else _leased(self._facts)

    def _renew(self) -> None:
        """Take a lease in a forked child, which has closed its parent's."""
        if self._lease is not None and self._lease.fd < 0 and not self.is_host:
            self._lease = _leased(self._facts)

    def _command(self, argv: Sequence[str]) -> list[str]:
        """Return a command whose interpreter, when it names one, is the environment's."""
        command = [os.fspath(word) for word in argv]
        if not self.is_host:
            from venvkit.launch.installs import refuse_install

            refuse_install(command, self.model)
        if not command or not _is_interpreter(command[0]):
            return command
        python: str = self._facts["python"]
        if command[0] in ("python", "python3"):
            return [python, *command[1:]]
        # Of another version the environment has none, and the host's is not what is meant.
        return command if self.is_host else [f"{python.rpartition('/')[0]}/{command[0]}", *command[1:]]


def _is_interpreter(name: str) -> bool:
    return name.startswith("python") and not name[len("python") :].strip("0123456789.")


def _leased(facts: Mapping[str, Any]) -> Lease:
    """Take a lease of an environment that must be there.

    Raises:
        MachineError: It is gone (`environment-gone`), or cannot be leased (`no-lease`).
    """
    # The lock first: what is there then stays. The file may have been deleted alone, and is made again.
    lease = share(facts["lease"])
    if lease is None and os.access(facts["python"], os.X_OK):
        try:
            lease = Lease(facts["lease"])
        except OSError as error:
            from venvkit.errors import MachineError

            raise MachineError(
                f"the environment of {facts['model']} cannot be leased: {error.strerror or error}",
                code="no-lease",
                where=facts["lease"],
            ) from error
    if lease is None or not os.access(facts["python"], os.X_OK):
        from venvkit.errors import MachineError

        raise MachineError(
            f"the environment of {facts['model']} is gone",
            code="environment-gone",
            where=facts["path"],
            remedy="call ensure_env again: it builds what is missing",
        )
    return lease


def _unpickled(facts: Mapping[str, Any], built: bool) -> Environment:
    return Environment(facts, _leased(facts) if facts["key"] else None, built=built)
