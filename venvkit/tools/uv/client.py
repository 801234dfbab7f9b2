"""uv: where it is, and which environment it runs in."""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from packaging.utils import NormalizedName
from packaging.version import Version

from venvkit.base.process import Completed, Runner
from venvkit.errors import MachineError, SourceError, UsageError, VenvkitError
from venvkit.host.snapshot import HostSnapshot
from venvkit.spec.configuration.paths import tool_environ
from venvkit.spec.configuration.uv import check_uv_config, read_uv_config, trusted_bundle
from venvkit.spec.request import Sources
from venvkit.tools.failure import failure
from venvkit.tools.gitusers import hide_git_users
from venvkit.tools.refusals import heard, listening
from venvkit.tools.requestfiles import tied_packages
from venvkit.tools.uv.indexes import fence, forgiving
from venvkit.tools.uv.isolation import run_builds

__all__ = ["MINIMUM", "MIRROR_MARK", "Uv", "find_uv", "is_known"]

MINIMUM = Version("0.13")
# A tree that carries this file is only ever planned against: uv uninstalls by RECORD, and a mirror's must stay whole.
MIRROR_MARK = "venvkit-mirror"
# What would point uv at another interpreter than the one we name; its own variables are in the table of options.
_MISLEADING = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH")
# What would make uv overlook the index that a package is tied to.
_UNTYING = ("UV_NO_SOURCES", "UV_NO_SOURCES_PACKAGE")
_OWN_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")


class Uv(Struct, frozen=True):
    """A uv that was found and is new enough.

    Args:
        environ: The caller's environment, from which uv's is made.
        attempts: How often a download is tried; 1 means no retry.
        offline: Never open a network connection.
    """

    path: str
    version: str
    runner: Runner
    environ: Mapping[str, str]
    attempts: int = 3
    offline: bool = False

    def __repr__(self) -> str:
        return f"Uv({self.path!r}, {self.version!r})"  # its environment may hold passwords

    def run(self, args: Sequence[str], sources: Sources | None = None, *, keep_fds: Sequence[int] = ()) -> Completed:
        """Run `uv ARGS` in a neutral directory and return it, whatever its status.

        The working directory is neutral because uv reads pyproject.toml and uv.toml from the one it runs in; the
        operator's own uv configuration (user and system level, UV_*) stays in force.

        Raises:
            ValueError: The command would write into a planning mirror.
            UsageError: A uv.toml says to overlook the index of a package that is tied to one (`uv-no-sources`), or
                it or a variable asks for what cannot be heeded (`tool-option-refused`, `tool-file-missing`).
        """
        return self._run(args, self._child_environ(sources, args), sources, keep_fds)

    def ask(self, args: Sequence[str], sources: Sources) -> tuple[Completed, SourceError | None]:
        """Run `uv ARGS` as `run` does; return it, and the refusal of an index that uv itself would pass over."""
        env = self._child_environ(sources, args)
        return heard(self._run(args, listening(env), sources), sources, env)

    def failure(
        self, done: Completed, host: HostSnapshot | None = None, sources: Sources | None = None
    ) -> VenvkitError:
        """Return the error that a failed run means.

        Args:
            host: The host, whose distributions a source distribution may need to be built.
            sources: What the run was given; they say whether builds were isolated.
        """
        names = {str(item.name) for item in host.distributions} if host else ()
        shared = sources is not None and bool(sources.no_build_isolation)
        return failure("uv", done, logs=self.runner.logs, importable=names, shared=shared)

    def _run(
        self, args: Sequence[str], env: Mapping[str, str], sources: Sources | None, keep_fds: Sequence[int] = ()
    ) -> Completed:
        _guard_mirror(args)
        flags = ["--offline"] if self.offline else []
        with tempfile.TemporaryDirectory(prefix="venvkit-", ignore_cleanup_errors=True) as neutral:
            if sources is not None:
                env = forgiving(env, sources, Path(neutral))
            fence(Path(neutral))
            told = {**env, **hide_git_users(args, env)}

            def run(args: Sequence[str]) -> Completed:
                command = [self.path, *args, *flags]
                return self.runner.run(
                    command, env=told, cwd=neutral, keep_fds=keep_fds, die_with_parent=bool(keep_fds)
                )

            return run_builds(run, args)

    def create_venv(self, python: str, place: Path, *, clear: bool = False, keep_fds: Sequence[int] = ()) -> None:
        """Create a bare virtual environment of `python` at `place`.

        Raises:
            VenvkitError: uv cannot, of the class that says why.
        """
        command = ["venv", "--quiet", "--no-project", *(["--clear"] if clear else []), "--python", python, str(place)]
        done = self.run(command, keep_fds=keep_fds)
        if done.status != 0:
            raise self.failure(done)

    def _child_environ(self, sources: Sources | None, args: Sequence[str]) -> dict[str, str]:
        tied = tied_packages(args)
        env = tool_environ(self.environ, without=(*_MISLEADING, *(_UNTYING if tied else ())))
        if tied:
            _check_untied(tied, env)
        env.setdefault("UV_HTTP_RETRIES", str(self.attempts - 1))
        env["UV_NO_PROGRESS"] = "1"
        env["NO_COLOR"] = "1"
        env["COLUMNS"] = "10000"  # uv folds its errors to the width of a terminal; its lines are read here
        if sources is None:
            return env
        check_uv_config(read_uv_config(env))
        # Indexes travel in the environment: an argument list, credentials and all, is public in /proc.
        if sources.index_url or sources.extra_index_urls:
            theirs = {name: env.pop(name, "") for name in _OWN_INDEXES}
            if sources.index_url:
                env["UV_DEFAULT_INDEX"] = sources.index_url
            elif theirs["UV_DEFAULT_INDEX"] or theirs["UV_INDEX_URL"]:
                env["UV_DEFAULT_INDEX"] = theirs["UV_DEFAULT_INDEX"] or theirs["UV_INDEX_URL"]
            more = [] if sources.index_url else [theirs["UV_INDEX"], theirs["UV_EXTRA_INDEX_URL"]]
            env["UV_INDEX"] = " ".join(filter(None, [*sources.extra_index_urls, *more]))
        if sources.index_strategy:
            env["UV_INDEX_STRATEGY"] = sources.index_strategy
        if sources.trusted_hosts:
            env["UV_INSECURE_HOST"] = " ".join(filter(None, [*sources.trusted_hosts, env.get("UV_INSECURE_HOST")]))
        if sources.values("prerelease"):
            env.setdefault("UV_PRERELEASE", "allow")
        if bundle := trusted_bundle(sources, env):
            env["SSL_CERT_FILE"] = bundle
        return env


def _check_untied(tied: frozenset[NormalizedName], environ: Mapping[str, str]) -> None:
    """Refuse to go on where a uv.toml has uv overlook ties: the package would come from another index, unseen."""
    for path, names in read_uv_config(environ).no_sources:
        if overlooked := sorted(tied if names is None else tied & names):
            raise UsageError(
                f"uv's configuration says to overlook the index that {', '.join(overlooked)} must come from",
                code="uv-no-sources",
                where=path,
                remedy="take `no-sources` out of that file, or `sources` out of the spec, the data or the call",
            )


def _guard_mirror(args: Sequence[str]) -> None:
    """Refuse to let uv write into a mirror: in a trial it emptied the folder behind a symlink there."""
    if "--dry-run" in args or tuple(args[:2]) not in {
        ("pip", "install"),
        ("pip", "uninstall"),
        ("pip", "sync"),
    }:
        return
    for argument in args:
        path = Path(argument)
        if path.is_absolute() and any((parent / MIRROR_MARK).exists() for parent in path.parents):
            raise ValueError(f"refusing to let uv write into the planning mirror {argument}")


def find_uv(runner: Runner, environ: Mapping[str, str], *, attempts: int = 3, offline: bool = False) -> Uv:
    """Find uv: the bundled binary, else `$UV`, else PATH.

    Raises:
        MachineError: There is none (`uv-missing`), or it is older than `MINIMUM` (`uv-too-old`).
    """
    path = _locate(environ)
    version = _probe(path, runner)
    if version < MINIMUM:
        raise MachineError(
            f"uv {version} is too old, {MINIMUM} or newer is needed",
            code="uv-too-old",
            where=path,
            remedy="python -m pip install --upgrade uv",
        )
    return Uv(path, str(version), runner, environ, attempts, offline)


def _locate(environ: Mapping[str, str]) -> str:
    try:
        from uv import find_uv_bin

        path = _bundled(find_uv_bin)
        if os.access(path, os.X_OK):
            return path
    except (ImportError, FileNotFoundError):
        pass
    for candidate in (environ.get("UV", ""), *_on_path(environ)):
        if candidate and os.access(candidate, os.X_OK):
            return candidate
    raise MachineError(
        "uv was not found",
        code="uv-missing",
        where="the uv package, $UV, PATH",
        remedy="python -m pip install uv, or set UV to the path of the binary",
    )


_lookup = threading.Lock()
_places: dict[Callable[[], str], str] = {}


def _bundled(find: Callable[[], str]) -> str:
    """Return where the bundled binary lies; to look for it takes as long as reading a spec and building its request.

    One thread looks: what `find` asks of sysconfig fills a table at the first question, and until Python 3.12 a
    second thread could find that table half full.
    """
    with _lookup:
        if find not in _places:
            _places[find] = os.fsdecode(find())
        return _places[find]


def _on_path(environ: Mapping[str, str]) -> list[str]:
    return [str(Path(folder, "uv")) for folder in environ.get("PATH", "").split(os.pathsep) if folder]


_versions: dict[tuple[str, int], Version] = {}


def is_known() -> bool:
    """Tell whether this process has found a uv before: then it is found again without a process."""
    return bool(_versions)


def _probe(path: str, runner: Runner) -> Version:
    """Ask a binary for its version, once per binary and process."""
    key = (path, Path(path).stat().st_mtime_ns)
    if key not in _versions:
        done = runner.run([path, "--version"], timeout=30)
        match = re.match(r"uv (\d+(?:\.\d+)+)", done.stdout)
        if done.status != 0 or match is None:
            raise MachineError("this is not a working uv", code="uv-missing", where=path, details=done.tail(3))
        _versions[key] = Version(match.group(1))
    return _versions[key]
