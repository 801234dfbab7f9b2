"""The shells of a store, and the environments that they need."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from venvkit.base.files import listed
from venvkit.base.reading import content_of
from venvkit.formats.mark import Mark, read_mark
from venvkit.formats.pointer import POINTER, pointed_to
from venvkit.store.layout import Layout


def shells_of(layout: Layout) -> list[Path]:
    """Return everything that stands where shells stand, ours or not, sorted by path."""
    engines = (engine for model in listed(layout.shells) for engine in listed(model))
    shells = (shell for engine in engines for shell in listed(engine))
    found = (Path(shell) for shell in shells if not os.path.basename(shell).startswith("."))  # noqa: PTH119
    return sorted(path for path in found if path.is_dir())


def wanted_environments(layout: Layout, keep_last: int | None = None) -> set[Path]:
    """Return the environments that shells want: those in force and the generations that they keep."""
    return {environment for shell in shells_of(layout) for environment in wanted_by(shell, keep_last)}


def shell_target(shell: Path) -> Path | None:
    """Return the environment that a shell is to point to; None when this is no shell of ours."""
    mark = read_mark(shell)
    return mark.environment if mark is not None else None


def wanted_by(shell: Path, keep_last: int | None = None) -> set[Path]:
    """Return the environments that a shell needs: its generations, and what its `.pth` leads to at this instant."""
    mark = read_mark(shell)
    return pointed_environments(shell) if mark is None else wanted_by_mark(shell, mark, keep_last)


def wanted_by_mark(shell: Path, mark: Mark, keep_last: int | None = None) -> set[Path]:
    """Return what a shell needs whose mark was read just now; see `wanted_by`."""
    kept = mark if keep_last is None else mark.keeping(keep_last)
    return {mark.environment, *(item.environment for item in kept.generations)} | pointed_environments(shell)


def pointed_environments(shell: Path) -> set[Path]:
    """Return what a shell's `.pth` leads to, also where the shell's mark is spoilt or of a later version."""
    return {found for path in _pointers(shell) if (found := _environment_of(path)) is not None}


def _pointers(shell: Path) -> Iterator[Path]:
    for version in listed(shell / "lib"):
        yield Path(version, "site-packages", POINTER)


def _environment_of(pointer: Path) -> Path | None:
    """Return the environment that a shell's `.pth` leads to: `<environment>/lib/<python>/site-packages`."""
    site_packages = pointed_to(content_of(pointer))
    return Path(site_packages).parents[2] if site_packages and len(Path(site_packages).parents) > 2 else None
