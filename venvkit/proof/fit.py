"""Do the distributions of a view fit each other, and the system? Linkage finds suspects, an import of each decides.

A suspect that imports is none. What was learned is kept by the digests of the records, which name every file with its
digest: the same files beside the same files are not imported again.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from venvkit.base import cachefile
from venvkit.base.digest import digest
from venvkit.base.process import Runner
from venvkit.base.reading import parse_toml
from venvkit.host.contents import main_names
from venvkit.host.distribution import Distribution
from venvkit.host.snapshot import HostSnapshot
from venvkit.proof.imports import FailedImport, failed_imports
from venvkit.proof.linkage import DRIVER_LIBRARIES, Linkage, Suspect, is_supported, label, shared_objects, stem
from venvkit.spec.data import data_dir

# Libraries that distributions bring. Others whose names have no version are as private: `libtorch_cuda.so`.
_OF_DISTRIBUTIONS = ("libcu", "libnv", "libnccl", "libc10", "libtorch", "libhip", "libroc", "libamd", "librccl")


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


class Lack(Struct, frozen=True):
    """A distribution that does not import, because the system lacks libraries that no distribution brings.

    Args:
        distribution: `name==version`.
        module: The module that does not import.
        reason: The last line of the import.
        libraries: The libraries, by their sonames.
        packages: The packages of Debian and Ubuntu that bring them, as far as they are known.
    """

    distribution: str
    module: str
    reason: str
    libraries: tuple[str, ...]
    packages: tuple[str, ...]

    def __str__(self) -> str:
        brought = f"; Debian and Ubuntu have it in {', '.join(self.packages)}" if self.packages else ""
        return f"{self.distribution} does not import, since this system lacks {', '.join(self.libraries)}{brought}"


class Fit(Struct, frozen=True):
    """What does not import in a view, because of its shared objects: `unfit` for the view, `lacks` for the system."""

    unfit: tuple[Unfit, ...] = ()
    lacks: tuple[Lack, ...] = ()


class _Case(Struct, frozen=True):
    """A distribution whose import decides: its suspects, and the libraries that are nowhere."""

    item: Distribution
    suspects: tuple[Suspect, ...]
    lost: tuple[str, ...]

    @property
    def providers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for suspect in self.suspects for name in suspect.providers))


def fit_of_view(
    view: Sequence[Distribution],
    new: Collection[str],
    python: Path,
    runner: Runner,
    *,
    folders: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    cache: Path | None = None,
    system: bool = True,
) -> Fit:
    """Return which distributions of a view do not import because of their shared objects.

    Args:
        view: What the child sees.
        new: Names that were put into this view; where none of them has a shared object, nothing is read.
        python: The child's interpreter.
        runner: Its time limit is that of each import.
        folders: Folders that the child's library path names.
        environ: The child's variables.
        cache: Where verdicts are kept; None keeps none.
        system: Look also for distributions that lack nothing but libraries of the system.
    """
    if not is_supported():
        return Fit()
    opens: dict[str, list[str]] = _libraries()["opens"] if system else {}
    own = [item for item in view if item.name in new]
    if not any(item.name in opens or any(True for _ in shared_objects(item)) for item in own):
        return Fit()
    linkage = Linkage(view, str(python), folders)
    cases = list(_cases(view, linkage.suspects(new), _lost(linkage, own, opens) if system else {}))
    items = {label(item): item for item in view}
    places = [cache / f"{_case_digest(case, items, python)}.json" if cache else None for case in cases]
    found = [cachefile.load(place, Fit) if place else None for place in places]
    modules = [sorted(main_names(case.item)) if fit is None else [] for case, fit in zip(cases, found, strict=True)]
    wanted = (module for names in modules for module in names)
    failed = {one.module: one for one in failed_imports(python, wanted, runner, environ=environ)}
    for number, case in enumerate(cases):
        if found[number] is None:
            fit = _judge(case, next((failed[module] for module in modules[number] if module in failed), None))
            found[number] = fit
            if place := places[number]:
                cachefile.store(place, fit)
    fits = [fit for fit in found if fit is not None]
    return Fit(tuple(one for fit in fits for one in fit.unfit), tuple(one for fit in fits for one in fit.lacks))


def _lost(
    linkage: Linkage, own: Sequence[Distribution], opens: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    """Return for distributions, by their labels, the libraries that are nowhere."""
    found = linkage.lost_libraries([item.name for item in own])
    for item in own:
        if missed := tuple(library for library in opens.get(item.name, ()) if not linkage.has_library(library)):
            found[label(item)] = (*found.get(label(item), ()), *missed)
    return found


def _cases(
    view: Sequence[Distribution], suspects: Sequence[Suspect], lost: Mapping[str, tuple[str, ...]]
) -> Iterator[_Case]:
    for item in view:
        name = label(item)
        own = tuple(suspect for suspect in suspects if suspect.distribution == name)
        if own or name in lost:
            yield _Case(item, own, lost.get(name, ()))


def _judge(case: _Case, failed: FailedImport | None) -> Fit:
    """Tell an object that does not fit the view from one that lacks what only the system has.

    What the loader said counts first. Packages catch its words and fail later, for instance at an operator that was
    not registered: then what is missing decides.
    """
    if failed is None or failed.lacks_driver:
        return Fit()
    named = {name for name in failed.unresolved if not name.startswith(DRIVER_LIBRARIES)}
    libraries = tuple(dict.fromkeys(library for suspect in case.suspects for library in suspect.libraries))
    private = [name for name in (named or libraries) if not _is_of_system(name)]
    symbols = tuple(dict.fromkeys(symbol for suspect in case.suspects for symbol in suspect.symbols))
    nowhere = tuple(dict.fromkeys((*case.lost, *(name for name in libraries if _is_of_system(name)))))
    of_system = nowhere and not private
    if case.suspects and not of_system:
        own = (label(case.item), failed.module, failed.reason, libraries, symbols[:20], case.providers)
        return Fit(unfit=(Unfit(*own),))
    if not nowhere or not (named or case.suspects or _libraries()["opens"].get(case.item.name)):
        return Fit()
    latest = tuple({stem(library): library for library in nowhere}.values())
    packages = tuple(dict.fromkeys(filter(None, map(_package_of, latest))))
    return Fit(lacks=(Lack(label(case.item), failed.module, failed.reason, latest, packages),))


def _is_of_system(library: str) -> bool:
    """Tell whether a library, if anything, is one of the system; a symbol is not."""
    return ".so." in library and not library.startswith(_OF_DISTRIBUTIONS)


def _package_of(library: str) -> str:
    packages: dict[str, str] = _libraries()["packages"]
    return packages.get(library) or packages.get(stem(library)) or ""


@functools.cache
def _libraries() -> dict[str, Any]:
    """Return what is known of libraries of the system, see `specs/libraries.toml`."""
    return parse_toml((data_dir() / "libraries.toml").read_bytes())


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
    seen = host.distributions
    found = HostFit(ties, fit_of_view(seen, names, python, runner, environ=quiet, cache=cache, system=False).unfit)
    cachefile.store(place, found)
    return found, True


def _record_facts(item: Distribution) -> list[int]:
    """Return facts that change when the files of a compiled distribution are replaced by those of the same version."""
    try:
        status = os.stat(f"{item.location}/RECORD") if item.compiled else None  # noqa: PTH116 - one for each of a host
    except OSError:
        status = None
    return [status.st_mtime_ns, status.st_ctime_ns, status.st_size] if status is not None else []


def _case_digest(case: _Case, items: Mapping[str, Distribution], python: Path) -> str:
    """Return a digest of the files that a verdict is about, by their records, of what is lost, and the interpreter."""
    files = _files_digest([case.item, *map(items.__getitem__, case.providers)], python)
    return digest([files, case.lost])[:32]


def _files_digest(distributions: Iterable[Distribution], python: Path) -> str:
    """Return a digest of the files of distributions, by their records, and of the interpreter."""
    records = []
    for item in distributions:
        try:
            records.append(hashlib.sha256(Path(item.location, "RECORD").read_bytes()).hexdigest())
        except OSError:
            records.append(item.location)
    return digest([records, os.path.realpath(python)])[:32]
