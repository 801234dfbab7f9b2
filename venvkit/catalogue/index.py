"""The models of one folder of specs, read once and kept until a file or directory in it changes."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct, field

from venvkit.base import cachefile
from venvkit.base.digest import digest
from venvkit.base.documents import decode, format_of, read_document
from venvkit.base.watch import Watch, changed, stat_watch
from venvkit.catalogue.objects import describe, has_block, name_of, numbered, objects_in
from venvkit.catalogue.values import Model, Place
from venvkit.errors import SpecError
from venvkit.spec.fields import kind_of

# Part of the name of an index: raise it when the form changes.
_FORMAT = 4
# Bytes of one file. The largest of the catalogue has 0.7 million.
_LARGEST = 32_000_000
_SHOWN = 3
# Beside the types' folders lies one that is a place of its own.
_BUILTIN = "builtin"
# File systems stamp with the kernel's clock, which is late by up to a tick (10 ms at most): a second change within one
# tick looks like none.
_TICK_NS = 20_000_000


class Bare(Struct, frozen=True):
    """An object without a `virtualenv` block: it cannot be launched, but its owner may ask for it."""

    name: str
    where: str


class Index(Struct, frozen=True):
    """The models of a place, and the watches under which they are current."""

    place: Place
    models: tuple[Model, ...]
    bare: tuple[Bare, ...]
    faults: tuple[str, ...]
    watches: tuple[Watch, ...]


def read_index(place: Place, *, cache_dir: Path | None) -> Index:
    """Return the index of a folder, from the cache where its watches hold.

    Args:
        cache_dir: Where indexes are kept, one file for each place; None, or one that cannot be written, keeps nothing.
    """
    path = cache_dir / f"{digest([_FORMAT, place.kind, place.folder])}.json" if cache_dir else None
    kept = cachefile.load(path, Index) if path else None
    if kept is not None and kept.place == place and changed(kept.watches) is None:
        return kept
    started = time.time_ns()
    reading = _Reading(place)
    index = reading.index()
    if path and not reading.is_barred and _settled(index.watches, started):
        cachefile.store(path, index)
    return index


def _settled(watches: tuple[Watch, ...], started: int) -> bool:
    """Tell whether the folder stood still while it was read, so that any later change will show."""
    times = [value for watch in watches for value in (*watch[2:3], *watch[5:6]) if isinstance(value, int)]
    return max(times, default=0) < started - _TICK_NS and changed(watches) is None


class _Reading(Struct):
    """One reading of a place.

    `is_barred` says whether something could not be read: permission for it may come without any stat showing it.
    """

    place: Place
    models: list[Model] = field(default_factory=list)
    bare: list[Bare] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    watches: list[Watch] = field(default_factory=list)
    seen: set[tuple[int, int, str]] = field(default_factory=set)
    is_barred: bool = False

    def index(self) -> Index:
        for path, type in self._files():
            self.watches.append(stat_watch(path))
            self._read(path, type)
        found = (numbered(self.models), tuple(self.bare), tuple(self.faults), tuple(self.watches))
        return Index(self.place, *found)

    def _files(self) -> Iterator[tuple[str, str]]:
        """Yield the files that may hold models, each with the type that its folder gives."""
        kind, root = self.place.kind, self.place.folder
        if kind in ("specs", "own"):
            yield from ((path, "") for path in self._tree(root, (".json", ".toml")))
            return
        for entry in self._entries(root):
            if not self._is_dir(entry) or (kind == "custom" and entry.name == _BUILTIN):
                continue
            if kind == "host":
                files: Iterable[str] = self._tree(entry.path, (".json",), entry.name)
            else:
                files = self._named(self._entries(entry.path, entry.name), (".json",))
            yield from ((path, entry.name) for path in files)

    def _tree(self, folder: str, suffixes: tuple[str, ...], type: str = "") -> Iterator[str]:
        entries = self._entries(folder, type)
        yield from self._named(entries, suffixes)
        for entry in entries:
            if entry.name != "__pycache__" and self._is_dir(entry):
                yield from self._tree(entry.path, suffixes, type)

    def _entries(self, folder: str, type: str = "") -> list[os.DirEntry[str]]:
        """Return the visible entries of a folder; none where a link leads into it again as `type`."""
        watch = stat_watch(folder)
        self.watches.append(watch)
        try:
            found = os.stat(folder)  # noqa: PTH116 - text paths, as everywhere in an index
            if (found.st_dev, found.st_ino, type) in self.seen:
                return []
            self.seen.add((found.st_dev, found.st_ino, type))
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            self.is_barred = True
            self._fault(folder, f"cannot be read: {error.strerror or error}")
            return []
        shown = [entry for entry in listed if not entry.name.startswith(".") and self._is_text(entry)]
        # Where a link leads to nothing, its folder will not change when there is something.
        self.watches += (stat_watch(one.path) for one in shown if one.is_symlink() and not os.path.exists(one.path))  # noqa: PTH110
        return shown

    def _is_text(self, entry: os.DirEntry[str]) -> bool:
        try:
            entry.name.encode()
        except UnicodeEncodeError:
            self._fault(entry.path.encode("utf-8", "backslashreplace").decode(), "its name is not UTF-8")
            return False
        return True

    def _read(self, path: str, type: str) -> None:
        try:
            # Opening a pipe would wait for its other end.
            if not os.path.isfile(path):  # noqa: PTH113
                raise SpecError("is no file, or a link that leads to none", where=path)
            if (size := os.stat(path).st_size) > _LARGEST:  # noqa: PTH116
                raise SpecError(f"{size:,} bytes are more than a spec may have ({_LARGEST:,})", where=path)
            file = Path(path)
            document = decode(read_document(file, code="spec-not-found"), origin=path, format=format_of(file))
        except (SpecError, OSError) as error:
            self.is_barred |= isinstance(error.__cause__ or error, OSError)
            self._fault(path, error.message if isinstance(error, SpecError) else f"cannot be read: {error.strerror}")
            return
        objects = objects_in(document)
        odd: list[int] = []
        for index, table in enumerate(objects):
            if not isinstance(table, dict) or not name_of(table):
                odd.append(index)
                continue
            model = describe(table, place=self.place, path=path, type=type, index=index, single=len(objects) == 1)
            if has_block(table):
                self.models.append(model)
            else:
                self.bare.append(Bare(model.name, model.origin))
        # A package has other JSON files too, and no fault of theirs is the operator's to correct.
        if odd and self.place.kind != "host":
            self._tell_odd(path, objects, odd)

    def _tell_odd(self, path: str, objects: Sequence[object], odd: Sequence[int]) -> None:
        """Report the objects of a file that are no models, in one fault."""
        first = objects[odd[0]]
        what = (
            "model_name is missing" if isinstance(first, dict) else f"a model spec is an object, not {kind_of(first)}"
        )
        if len(odd) == 1:
            self._fault(path if len(objects) == 1 else f"{path}[{odd[0]}]", what)
            return
        places = ", ".join(f"[{index}]" for index in odd[:_SHOWN]) + (", ..." if len(odd) > _SHOWN else "")
        self._fault(
            path, f"{len(odd):,} of its {len(objects):,} objects are no model specs: {places}; the first: {what}"
        )

    def _fault(self, where: str, what: str) -> None:
        self.faults.append(f"{where}: {what}")

    def _named(self, entries: Iterable[os.DirEntry[str]], suffixes: tuple[str, ...]) -> Iterator[str]:
        return (entry.path for entry in entries if entry.name.lower().endswith(suffixes) and not self._is_dir(entry))

    def _is_dir(self, entry: os.DirEntry[str]) -> bool:
        try:
            return entry.is_dir()
        except OSError as error:
            self.is_barred |= error.errno != errno.ELOOP  # a link that leads to itself will still do so
            return False
