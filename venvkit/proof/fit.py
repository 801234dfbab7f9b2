"""Do the distributions of a view fit each other? Linkage finds suspects, an import of each decides.

A suspect that imports is none. What was learned is kept by the digests of the records, which name every file with its
digest: the same files beside the same files are not imported again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from venvkit.base import cachefile
from venvkit.base.digest import digest
from venvkit.base.process import Runner
from venvkit.host.contents import import_names
from venvkit.host.distribution import Distribution
from venvkit.host.snapshot import HostSnapshot
from venvkit.proof.imports import failed_imports
from venvkit.proof.linkage import Linkage, Suspect, is_supported, label, shared_objects


class Unfit(Struct, frozen=True):
    """A distribution that does not import, because its shared objects do not fit the rest of the view.

    Args:
        distribution: `name==version`.
        module: The module that does not import.
        reason: The last line of the import.
        libraries: Needed libraries that are nowhere.
        symbols: Needed symbols that are nowhere; the first 20.
        providers: The distributions that it does not fit, as `name==version`.
    """

    distribution: str
    module: str
    reason: str
    libraries: tuple[str, ...]
    symbols: tuple[str, ...]
    providers: tuple[str, ...]

    @property
    def name(self) -> str:
        """The distribution's name."""
        return self.distribution.partition("==")[0]

    @property
    def version(self) -> str:
        """The distribution's version."""
        return self.distribution.partition("==")[2]

    def __str__(self) -> str:
        missing = ", ".join((*self.libraries, *self.symbols[:3]))
        return f"{self.distribution} does not fit {', '.join(self.providers)}: {self.reason} (missing: {missing})"


def unfit_distributions(
    view: Sequence[Distribution],
    new: Collection[str],
    python: Path,
    runner: Runner,
    *,
    folders: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    cache: Path | None = None,
) -> tuple[Unfit, ...]:
    """Return the distributions of a view that do not fit the others.

    Args:
        view: What the child sees.
        new: Names that were put into this view; where none of them has a shared object, nothing is read.
        python: The child's interpreter.
        folders: Folders that the child's library path names.
        environ: The child's variables.
        cache: Where verdicts are kept; None keeps none.
    """
    if not is_supported() or not any(True for item in view if item.name in new for _ in shared_objects(item)):
        return ()
    suspects: dict[str, list[Suspect]] = {}
    for suspect in Linkage(view, str(python), folders).suspects(new):
        suspects.setdefault(suspect.distribution, []).append(suspect)
    items = {label(item): item for item in view}
    return tuple(
        unfit
        for name, found in suspects.items()
        if (unfit := _verdict(items[name], found, items, python, runner, environ, cache)) is not None
    )


class HostFit(Struct, frozen=True):
    """How the distributions of a host fit each other, before any plan.

    Args:
        ties: (owner, provider): the owner's objects need a library of the provider that promises nothing from one
            release to the next.
        unfit: Distributions that do not import, because they do not fit the others.
    """

    ties: tuple[tuple[str, str], ...] = ()
    unfit: tuple[Unfit, ...] = ()


def host_fit(host: HostSnapshot, runner: Runner, cache: Path, environ: Mapping[str, str]) -> tuple[HostFit, bool]:
    """Return how a host's distributions fit each other, and whether this was not known before.

    The objects of a host with torch are read in about a second, once for each state of the host.

    Args:
        cache: Folder in which the answer is kept.
        environ: The variables with which the host's interpreter is started; no byte-code is written.
    """
    if not is_supported():
        return HostFit(), False
    place = cache / f"{digest([host.fingerprint, *map(_record_facts, host.distributions)])[:32]}.fit.json"
    known = cachefile.load(place, HostFit)
    if known is not None:
        return known, False
    ties = Linkage(host.distributions, host.interpreter.python).exact_ties()
    names = {item.name for item in host.distributions}
    quiet = {**environ, "PYTHONDONTWRITEBYTECODE": "1"}
    python = Path(host.interpreter.python)
    unfit = unfit_distributions(host.distributions, names, python, runner, environ=quiet, cache=cache)
    found = HostFit(ties, unfit)
    cachefile.store(place, found)
    return found, True


def _record_facts(item: Distribution) -> list[int]:
    """Return facts that change when the files of a compiled distribution are replaced by those of the same version."""
    try:
        status = os.stat(f"{item.location}/RECORD") if item.compiled else None  # noqa: PTH116 - one for each of a host
    except OSError:
        status = None
    return [status.st_mtime_ns, status.st_ctime_ns, status.st_size] if status is not None else []


def _verdict(
    item: Distribution,
    suspects: Sequence[Suspect],
    items: Mapping[str, Distribution],
    python: Path,
    runner: Runner,
    environ: Mapping[str, str] | None,
    cache: Path | None,
) -> Unfit | None:
    providers = tuple(dict.fromkeys(name for suspect in suspects for name in suspect.providers))
    place = cache / f"{_files_digest([item, *map(items.__getitem__, providers)], python)}.json" if cache else None
    known = cachefile.load(place, list[Unfit]) if place is not None else None
    if known is None:
        failed = failed_imports(python, sorted(import_names(item)), runner, environ=environ)
        known = [
            Unfit(
                label(item),
                one.module,
                one.reason,
                tuple(dict.fromkeys(library for suspect in suspects for library in suspect.libraries)),
                tuple(dict.fromkeys(symbol for suspect in suspects for symbol in suspect.symbols))[:20],
                providers,
            )
            for one in failed[:1]
        ]
        if place is not None:
            cachefile.store(place, known)
    return known[0] if known else None


def _files_digest(distributions: Iterable[Distribution], python: Path) -> str:
    """Return a digest of the files of distributions, by their records, and of the interpreter."""
    records = []
    for item in distributions:
        try:
            records.append(hashlib.sha256(Path(item.location, "RECORD").read_bytes()).hexdigest())
        except OSError:
            records.append(item.location)
    return digest([records, os.path.realpath(python)])[:32]
