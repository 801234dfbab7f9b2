"""The shells of a store, and the environments that they lead to."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Literal

from msgspec import Struct

from venvkit.base.files import listed
from venvkit.base.reading import content_of
from venvkit.formats.mark import KEPT, MARK, Mark, is_newer_mark, read_mark
from venvkit.formats.pointer import POINTER, pointed_to
from venvkit.store.layout import Layout

ENVIRONMENT_NAME = re.compile(r"[0-9a-f]+-\d+")
_NAMED = re.compile(rb"envs/([0-9a-f]+-\d+)")


class Shell(Struct, frozen=True):
    """A directory that stands where a shell stands.

    Args:
        state: `ours`: its mark can be read. `spoilt`: it is ours, and its mark cannot be read. `newer`: a later version
            of venvkit made it. `foreign`: it was not made by venvkit.
        mark: Only of those that are `ours`.
        pointed: The environments that its `.pth` leads to; where the mark cannot be read, all that it may lead to.
        made: When its mark was last written, in seconds since the epoch.
    """

    path: Path
    state: Literal["ours", "spoilt", "newer", "foreign"]
    mark: Mark | None
    pointed: frozenset[Path]
    made: float = 0.0

    @property
    def model(self) -> str:
        """The model's name, from the path."""
        return self.path.parent.parent.name

    @property
    def engine(self) -> str:
        """The engine in lower case, from the path; `default` where there is none."""
        return self.path.parent.name

    @property
    def python(self) -> str:
        """The version of its interpreter, from the path."""
        return self.path.name

    @property
    def environment(self) -> Path | None:
        """The environment in force; None where that is not known."""
        if self.mark is not None:
            return self.mark.environment
        return next(iter(self.pointed)) if len(self.pointed) == 1 else None

    @property
    def in_force(self) -> frozenset[Path]:
        """What a process that starts now may get: the environment in force, and what the `.pth` leads to."""
        return self.pointed | ({self.mark.environment} if self.mark is not None else set())

    def wants(self, keep_last: int | None, there: Container[Path]) -> frozenset[Path]:
        """Return the environments that the shell needs.

        Args:
            keep_last: How many of its generations are kept, the one in force among them; None: as many as by default.
            there: The environments that exist: others do not count.
        """
        if self.mark is None:
            return self.pointed
        present = [item.environment for item in self.mark.generations if item.environment in there]
        count = KEPT if keep_last is None else keep_last
        kept = present[:count] if self.mark.environment in present[:count] else present[: count - 1]
        return self.in_force | set(kept)


def read_shells(layout: Layout) -> tuple[Shell, ...]:
    """Read everything that stands where shells stand, ours or not, sorted by path."""
    engines = (engine for model in listed(layout.shells) for engine in listed(model))
    shells = (shell for engine in engines for shell in listed(engine))
    found = sorted(Path(shell) for shell in shells if not os.path.basename(shell).startswith("."))  # noqa: PTH119
    return tuple(read_shell(layout, path) for path in found if path.is_dir())


def read_shell(layout: Layout, path: Path) -> Shell:
    """Read one shell."""
    mark, pointed = read_mark(path), _pointed(path)
    try:
        made = (path / MARK).lstat().st_mtime
    except OSError:
        return Shell(path, "spoilt" if pointed else "foreign", None, pointed)
    if mark is not None:
        return Shell(path, "ours", mark, pointed, made)
    # What it may lead to stays: as much of the mark as is there names environments, and so do the links to scripts.
    texts = [content_of(path / MARK), *(os.fsencode(link) for link in _links(path / "bin"))]
    named = {layout.envs / os.fsdecode(name) for text in texts for name in _NAMED.findall(text)}
    return Shell(path, "newer" if is_newer_mark(path) else "spoilt", None, pointed | named, made)


def wanted_environments(layout: Layout) -> set[Path]:
    """Return every environment that a shell leads to or remembers."""
    shells = read_shells(layout)
    remembered = {path for shell in shells if shell.mark is not None for path in shell.mark.environments}
    return remembered.union(*(shell.pointed for shell in shells))


def shell_target(shell: Path) -> Path | None:
    """Return the environment that a shell is to point to; None when this is no shell of ours."""
    mark = read_mark(shell)
    return mark.environment if mark is not None else None


def _pointed(shell: Path) -> frozenset[Path]:
    found = (pointed_to(content_of(f"{version}/site-packages/{POINTER}")) for version in listed(shell / "lib"))
    # <environment>/lib/<python>/site-packages
    return frozenset(Path(path).parents[2] for path in found if len(Path(path).parents) > 2)


def _links(folder: Path) -> Iterator[str]:
    for path in listed(folder):
        if os.path.islink(path):  # noqa: PTH114 - text, as it was listed
            yield os.readlink(path)  # noqa: PTH115
