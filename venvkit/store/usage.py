"""What environments cost on the disk: by inode, because files are linked between them and uv's cache."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_BLOCK = 512

Inode = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Usage:
    """The inodes of some trees.

    Args:
        links: For each tree, how many of its names lead to each inode.
        bytes_of: Allocated bytes of each inode.
        total_links: How many names each inode has on the whole filesystem.
    """

    links: Mapping[Path, Mapping[Inode, int]]
    bytes_of: Mapping[Inode, int]
    total_links: Mapping[Inode, int]

    def size(self, trees: Iterable[Path]) -> int:
        """Return the bytes that `trees` hold together, each inode once."""
        return sum(self.bytes_of[inode] for inode in {inode for tree in trees for inode in self.links[tree]})

    def freed(self, trees: Iterable[Path]) -> int:
        """Return the bytes that the disk gets back when `trees` go: of inodes that lose their last name."""
        gone: Counter[Inode] = Counter()
        for tree in trees:
            gone.update(self.links[tree])
        return sum(self.bytes_of[inode] for inode, count in gone.items() if count >= self.total_links[inode])


def measure(trees: Iterable[Path]) -> Usage:
    """Walk `trees`, links not followed; what cannot be read counts nothing."""
    links: dict[Path, Counter[Inode]] = {}
    sizes: dict[Inode, int] = {}
    totals: dict[Inode, int] = {}
    for tree in trees:
        found = links.setdefault(tree, Counter())
        for inode, stat in _walk(tree):
            found[inode] += 1
            sizes[inode] = stat.st_blocks * _BLOCK
            # A folder's link count is of its subfolders; it has one name.
            totals[inode] = 1 if _is_folder(stat) else stat.st_nlink
    return Usage(links, sizes, totals)


def _is_folder(stat: os.stat_result) -> bool:
    return stat.st_mode & 0o170000 == 0o040000


def _walk(tree: Path) -> Iterable[tuple[Inode, os.stat_result]]:
    pending = [os.fspath(tree)]
    while pending:
        folder = pending.pop()
        try:
            own = os.lstat(folder)
            yield (own.st_dev, own.st_ino), own
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                        continue
                    stat = entry.stat(follow_symlinks=False)
                    yield (stat.st_dev, stat.st_ino), stat
        except OSError:
            continue
