"""Linkage: do the shared objects of a view find the libraries and symbols that they need?

Only files are read: nothing is imported, and no accelerator is needed. A missing library or symbol makes an object a
suspect, no more: many wheels carry objects that are not meant to load everywhere (one for each FFmpeg version, one for
each GPU), so an import in a process of its own decides (`venvkit.proof.imports`).
"""

from __future__ import annotations

# Text paths throughout: a view has thousands of objects, and a path object costs as much as reading the head of one.
# ruff: noqa: PTH110, PTH118, PTH119, PTH120, PTH207
import functools
import glob
import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from venvkit.host.contents import files
from venvkit.host.distribution import Distribution
from venvkit.host.elf import SharedObject, read_shared_object

# Libraries that the driver of an accelerator brings. A machine without one must not miss them.
DRIVER_LIBRARIES = (
    "libcuda.so", "libnvidia-", "libnvcuvid.so", "libnvoptix.so", "libGLX_nvidia", "libEGL_nvidia", "libcudadebugger",
    "libascend", "libcnrt", "libmusa", "libze_loader.so",
)  # fmt: skip
# A function of the driver interface: `cuMemAlloc`, `nvmlInit`. Those of the runtime start with `cuda` or `cublas`.
_DRIVER_SYMBOL = re.compile(r"cu[A-Z]|nvml[A-Z]")
_MOST_SYMBOLS = 20


class Suspect(Struct, frozen=True):
    """A shared object that lacks a library or a symbol in the view.

    Args:
        distribution: Its distribution, as `name==version`.
        path: The object, relative to its site directory.
        libraries: Needed libraries that neither the view nor the system has.
        symbols: Needed symbols that no library in its closure offers; the first 20.
        count: The number of missing symbols.
        providers: Distributions whose libraries it needs, as `name==version`.
    """

    distribution: str
    path: str
    libraries: tuple[str, ...]
    symbols: tuple[str, ...]
    count: int
    providers: tuple[str, ...]


class _Object(Struct, frozen=True):
    owner: Distribution
    path: str
    head: SharedObject


def stem(library: str) -> str:
    """Return a library's name without its version: `libavutil.so` of `libavutil.so.60`."""
    return f"{library.partition('.so')[0]}.so"


def label(distribution: Distribution) -> str:
    """Return a distribution as `name==version`."""
    return f"{distribution.name}=={distribution.version}"


def shared_objects(distribution: Distribution) -> Iterator[str]:
    """Yield the paths of a distribution's files that are shared objects by their names."""
    for path in files(distribution):
        name = path.rpartition("/")[2]
        if name.endswith(".so") or ".so." in name:
            yield os.path.join(distribution.site_dir, path)


class Linkage:
    """The shared objects of a view, and what each of them needs and offers.

    Args:
        view: The distributions that the child sees, as it sees them.
        interpreter: The child's interpreter: its symbols are there for every extension module.
        folders: Folders of the loader's path that `Environment.environ()` sets.
    """

    def __init__(self, view: Iterable[Distribution], interpreter: str, folders: Sequence[str] = ()) -> None:
        self._folders = tuple(folders)
        self._objects: dict[str, list[_Object]] = {}
        self._named: dict[str, str] = {}
        self._owners: dict[str, Distribution] = {}
        self._offers: dict[str, frozenset[str]] = {}
        for distribution in view:
            paths = map(os.path.realpath, shared_objects(distribution))
            own = [_Object(distribution, path, head) for path in paths if (head := _read(path, symbols=False))]
            self._objects[distribution.name] = own
            for item in own:
                self._owners.setdefault(item.path, distribution)
                for name in filter(None, (os.path.basename(item.path), item.head.soname)):
                    self._named.setdefault(name, item.path)
        self._interpreter, _ = self._closure(os.path.realpath(interpreter))

    def ties(self) -> dict[str, frozenset[str]]:
        """Return for each distribution the names of those whose libraries its objects need."""
        found = {name: frozenset(self._needs(own)) - {name} for name, own in self._objects.items()}
        return {name: others for name, others in found.items() if others}

    def exact_ties(self) -> tuple[tuple[str, str], ...]:
        """Return (owner, provider) of ties through a library without a version in its name.

        Such a name promises nothing from one release to the next (`libtorch.so`, against `libcudart.so.13`).
        """
        found = {
            (name, other)
            for name, own in self._objects.items()
            for other in self._needs(own, lambda library: library.endswith(".so"))
        }
        return tuple(sorted(pair for pair in found if pair[0] != pair[1]))

    def suspects(self, new: Collection[str]) -> tuple[Suspect, ...]:
        """Return the objects that lack something, of distributions that are tied to another one.

        Args:
            new: Names of distributions that were not in this view before; a tie is looked at where either side is new.
        """
        found: list[Suspect] = []
        for name, others in self.ties().items():
            if name in new or others & set(new):
                found += (suspect for item in self._objects[name] if (suspect := self._suspect(item, others)))
        return tuple(found)

    def lost_libraries(self, new: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Return for distributions, as `name==version`, the libraries that neither the view nor the system has.

        Wheels carry one object for each version of a library (FFmpeg): where one version is there, none is missed.
        """
        found: dict[str, tuple[str, ...]] = {}
        for own in (self._objects[name] for name in new if name in self._objects):
            there: set[str] = set()
            lost: dict[str, None] = {}
            for item in own:
                for library in item.head.needed:
                    if self._find(library, item.path, item.head) is not None:
                        there.add(stem(library))
                    elif not library.startswith(DRIVER_LIBRARIES):
                        lost[library] = None
            if missed := tuple(sorted(library for library in lost if stem(library) not in there)):
                found[label(own[0].owner)] = missed
        return found

    def has_library(self, library: str) -> bool:
        """Tell whether the view or the system has a library that a module opens by its name."""
        head = _read(self._interpreter[0], symbols=False)
        return head is not None and self._find(library, self._interpreter[0], head) is not None

    def _needs(self, own: Iterable[_Object], counts: Callable[[str], bool] | None = None) -> Iterator[str]:
        for item in own:
            for library in filter(counts, item.head.needed):
                owner = self._owners.get(self._find(library, item.path, item.head) or "")
                if owner is not None:
                    yield owner.name

    def _suspect(self, item: _Object, others: Collection[str]) -> Suspect | None:
        whole = _read(item.path)
        if whole is None:
            return None
        closure, lost = self._closure(item.path)
        missing = _unresolved(whole.undefined, map(self._offered, (*closure, *self._interpreter)))
        if missing:
            # A package may load its libraries, and those of the packages it is tied to, before this object.
            loaded = (other.path for name in (item.owner.name, *others) for other in self._objects[name])
            missing = _unresolved(missing, map(self._offered, loaded))
        if any(library.startswith(DRIVER_LIBRARIES) for library in lost):
            missing = {symbol for symbol in missing if not _DRIVER_SYMBOL.match(symbol)}
        libraries = tuple(library for library in lost if not library.startswith(DRIVER_LIBRARIES))
        if not missing and not libraries:
            return None
        path = os.path.relpath(item.path, os.path.realpath(item.owner.site_dir))
        providers = tuple(sorted(label(self._objects[name][0].owner) for name in others))
        return Suspect(
            label(item.owner), path, libraries, tuple(sorted(missing)[:_MOST_SYMBOLS]), len(missing), providers
        )

    def _closure(self, path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the objects that are loaded with one, itself first, and the names of those that are nowhere."""
        found: dict[str, None] = {path: None}
        lost: dict[str, None] = {}
        for loaded in (pending := [path]):
            head = _read(loaded, symbols=False)
            if head is None:
                continue
            for library in head.needed:
                other = self._find(library, loaded, head)
                if other is None:
                    lost[library] = None
                elif other not in found:
                    found[other] = None
                    pending.append(other)
        return tuple(found), tuple(lost)

    def _find(self, library: str, path: str, head: SharedObject) -> str | None:
        """Return the library that the loader takes: by rpath, of the given folders, of the system, or of the view.

        One anywhere in the view counts, because packages such as torch load their libraries before the objects.
        """
        origin = os.path.dirname(path)
        rpath = (text.replace("${ORIGIN}", origin).replace("$ORIGIN", origin) for text in head.rpath)
        for folder in (*rpath, *self._folders):
            if os.path.exists(candidate := os.path.join(folder, library)):
                return os.path.realpath(candidate)
        return _of_system(library, head.machine, head.bits) or self._named.get(library)

    def _offered(self, path: str) -> frozenset[str]:
        if path not in self._offers:
            found = _read(path)
            self._offers[path] = frozenset(found.defined) if found is not None else frozenset()
        return self._offers[path]


def _unresolved(needed: Iterable[str], offered: Iterable[frozenset[str]]) -> set[str]:
    """Return the symbols that nobody offers; one without a version on either side fits every version."""
    missing = set(needed)
    scopes = []
    for scope in offered:
        missing -= scope
        if not missing:
            return missing
        scopes.append(scope)
    for scope in scopes:
        bare = {symbol for symbol in missing if symbol.partition("@")[0] in scope}
        missing -= bare
    plain = {symbol for symbol in missing if "@" not in symbol}
    if plain:
        versioned = {symbol.partition("@")[0] for scope in scopes for symbol in scope if "@" in symbol}
        missing -= plain & versioned
    return missing


def _read(path: str, *, symbols: bool = True) -> SharedObject | None:
    """Read a shared object; None also where the file cannot be read."""
    try:
        return read_shared_object(path, symbols=symbols)
    except OSError:
        return None


@functools.cache
def _of_system(library: str, machine: int, bits: int) -> str | None:
    for folder in _system_folders():
        path = os.path.join(folder, library)
        head = _read(path, symbols=False) if os.path.exists(path) else None
        if head is not None and (head.machine, head.bits) == (machine, bits):
            return os.path.realpath(path)
    return None


@functools.cache
def _system_folders() -> tuple[str, ...]:
    """Return the folders in which the loader looks for libraries: those of ld.so.conf, and its own."""
    found = list(_configured("/etc/ld.so.conf"))
    triplet = f"{os.uname().machine}-linux-gnu"
    found += [f"/lib/{triplet}", f"/usr/lib/{triplet}", "/lib64", "/usr/lib64", "/lib", "/usr/lib"]
    return tuple(dict.fromkeys(found))


def _configured(path: str, depth: int = 0) -> Iterator[str]:
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        word, _, rest = line.partition("#")[0].strip().partition(" ")
        if word == "include" and depth < 4:
            for other in sorted(glob.glob(os.path.join(os.path.dirname(path), rest.strip()))):
                yield from _configured(other, depth + 1)
        elif word.startswith("/"):
            yield word


def is_supported() -> bool:
    """Tell whether linkage can be proved here: objects are ELF files, and glibc's loader searches for them."""
    return sys.platform == "linux" and "CS_GNU_LIBC_VERSION" in os.confstr_names
