"""The reader of shared objects against pyelftools, over the objects that this machine has, and over damaged ones."""

from __future__ import annotations

import os
import random
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerDefSection, GNUVerNeedSection, GNUVerSymSection

from venvkit.host.elf import read_shared_object

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="shared objects are ELF files on Linux alone")

_FOLDERS = (sysconfig.get_path("platlib"), sysconfig.get_path("stdlib"), "/usr/lib/x86_64-linux-gnu", "/usr/lib64")
# More than 1,300 agree on a machine with scipy, pyarrow and the like; these take two seconds.
_MOST = 150
_LARGEST = 1_500_000


def _objects() -> list[Path]:
    found = {
        Path(folder, name).resolve()
        for top in _FOLDERS
        for folder, _, names in os.walk(top)
        for name in names
        if name.endswith(".so") or ".so." in name
    }
    return sorted(path for path in found if path.is_file() and path.stat().st_size < _LARGEST)[:_MOST]


def _versions(elf: ELFFile) -> dict[int, str]:
    names = {}
    for section in elf.iter_sections():
        if isinstance(section, GNUVerNeedSection):
            names |= {item["vna_other"]: item.name for _, items in section.iter_versions() for item in items}
        elif isinstance(section, GNUVerDefSection):
            for entry, items in section.iter_versions():
                if not entry["vd_flags"] & 1:
                    names[entry["vd_ndx"]] = next(iter(items)).name
    return names


def _symbols(elf: ELFFile) -> Iterator[tuple[bool, str]]:
    """Yield (defined, name) of each dynamic symbol that counts."""
    table = elf.get_section_by_name(".dynsym")
    indexes = next((one for one in elf.iter_sections() if isinstance(one, GNUVerSymSection)), None)
    names = _versions(elf)
    for number, symbol in enumerate(table.iter_symbols() if table is not None else ()):
        if not symbol.name or symbol["st_info"]["bind"] == "STB_LOCAL":
            continue
        index = indexes.get_symbol(number)["ndx"] if indexes is not None else 0
        version = names.get(index & 0x7FFF, "") if isinstance(index, int) else ""
        defined = symbol["st_shndx"] != "SHN_UNDEF"
        if defined or symbol["st_info"]["bind"] != "STB_WEAK":
            yield defined, f"{symbol.name}@{version}" if version else symbol.name


def test_the_reader_agrees_with_pyelftools() -> None:
    compared = 0
    for path in _objects():
        ours = read_shared_object(path)
        with path.open("rb") as file:
            if file.read(4) != b"\x7fELF":
                assert ours is None, path
                continue
            elf = ELFFile(file)
            dynamic = next((one for one in elf.iter_segments() if isinstance(one, DynamicSegment)), None)
            if dynamic is None:
                assert ours is None, path
                continue
            assert ours is not None, path
            assert list(ours.needed) == [tag.needed for tag in dynamic.iter_tags("DT_NEEDED")], path
            assert [ours.soname] == ([tag.soname for tag in dynamic.iter_tags("DT_SONAME")] or [""]), path
            runpath = [tag.runpath for tag in dynamic.iter_tags("DT_RUNPATH")]
            rpath = runpath or [tag.rpath for tag in dynamic.iter_tags("DT_RPATH")]
            assert list(ours.rpath) == [part for text in rpath for part in text.split(":") if part], path
            assert ours.bits == elf.elfclass, path
            symbols = list(_symbols(elf))
        assert set(ours.defined) == {name for defined, name in symbols if defined}, path
        assert set(ours.undefined) == {name for defined, name in symbols if not defined}, path
        compared += 1
    assert compared >= 30


def test_heads_are_the_same_without_symbols() -> None:
    for path in _objects()[:50]:
        whole, head = read_shared_object(path), read_shared_object(path, symbols=False)
        if whole is not None:
            assert head is not None
            assert (head.needed, head.soname, head.rpath) == (whole.needed, whole.soname, whole.rpath)
            assert head.defined == ()


def test_damaged_files_are_no_objects(tmp_path: Path) -> None:
    """Cut and scrambled objects never raise and never take long."""
    source = max(_objects()[:100], key=lambda path: path.stat().st_size if path.stat().st_size < 500_000 else 0)
    content = source.read_bytes()
    dice = random.Random(7)
    file = tmp_path / "x.so"
    for cut in (0, 3, 63, 64, 100, len(content) // 2):
        file.write_bytes(content[:cut])
        read_shared_object(file)
    for _ in range(300):
        scrambled = bytearray(content)
        for _ in range(dice.randrange(1, 60)):
            scrambled[dice.randrange(min(len(scrambled), 4096))] = dice.randrange(256)
        file.write_bytes(scrambled)
        read_shared_object(file)
    file.write_text("/* GNU ld script */ INPUT(libm.so.6)")
    assert read_shared_object(file) is None
    with pytest.raises(FileNotFoundError):
        read_shared_object(tmp_path / "none.so")
