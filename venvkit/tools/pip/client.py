"""pip and virtualenv: for interpreters and platforms that uv cannot serve.

pip is the wheel that virtualenv carries, unpacked once: nobody's environment needs a pip of its own. Without its
metadata beside it, so that it never counts as installed where it runs.
"""

from __future__ import annotations

import os
import sys
import tempfile
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from venvkit.base.files import made_once
from venvkit.base.process import Completed, Runner
from venvkit.errors import MachineError, SourceError, UsageError, VenvkitError
from venvkit.spec.configuration.pip import pip_environ
from venvkit.spec.levers import Levers
from venvkit.spec.request import Sources
from venvkit.tools.failure import failure, with_build_output
from venvkit.tools.gitusers import hide_git_users
from venvkit.tools.refusals import lost_sources
from venvkit.tools.uv.client import MIRROR_MARK

_UNKNOWN = ("overrides", "excludes", "sources", "exclude_newer", "torch_backend")
# The one way in which pip combines indexes: the best version of them all.
_OWN_STRATEGY = "unsafe-best-match"


class Pip(Struct, frozen=True):
    """pip and virtualenv, as venvkit runs them.

    Args:
        folder: Where pip is unpacked, once per version.
        environ: The caller's environment, from which pip's is made, with what its configuration files say.
        attempts: How often a download is tried; 1 means no retry.
        offline: Ask no index; only folders of wheels are sources.
    """

    folder: Path
    runner: Runner
    environ: Mapping[str, str]
    attempts: int = 3
    offline: bool = False

    def create_venv(self, python: str, place: Path, *, clear: bool = False, keep_fds: Sequence[int] = ()) -> None:
        """Create a bare virtual environment of `python` at `place`, by virtualenv.

        Raises:
            MachineError: virtualenv cannot (`create-failed`).
        """
        command = [sys.executable, "-m", "virtualenv", "--no-seed", "--no-periodic-update", "--quiet"]
        command += [*(["--clear"] if clear else []), "--python", python, str(place)]
        env = {name: value for name, value in self.environ.items() if not name.startswith("VIRTUALENV_")}
        # Defaults that somebody set for environments of their own are no business of ours.
        env["VIRTUALENV_CONFIG_FILE"] = os.devnull
        with tempfile.TemporaryDirectory(prefix="venvkit-") as neutral:
            done = self.runner.run(command, env=env, cwd=neutral, keep_fds=keep_fds, die_with_parent=bool(keep_fds))
        if done.status != 0:
            raise MachineError(
                f"virtualenv cannot create an environment of {python}",
                code="create-failed",
                where=str(place),
                remedy="check that virtualenv is installed beside venvkit and knows this interpreter",
                details=done.tail(),
            )

    def install(
        self, python: str, args: Sequence[str], sources: Sources, *, minor: str, keep_fds: Sequence[int] = ()
    ) -> tuple[Completed, Mapping[str, SourceError]]:
        """Run `pip install ARGS` on an interpreter; return it, and the optional indexes that could not be reached.

        Args:
            python: The interpreter that pip runs on and installs for.
            args: Arguments; addresses are not among them, since an argument list is public.
            sources: What of the sources may be missing.
            minor: The interpreter's language version, such as `3.11`.
            keep_fds: Locks that pip must hold on to.

        Raises:
            ValueError: The command would write into a planning mirror.
            SourceError: A source refused, or one that is not optional cannot be reached.
        """
        if "--dry-run" not in args and any((parent / MIRROR_MARK).exists() for parent in Path(python).parents):
            raise ValueError(f"refusing to let pip write into the planning mirror {python}")
        command = [python, str(self._program(minor)), "install", "--no-input", "--disable-pip-version-check"]
        command += ["--no-color", "--progress-bar", "off", "--retries", str(self.attempts - 1)]
        env = self._child_environ(python, sources)
        with tempfile.TemporaryDirectory(prefix="venvkit-") as neutral:
            log = Path(neutral, "pip.log")
            done = self.runner.run(
                [*command, "--log", str(log), *args],
                env={**env, **hide_git_users(args, env)},
                cwd=neutral,
                keep_fds=keep_fds,
                die_with_parent=bool(keep_fds),
            )
            # pip passes over an index that does not answer, and says so in its log alone.
            text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        lost = lost_sources(done, text, sources, self.environ)
        return (with_build_output(done, text) if done.status else done), lost

    def failure(self, done: Completed, names: Collection[str] = ()) -> VenvkitError:
        """Return the error that a failed run means; `names` are the host's distributions."""
        return failure("pip", done, logs=self.runner.logs, importable=names)

    def _child_environ(self, python: str, sources: Sources) -> dict[str, str]:
        found = pip_environ(self.environ, prefix=str(Path(python).parent.parent), cert=sources.cert)
        return {name: value for name, value in found.items() if name not in ("PYTHONHOME", "PYTHONPATH")}

    def __repr__(self) -> str:
        return f"Pip({str(self.folder)!r})"  # its environment may hold passwords

    def _program(self, minor: str) -> Path:
        """Return pip's package for an interpreter of version `minor`, unpacked: from a wheel it starts 2 s later."""
        from virtualenv.seed.wheels.embed import get_embed_wheel

        wheel = get_embed_wheel("pip", minor)
        if wheel is None:
            raise MachineError(
                f"virtualenv has no pip for Python {minor}",
                code="pip-missing",
                where="--backend",
                remedy="use --backend uv for this interpreter",
            )
        home = self.folder / Path(wheel.path).stem
        if not home.exists():
            with made_once(home, "pip") as attempt, zipfile.ZipFile(wheel.path) as archive:
                archive.extractall(attempt, [name for name in archive.namelist() if name.startswith("pip/")])
        return home / "pip"


def check_levers(levers: Levers, sources: Sources) -> None:
    """Refuse what pip has no means for, rather than plan as if it had not been asked.

    Raises:
        UsageError: A lever is in use that pip cannot honour (`backend-lever`).
    """
    used = [name for name in _UNKNOWN if getattr(levers, name)]
    used += ["index_strategy"] if sources.index_strategy not in (None, _OWN_STRATEGY) else []
    used += ["no_build_isolation"] if sources.no_build_isolation else []
    if used:
        raise UsageError(
            f"the pip backend cannot honour {', '.join(used)}",
            code="backend-lever",
            where=used[0],
            remedy="use --backend uv, or do without",
        )
