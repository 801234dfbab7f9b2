"""uv: where it is, which environment it runs in, and what its failures mean."""

from __future__ import annotations

import functools
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from venvkit.backend.process import Completed, Runner
from venvkit.backend.refusals import heard, listening, refusal
from venvkit.backend.uvconfig import trusted_bundle
from venvkit.errors import MachineError, SourceError, UsageError, VenvkitError
from venvkit.masking import mask
from venvkit.plan.resolver import Unsolvable
from venvkit.spec.request import Sources

MINIMUM = Version("0.13")
# A tree that carries this file is only ever planned against: uv uninstalls by RECORD, and a mirror's must stay whole.
MIRROR_MARK = "venvkit-mirror"
# What would point uv at another interpreter or project than the one we name.
_MISLEADING = (
    "VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH", "UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_PROJECT",
    "UV_PROJECT_ENVIRONMENT", "UV_WORKING_DIRECTORY", "UV_WORKING_DIR", "UV_BREAK_SYSTEM_PACKAGES", "UV_VENV_CLEAR",
)  # fmt: skip
# uv looks for uv.toml and pyproject.toml in the folder that it runs in and in all above it, and in /tmp anybody may
# have put one. A workspace of our own ends that search.
_FENCE = "[tool.uv.workspace]\n"
_OWN_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")
_UNREACHABLE = re.compile(
    r"error sending request|dns error|connection refused|connect error|timed out|failed to fetch|could not connect"
    r"|distribution not found at|failed to download|git operation failed|network is unreachable|certificate",
    re.IGNORECASE,
)
_DISK = re.compile(r"No space left on device|Disk quota exceeded|os error (?:5|13|28|30|122)\b")
_REFUSED = re.compile(r"\b(401 Unauthorized|403 Forbidden|Hash mismatch)", re.IGNORECASE)
_MALFORMED = re.compile(
    r"invalid value .* for '--|unsupported (?:archive|file) (?:type|extension)|supported file extension", re.IGNORECASE
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Uv:
    """A uv that was found and is new enough.

    Args:
        path: The binary.
        version: Its version.
        runner: How its processes are run.
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

    def run(self, args: Sequence[str], sources: Sources | None = None, *, keep_fds: Sequence[int] = ()) -> Completed:
        """Run `uv ARGS` in a neutral directory and return it, whatever its status.

        The working directory is neutral because uv reads pyproject.toml and uv.toml from the one it runs in; the
        operator's own uv configuration (user and system level, UV_*) stays in force.

        Raises:
            ValueError: The command would write into a planning mirror.
        """
        return self._run(args, self._child_environ(sources), keep_fds)

    def ask(self, args: Sequence[str], sources: Sources) -> tuple[Completed, SourceError | None]:
        """Run `uv ARGS` as `run` does; return it, and the refusal of an index that uv itself would pass over."""
        return heard(self._run(args, listening(self._child_environ(sources))), sources)

    def _run(self, args: Sequence[str], env: dict[str, str], keep_fds: Sequence[int] = ()) -> Completed:
        _guard_mirror(args)
        flags = ["--offline"] if self.offline else []
        with tempfile.TemporaryDirectory(prefix="venvkit-") as neutral:
            Path(neutral, "pyproject.toml").write_text(_FENCE, encoding="utf-8")
            return self.runner.run(
                [self.path, *args, *flags],
                env=env,
                cwd=neutral,
                keep_fds=keep_fds,
                die_with_parent=bool(keep_fds),
            )

    def create_venv(self, python: str, place: Path, *, clear: bool = False, keep_fds: Sequence[int] = ()) -> None:
        """Create a bare virtual environment of `python` at `place`.

        Raises:
            VenvkitError: uv cannot, of the class that says why.
        """
        command = ["venv", "--quiet", "--no-project", *(["--clear"] if clear else []), "--python", python, str(place)]
        done = self.run(command, keep_fds=keep_fds)
        if done.status != 0:
            raise failure(done)

    def _child_environ(self, sources: Sources | None) -> dict[str, str]:
        env = {name: value for name, value in self.environ.items() if name not in _MISLEADING}
        env.setdefault("UV_HTTP_RETRIES", str(self.attempts - 1))
        env["UV_NO_PROGRESS"] = "1"
        env["NO_COLOR"] = "1"
        if sources is None:
            return env
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
        if bundle := trusted_bundle(sources, env):
            env["SSL_CERT_FILE"] = bundle
        return env


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


@functools.cache
def _bundled(find: Callable[[], str]) -> str:
    """Return where the bundled binary lies; to look for it takes as long as reading a spec and building its request."""
    return os.fsdecode(find())


def _on_path(environ: Mapping[str, str]) -> list[str]:
    return [str(Path(folder, "uv")) for folder in environ.get("PATH", "").split(os.pathsep) if folder]


_versions: dict[tuple[str, int], Version] = {}


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


def failure(done: Completed, secrets: Sequence[str] = ()) -> VenvkitError:
    """Turn a failed uv run into the error that tells the user what it means, uv's own reason trimmed and masked."""
    reason = _reason(mask(done.stderr, secrets))
    text = "\n".join(reason)
    # Before all else: what a full disk breaks is reported as a download that failed.
    if match := _DISK.search(text):
        return _disk_failure(match.group(0), reason)
    if match := _REFUSED.search(text):
        return refusal(match.group(1), reason)
    if "No solution found" in text and "network was disabled" not in text:
        return Unsolvable(
            "no set of distributions satisfies the request", mentions=_mentions(done.stderr), details=reason
        )
    if "network was disabled" in text or _UNREACHABLE.search(text):
        return _unreachable(text, reason)
    if _MALFORMED.search(text):
        return UsageError(
            "uv does not understand what it was given",
            code="requirement-invalid",
            details=reason,
            remedy="correct the value that is named",
        )
    if re.search(r"Failed to build|build backend|metadata-generation", text, re.IGNORECASE):
        return MachineError(
            "a source distribution could not be built", code="build-failed", details=reason,
            remedy="install the compiler or headers it asks for, or pin a version that has a wheel",
        )  # fmt: skip
    return VenvkitError("uv failed", code="uv-failed", details=reason)


def _unreachable(text: str, reason: tuple[str, ...]) -> SourceError:
    remedy = "check the index address and the network, or name another source with --index-url or --find-links"
    if "invalid peer certificate" in text:
        remedy = (
            "name the authority that signed it with SSL_CERT_FILE or `cert` of pip's configuration, or trust the host"
        )
    return SourceError("a package source cannot be reached", details=reason, remedy=remedy)


def _disk_failure(found: str, reason: tuple[str, ...]) -> MachineError:
    full = any(word in found for word in ("No space", "quota", "28", "122"))
    return MachineError(
        "there is no space left for the build" if full else "the disk refused the build",
        code="disk-space" if full else "disk",
        details=reason,
        remedy="free space, for instance with `venvkit gc --cache`" if full else "look at the rights and the device",
    )


def _reason(stderr: str, most: int = 14) -> tuple[str, ...]:
    """uv's reasoning without its progress lines, trimmed to what fits a screen."""
    lines = [line.rstrip() for line in stderr.splitlines() if line.strip()]
    start = next((number for number, line in enumerate(lines) if line.startswith("error")), 0)
    kept = [line if len(line) <= 600 else line[:600] + " ..." for line in lines[start:]]
    return tuple(kept[:most]) + ((f"... {len(kept) - most} more lines",) if len(kept) > most else ())


def _mentions(text: str) -> frozenset[NormalizedName]:
    return frozenset(canonicalize_name(word) for word in _NAME.findall(text))
