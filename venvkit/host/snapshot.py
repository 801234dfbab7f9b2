"""The host snapshot: an interpreter and all it can import, kept as long as its watches hold."""

from __future__ import annotations

import hashlib
import os
import time
from bisect import bisect_left
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from venvkit.base import cachefile
from venvkit.base.digest import digest
from venvkit.base.process import Runner
from venvkit.base.turns import waiting
from venvkit.base.watch import Watch, changed, stat_watch, text_watch, times
from venvkit.host.distribution import Distribution, Unreadable, read_ahead, scan
from venvkit.host.interpreter import Interpreter
from venvkit.host.probe import probe, probe_environ
from venvkit.settings.keys import INTERPRETER_VARIABLES

# Part of the name of a cached snapshot: raise it when the form changes.
_FORMAT = 4
# The kernel changes with a reboot, or with the machine a shared home is mounted on, and decides no plan.
_KERNEL_FACTS = ("platform_release", "platform_version")
_KERNEL_FILES = ("/proc/sys/kernel/osrelease", "/proc/sys/kernel/version")
_TRIES = 3


class HostSnapshot(Struct, frozen=True):
    """The host at one moment.

    Args:
        distributions: Every distribution it can import, sorted by name.
        unreadable: What is in its site directories and could not be taken into account.
        watches: What must not have changed for this to be still true.
        fingerprint: Digest of the content, not of times: a host that was only touched has the same one.
    """

    interpreter: Interpreter
    distributions: tuple[Distribution, ...]
    unreadable: tuple[Unreadable, ...]
    watches: tuple[Watch, ...]
    fingerprint: str

    def find(self, name: str) -> Distribution | None:
        """Return the distribution of that name, in any spelling of it, or None."""
        wanted = _canonical(name)
        index = bisect_left(self.distributions, wanted, key=lambda distribution: distribution.name)
        if index < len(self.distributions) and self.distributions[index].name == wanted:
            return self.distributions[index]
        return None

    @property
    def by_name(self) -> dict[str, Distribution]:
        """A new mapping from PEP 503 names to distributions."""
        return {distribution.name: distribution for distribution in self.distributions}

    def versions(self) -> dict[str, str]:
        """Return a new mapping from PEP 503 names to versions."""
        return {distribution.name: distribution.version for distribution in self.distributions}


def take_snapshot(python: str, *, runner: Runner, cache_dir: Path | None, environ: Mapping[str, str]) -> HostSnapshot:
    """Return the snapshot of the host whose interpreter is at `python`.

    One process when there is no snapshot in `cache_dir` whose watches hold, else none.

    Args:
        cache_dir: Where snapshots are kept; None, or a directory that cannot be written, keeps nothing.

    Raises:
        UsageError: There is no such interpreter, or it is too old.
        MachineError: It does not work.
    """
    kept_at = cache_dir / f"{_cache_key(python, environ)}.json" if cache_dir else None
    kept = _load(kept_at) if kept_at else None
    if kept is not None and changed(kept.watches) is None:
        return kept
    snapshot, settled = _take(python, runner, environ)
    for _ in range(_TRIES - 1):
        if settled:
            break
        snapshot, settled = _take(python, runner, environ)
    # What a version manager's shim starts depends on files that nothing here watches.
    if kept_at and settled and snapshot.interpreter.python == python:
        cachefile.store(kept_at, snapshot)
    return snapshot


# What this process has read of its caches, by path and state of the file: the same host is the same object again, and
# so is all that was read from it.
_loaded: dict[Path, tuple[Watch, HostSnapshot]] = {}
_MOST = 4


def _load(path: Path) -> HostSnapshot | None:
    """Return a cached snapshot; the file is decoded once per process and state of it."""
    state = stat_watch(str(path))
    known = _loaded.get(path)
    if known is not None and known[0] == state and len(state) > 2:
        return known[1]
    kept = cachefile.load(path, HostSnapshot)
    if kept is not None:
        if len(_loaded) >= _MOST:
            _loaded.clear()
        _loaded[path] = (state, kept)
    return kept


def _take(python: str, runner: Runner, environ: Mapping[str, str]) -> tuple[HostSnapshot, bool]:
    """Take a snapshot; also return whether the host stood still meanwhile."""
    started = time.time_ns()
    # While the interpreter starts: what changes meanwhile has a time after `started`, and all is done once more.
    with ThreadPoolExecutor(1) as beside:
        probing = beside.submit(probe, python, runner, environ=environ)
        known = read_ahead(_likely_dirs(python))
        with waiting():
            interpreter = probing.result()
    watches = _watches(python, interpreter)
    distributions, unreadable = scan(interpreter.site_dirs, known=known)
    distributions = tuple(sorted(distributions, key=lambda distribution: distribution.name))
    # An egg-info is rewritten in place by `setup.py develop`; a dist-info is replaced, which its directory
    # shows.
    legacy = [d.location for d in distributions if d.location.endswith("egg-info")]
    late = [stat_watch(path) for location in legacy for path in (location, f"{location}/PKG-INFO")]
    snapshot = HostSnapshot(
        interpreter, distributions, unreadable, (*watches, *late), _fingerprint(interpreter, distributions)
    )
    ended = time.time_ns()
    during = any(started <= time_ns <= ended for watch in snapshot.watches for time_ns in times(watch))
    return snapshot, not during and changed(watches) is None


def _likely_dirs(python: str) -> list[str]:
    """Return where the distributions of an interpreter mostly are: beside the `bin` that it lies in."""
    prefix = os.path.dirname(os.path.dirname(python))  # noqa: PTH120 - text paths, as everywhere in the snapshot
    return sorted(map(str, Path(prefix, "lib").glob("python3*/site-packages")))


def _watches(python: str, interpreter: Interpreter) -> list[Watch]:
    """Return watches of all that decides the content of a snapshot.

    Directories stand for what is in them. Installers never edit METADATA in place: a distribution is
    replaced by removing its dist-info and making another, and both change the time of the directory around
    it. A `.pth` file is edited in place by people, so each has a watch of its own. What imports leave behind
    (`__pycache__`) also changes the time of a directory: then the snapshot is taken again, and its
    fingerprint is the same.
    """
    paths = [python, interpreter.python, f"{interpreter.prefix}/pyvenv.cfg", *interpreter.startup_files]
    paths += [f"{interpreter.stdlib}/EXTERNALLY-MANAGED", *interpreter.missing_dirs]
    for site_dir in interpreter.site_dirs:
        # Also where the interpreter does not look for .pth files itself: a .pth line may have called addsitedir.
        paths += [site_dir, *_pth_files(site_dir)]
    kernel = [text_watch(path) for path in _KERNEL_FILES]
    return [stat_watch(path) for path in dict.fromkeys(paths)] + kernel


def _pth_files(site_dir: str) -> list[str]:
    try:
        entries = os.listdir(site_dir)  # noqa: PTH208 - text paths, as everywhere in the snapshot
    except OSError:
        return []
    return [f"{site_dir}/{entry}" for entry in sorted(entries) if entry.endswith((".pth", ".egg-link"))]


def _fingerprint(interpreter: Interpreter, distributions: tuple[Distribution, ...]) -> str:
    lasting = tuple(fact for fact in interpreter.environment if fact[0] not in _KERNEL_FACTS)
    # A venv has several names for one interpreter (python, python3): which one was named is no difference.
    own = replace(interpreter, python="", environment=lasting, missing_dirs=())
    # Fields come in the order of the class; canonical JSON of a thousand distributions would take three times as long.
    return hashlib.sha256(msgspec.json.encode([own, distributions])).hexdigest()


def _cache_key(python: str, environ: Mapping[str, str]) -> str:
    env = probe_environ(environ)
    user = os.getuid() if hasattr(os, "getuid") else ""  # its user site counts for its owner alone
    return digest([_FORMAT, python, user, [[name, env.get(name)] for name in INTERPRETER_VARIABLES]])


def _canonical(name: str) -> str:
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)
