"""The dynamic section of a shared object: the libraries it needs, and the symbols it needs and offers.

A small reader of ELF files, the format of shared objects on Linux
(https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html, chapters 4 and 5; symbol versions:
https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html). It reads what the
dynamic loader reads, by the program headers, since section headers may be stripped.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator

from msgspec import Struct

_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NEEDED, _DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ, _DT_SONAME = 1, 4, 5, 6, 10, 14
_DT_RPATH, _DT_RUNPATH, _DT_GNU_HASH = 15, 29, 0x6FFFFEF5
_DT_VERSYM, _DT_VERDEF, _DT_VERDEFNUM, _DT_VERNEED, _DT_VERNEEDNUM = (
    0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF,
)  # fmt: skip
_STB_LOCAL, _STB_WEAK = 0, 2
_VER_FLG_BASE = 1
_TABLES = 1 << 22  # entries of one table; a file that claims more is damaged


class SharedObject(Struct, frozen=True):
    """The facts of one shared object that the loader uses.

    Args:
        machine: The architecture's number (`e_machine`): 62 is x86-64, 183 is AArch64.
        bits: 32 or 64.
        soname: The name under which others need it; empty where it has none.
        needed: The libraries it needs (DT_NEEDED), in the loader's order.
        rpath: Folders of DT_RUNPATH, else of DT_RPATH, as they are written (`$ORIGIN` among them).
        undefined: The symbols it needs, `name` or `name@VERSION`; without weak ones, which may be missing.
        defined: The symbols it offers, written alike.
    """

    machine: int
    bits: int
    soname: str
    needed: tuple[str, ...]
    rpath: tuple[str, ...]
    undefined: tuple[str, ...]
    defined: tuple[str, ...]


def read_shared_object(path: str | os.PathLike[str], *, symbols: bool = True) -> SharedObject | None:
    """Read a shared object; None where the file is no ELF file, has no dynamic section, or is damaged.

    Args:
        symbols: Read the symbols as well; without them a large library takes microseconds.

    Raises:
        OSError: The file cannot be read.
    """
    with open(path, "rb") as file:  # noqa: PTH123 - thousands are read, and a path object costs as much as one
        if os.fstat(file.fileno()).st_size < 64:
            return None
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as image:
            if image[:4] != b"\x7fELF":
                return None
            try:
                return _Reader(image).read(symbols=symbols)
            except (struct.error, ValueError, LookupError, OverflowError):
                return None


class _Reader:
    """Reads one image. Offsets that lead outside raise, and the caller takes that for damage."""

    def __init__(self, image: mmap.mmap) -> None:
        self._image = image
        self._wide = image[4] == 2
        self._order = "<" if image[5] == 1 else ">"
        self._segments: list[tuple[int, int, int]] = []
        self._strings = b""

    def read(self, *, symbols: bool) -> SharedObject | None:
        machine = self._unpack("H", 18)[0]
        tags = self._tags()
        if not tags:
            return None
        self._strings = self._string_table(tags)
        undefined, defined = self._symbols(tags) if symbols else ((), ())
        rpath = tags.get(_DT_RUNPATH) or tags.get(_DT_RPATH) or []
        return SharedObject(
            machine=machine,
            bits=64 if self._wide else 32,
            soname=self._text(tags[_DT_SONAME][0]) if _DT_SONAME in tags else "",
            needed=tuple(map(self._text, tags.get(_DT_NEEDED, ()))),
            rpath=tuple(filter(None, ":".join(map(self._text, rpath)).split(":"))),
            undefined=undefined,
            defined=defined,
        )

    def _unpack(self, form: str, offset: int) -> tuple[int, ...]:
        return struct.unpack_from(self._order + form, self._image, offset)

    def _tags(self) -> dict[int, list[int]]:
        """Return the values of the dynamic section by their tags."""
        start, size, count = (
            (self._unpack("Q", 32)[0], *self._unpack("HH", 54)) if self._wide
            else (self._unpack("I", 28)[0], *self._unpack("HH", 42))
        )  # fmt: skip
        dynamic: tuple[int, int] | None = None
        for number in range(count):
            at = start + number * size
            if self._wide:
                kind, _, offset, address, _, length = self._unpack("IIQQQQ", at)
            else:
                kind, offset, address, _, length = self._unpack("IIIII", at)
            if kind == _PT_LOAD:
                self._segments.append((address, length, offset))
            elif kind == _PT_DYNAMIC:
                dynamic = (offset, length)
        tags: dict[int, list[int]] = {}
        if dynamic is not None:
            for tag, value in self._rows("qQ" if self._wide else "iI", dynamic[0], dynamic[1]):
                if tag == 0:
                    break
                tags.setdefault(tag, []).append(value)
        return tags

    def _rows(self, form: str, offset: int, length: int) -> Iterator[tuple[int, ...]]:
        row = struct.Struct(self._order + form)
        if not 0 <= offset <= len(self._image) or length > len(self._image) - offset:
            raise ValueError("a table leads outside the file")
        return row.iter_unpack(self._image[offset : offset + length // row.size * row.size])

    def _offset(self, address: int) -> int:
        for start, length, offset in self._segments:
            if start <= address < start + length:
                return offset + address - start
        raise ValueError("an address lies in no segment")

    def _string_table(self, tags: dict[int, list[int]]) -> bytes:
        start = self._offset(tags[_DT_STRTAB][0])
        size = tags.get(_DT_STRSZ, [0])[0]
        return self._image[start : start + size]

    def _text(self, at: int) -> str:
        return self._strings[at : self._strings.index(b"\0", at)].decode("utf-8", "backslashreplace")

    def _symbols(self, tags: dict[int, list[int]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the symbols that are needed and those that are offered."""
        if _DT_SYMTAB not in tags:
            return (), ()
        count = self._symbol_count(tags)
        form = struct.Struct(self._order + ("IBBHQQ" if self._wide else "IIIBBH"))
        start = self._offset(tags[_DT_SYMTAB][0])
        rows = self._rows("IBBHQQ" if self._wide else "IIIBBH", start, count * form.size)
        versions = self._versions(tags, count)
        undefined, defined = [], []
        for number, row in enumerate(rows):
            name, info, section = (row[0], row[1], row[3]) if self._wide else (row[0], row[3], row[5])
            binding = info >> 4
            if binding == _STB_LOCAL or not name:
                continue
            version = versions[number] if versions else ""
            symbol = f"{self._text(name)}@{version}" if version else self._text(name)
            if section:
                defined.append(symbol)
            elif binding != _STB_WEAK:
                undefined.append(symbol)
        return tuple(undefined), tuple(defined)

    def _symbol_count(self, tags: dict[int, list[int]]) -> int:
        if _DT_HASH in tags:
            count = self._unpack("I", self._offset(tags[_DT_HASH][0]) + 4)[0]
        elif _DT_GNU_HASH in tags:
            count = self._gnu_hash_count(self._offset(tags[_DT_GNU_HASH][0]))
        else:
            return 0
        if count > _TABLES:
            raise ValueError("more symbols than a file can have")
        return count

    def _gnu_hash_count(self, at: int) -> int:
        """Return the number of symbols: the last chain of the last bucket ends with them."""
        buckets, first, bloom, _ = self._unpack("IIII", at)
        if buckets > _TABLES or bloom > _TABLES:
            raise ValueError("more buckets than a file can have")
        chains = at + 16 + bloom * (8 if self._wide else 4) + buckets * 4
        last = max((row[0] for row in self._rows("I", chains - buckets * 4, buckets * 4)), default=0)
        if last < first:
            return first
        while not self._unpack("I", chains + (last - first) * 4)[0] & 1:
            last += 1
        return last + 1

    def _versions(self, tags: dict[int, list[int]], count: int) -> list[str]:
        """Return the version of each symbol; empty where the object has no versions."""
        if _DT_VERSYM not in tags:
            return []
        names = {0: "", 1: ""}
        if _DT_VERDEF in tags:
            self._add_definitions(self._offset(tags[_DT_VERDEF][0]), tags[_DT_VERDEFNUM][0], names)
        if _DT_VERNEED in tags:
            self._add_needs(self._offset(tags[_DT_VERNEED][0]), tags[_DT_VERNEEDNUM][0], names)
        rows = self._rows("H", self._offset(tags[_DT_VERSYM][0]), count * 2)
        return [names.get(row[0] & 0x7FFF, "") for row in rows]

    def _add_definitions(self, at: int, count: int, names: dict[int, str]) -> None:
        for _ in range(min(count, _TABLES)):
            _, flags, index, _, _, auxiliary, following = self._unpack("HHHHIII", at)
            if not flags & _VER_FLG_BASE:  # the base entry names the file, not a version
                names[index & 0x7FFF] = self._text(self._unpack("I", at + auxiliary)[0])
            if not following:
                break
            at += following

    def _add_needs(self, at: int, count: int, names: dict[int, str]) -> None:
        for _ in range(min(count, _TABLES)):
            _, entries, _, auxiliary, following = self._unpack("HHIII", at)
            entry = at + auxiliary
            for _ in range(entries):
                _, _, other, name, step = self._unpack("IHHII", entry)
                names[other & 0x7FFF] = self._text(name)
                if not step:
                    break
                entry += step
            if not following:
                break
            at += following
