"""What environments cost on the disk: by inode, because files are linked between them and uv's cache."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

_BLOCK = 512


class Usage(Struct, frozen=True):
    """The inodes of some trees, all on one filesystem.

    Args:
        links: For each tree the inode of every name in it.
        blocks: What each inode has allocated, in blocks of 512 bytes.
        total_links: How many names each inode has on the whole filesystem.
    """

    links: Mapping[Path, Sequence[int]]
    blocks: Mapping[int, int]
    total_links: Mapping[int, int]

    def size(self, trees: Iterable[Path]) -> int:
        """Return the bytes that `trees` hold together, each inode once."""
        return Held(self, trees).size

    def freed(self, trees: Iterable[Path]) -> int:
        """Return the bytes that the disk gets back when `trees` go: of inodes that lose their last name."""
        return Freed(self).drop(trees)


class Held:
    """The bytes that some trees hold together, while one after another goes."""

    def __init__(self, usage: Usage, trees: Iterable[Path]) -> None:
        self._usage = usage
        self._holders: Counter[int] = Counter()
        for tree in trees:
            self._holders.update(set(usage.links[tree]))
        self.size = sum(usage.blocks[inode] for inode in self._holders) * _BLOCK

    def drop(self, tree: Path) -> None:
        """Take a tree away."""
        for inode in set(self._usage.links[tree]):
            self._holders[inode] -= 1
            if not self._holders[inode]:
                self.size -= self._usage.blocks[inode] * _BLOCK


class Freed:
    """The bytes that the disk gets back, while one tree after another goes."""

    def __init__(self, usage: Usage) -> None:
        self._usage = usage
        self._names = dict(usage.total_links)

    def drop(self, trees: Iterable[Path]) -> int:
        """Take trees away, and return the bytes of inodes that lose their last name with them."""
        blocks = 0
        for tree in trees:
            for inode in self._usage.links.get(tree, ()):
                self._names[inode] -= 1
                if not self._names[inode]:
                    blocks += self._usage.blocks[inode]
        return blocks * _BLOCK


def measure(trees: Iterable[Path]) -> Usage:
    """Walk `trees`, links not followed; what cannot be read counts nothing.

    A file is looked at once, under the first of its names: of a thousand environments most files are links.
    """
    links: dict[Path, list[int]] = {}
    blocks: dict[int, int] = {}
    totals: dict[int, int] = {}
    for tree in trees:
        names = links.setdefault(tree, [])
        pending = [os.fspath(tree)]
        while pending:
            folder = pending.pop()
            try:
                own = os.lstat(folder)
                names.append(own.st_ino)
                # A folder's link count is of its subfolders; it has one name.
                blocks[own.st_ino] = own.st_blocks
                totals[own.st_ino] = 1 if stat.S_ISDIR(own.st_mode) else own.st_nlink
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(entry.path)
                            continue
                        inode = entry.inode()
                        if inode not in blocks:
                            found = entry.stat(follow_symlinks=False)
                            blocks[inode], totals[inode] = found.st_blocks, found.st_nlink
                        names.append(inode)
            except OSError:
                continue
    return Usage(links, blocks, totals)
