"""One owner per file: distributions of a view that own the same import path, which no metadata shows.

Two of one folder overwrite each other there, in whatever order they were installed. One of the child hides that of
the host: a file of the same path, and, since the first package with an `__init__` is the only one, every module that
the host alone has in that package. Packages without an `__init__`, or with one that looks further along the path,
are shared by all who have a part of them.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import combinations
from pathlib import Path, PurePosixPath

from venvkit.formats.receipt import Conflict
from venvkit.host.contents import STRAY_NAMES, files, recorded
from venvkit.host.distribution import Distribution
from venvkit.host.metadata import read_text

_MODULE_SUFFIXES = (".py", ".so", ".pyd")
_EMPTY = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
# How an `__init__` says that its package is spread over several folders of the path.
_SPREAD = (b"extend_path", b"declare_namespace")


class _Owner:
    """A distribution and its modules. Its record is parsed when some other one has a name in common with it."""

    def __init__(self, distribution: Distribution) -> None:
        self.distribution = distribution
        self._spread: dict[str, bool] = {}

    @cached_property
    def _record(self) -> str | None:
        return read_text(f"{self.distribution.location}/RECORD")

    @cached_property
    def tops(self) -> frozenset[str]:
        """The first parts of its files' paths, and perhaps of some that are no modules."""
        lines = files(self.distribution) if self._record is None else self._record.splitlines()
        # Few are left after the first step; a digest has no slash.
        heads = {line.partition("/")[0] for line in lines}
        names = {head.partition(",")[0].lstrip('"') for head in heads}
        return frozenset(name for name in names if name != ".." and not name.endswith((".dist-info", ".egg-info")))

    def shares(self, other: _Owner) -> bool:
        """Tell whether both have a part in one top-level name."""
        return bool(self.tops & other.tops) and bool(self.names & other.names)

    def may_share(self, names: Collection[str]) -> bool:
        """Tell whether it may have a part in one of some top-level names: a search of the record, for the many."""
        if self._record is None:
            return True
        return any(name in self._record for name in names) and not self.tops.isdisjoint(names)

    @cached_property
    def modules(self) -> Mapping[str, str]:
        """The digest of each module, as recorded, by its path; empty where none is recorded."""
        if self._record is None:
            return {path: "" for path in files(self.distribution) if _is_module(path)}
        return {
            path: digest.removeprefix("sha256=") if digest.startswith("sha256=") else ""
            for path, digest in recorded(self._record)
            if _is_module(path)
        }

    @property
    def label(self) -> str:
        return f"{self.distribution.name}=={self.distribution.version}"

    def digest(self, path: str) -> str:
        """The content's digest; of the file itself where nothing recorded it."""
        return self.modules[path] or _digest(Path(self.distribution.site_dir, path))

    def is_package(self, folder: str) -> bool:
        """Tell whether it owns the `__init__` of a folder, one that does not look further along the path."""
        if folder in self.folders and folder not in self._spread:
            self._spread[folder] = _is_spread(Path(self.distribution.site_dir, folder, "__init__.py"))
        return not self._spread.get(folder, True)

    def is_hollow(self, path: str) -> bool:
        """Tell whether nothing is lost with a module: an empty `__init__`, as beside libraries that are no modules."""
        return path.endswith("/__init__.py") and self.digest(path) == _EMPTY

    @cached_property
    def folders(self) -> frozenset[str]:
        """The folders whose `__init__` it owns."""
        return frozenset(path.rpartition("/")[0] for path in self.modules if path.endswith("/__init__.py"))

    @cached_property
    def names(self) -> frozenset[str]:
        """The first parts of its modules' paths."""
        return frozenset(path.partition("/")[0] for path in self.modules)


def find_conflicts(
    installed: Iterable[Distribution], visible: Iterable[Distribution], wanted: Collection[str]
) -> tuple[Conflict, ...]:
    """Return the conflicts among what was installed, and between that and the host behind it; one for each pair.

    Args:
        installed: The environment's own distributions, of one folder.
        visible: Those of the host that none of them replaces.
        wanted: Names that the request itself asks for: of two, the other one can be done without.
    """
    owners = [_Owner(item) for item in sorted(installed, key=lambda item: item.name)]
    inside = (_overwritten(one, other, wanted) for one, other in combinations(owners, 2) if one.shares(other))
    names = {name for owner in owners for name in owner.tops}
    across = (_across(owners, other) for other in _sharing(visible, names))
    return tuple(item for item in (*inside, *across) if item is not None)


def _overwritten(one: _Owner, other: _Owner, wanted: Collection[str]) -> Conflict | None:
    path = _first(_differing(one, other))
    if path is None:
        return None
    names = (str(one.distribution.name), str(other.distribution.name))
    # Of `name` and `name-gpu`, the special one is what somebody chose.
    spare = min(names, key=lambda name: (name in wanted, len(name), name))
    return Conflict(one.label, other.label, path, "same-file", f"--exclude {spare}")


def _across(owners: Sequence[_Owner], other: _Owner) -> Conflict | None:
    """Return the conflict of a host distribution with the child's, whose folder is one and comes first."""
    owners = [one for one in owners if one.shares(other)]
    for one in owners:
        if (path := _first(_differing(one, other))) is not None:
            return Conflict(one.label, other.label, path, "same-file", f"--exclude {one.distribution.name}")
    found = dict(_hidden(owners, other))
    path = _first(found)
    if path is None:
        return None
    one = found[path]
    remedy = f"--exclude {one.distribution.name}, or --no-inherit {other.distribution.name} to have both in one place"
    return Conflict(one.label, other.label, path, "split", remedy)


def _differing(one: _Owner, other: _Owner) -> Iterator[str]:
    for path in one.modules.keys() & other.modules.keys():
        if path.endswith("/__init__.py") and not one.is_package(path.rpartition("/")[0]):
            continue
        if one.digest(path) != other.digest(path):
            yield path


def _hidden(owners: Sequence[_Owner], other: _Owner) -> Iterator[tuple[str, _Owner]]:
    """Yield each module that no import reaches, since its package's `__init__` lies in the other folder, and the
    distribution of the child that has a part in that.
    """
    holders = {folder: one for one in reversed(owners) for folder in one.folders}
    paths = {path for one in owners for path in one.modules}
    for path in other.modules.keys() - paths:
        if other.is_hollow(path):
            continue
        holder = _holder(path, holders, other)
        if holder is not None and holder is not other:
            yield path, holder
    for one in owners:
        for path in one.modules.keys() - other.modules.keys():
            if not one.is_hollow(path) and _holder(path, holders, other) is other:
                yield path, one


def _holder(path: str, holders: Mapping[str, _Owner], other: _Owner) -> _Owner | None:
    """Return who owns the outermost package that a module lies in: in that one's folder alone it is looked for."""
    for parent in reversed(PurePosixPath(path).parents[:-1]):
        folder = str(parent)
        if folder in holders and holders[folder].is_package(folder):
            return holders[folder]
        if other.is_package(folder):
            return other
    return None


def _sharing(visible: Iterable[Distribution], names: Collection[str]) -> Iterator[_Owner]:
    """Yield those of the host that have a part in one of the top-level `names`; of the others nothing is parsed."""
    there: dict[str, frozenset[str]] = {}
    for item in visible:
        if item.site_dir not in there:
            there[item.site_dir] = frozenset(n for n in names if os.path.lexists(Path(item.site_dir, n)))
        near = there[item.site_dir]
        if not near or item.editable:
            continue
        owner = _Owner(item)
        if owner.may_share(near) and owner.names & near:
            yield owner


def _is_module(path: str) -> bool:
    """Tell whether an import reaches a path: not what belongs to scripts, metadata or bundled libraries."""
    top, slash, _ = path.partition("/")
    name = top if slash else top.partition(".")[0]
    return path.endswith(_MODULE_SUFFIXES) and name.isidentifier() and name not in STRAY_NAMES


def _first(paths: Iterable[str]) -> str | None:
    """Return the path that tells most: a package's `__init__`, else what lies least deep."""
    ordered = sorted(paths, key=lambda path: (not path.endswith("/__init__.py"), path.count("/"), path))
    return ordered[0] if ordered else None


def _is_spread(path: Path) -> bool:
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return any(word in content for word in _SPREAD)


def _digest(path: Path) -> str:
    try:
        found = hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return ""
    return base64.urlsafe_b64encode(found).rstrip(b"=").decode()
