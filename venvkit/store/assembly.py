"""How distributions get into an environment: a strategy behind one interface.

The only one today lets uv install into the venv. Nothing outside an assembly may assume that a file under
site-packages belongs to the environment.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from venvkit.backend.resolver import requirements_file, source_flags
from venvkit.backend.uv import Uv, failure
from venvkit.events import InstallProgress, Observer, PhaseStarted
from venvkit.plan.values import Installed
from venvkit.store.recipe import Recipe


class Assembly(Protocol):
    """Makes an interpreter at a place, and puts a recipe's distributions into it."""

    def create(self, place: Path, recipe: Recipe) -> Path:
        """Create the bare environment at `place` and return its site-packages."""
        ...

    def install(self, place: Path, recipe: Recipe, *, keep_fd: int) -> None:
        """Put the recipe's distributions into it. `keep_fd` is a lock that a writer must hold on to."""
        ...


@dataclass(frozen=True, slots=True)
class UvAssembly:
    """Lets uv create the venv and install into it."""

    uv: Uv
    observer: Observer

    def create(self, place: Path, recipe: Recipe) -> Path:
        """See `Assembly.create`."""
        self.observer(PhaseStarted("create", str(place)))
        done = self.uv.run(["venv", "--quiet", "--no-project", "--python", recipe.interpreter.python, str(place)])
        if done.status != 0:
            raise failure(done)
        return next((place / "lib").glob("*/site-packages"))

    def install(self, place: Path, recipe: Recipe, *, keep_fd: int) -> None:
        """See `Assembly.install`: no resolution, exactly the pins."""
        total = len(recipe.plan.install)
        if not total:
            return
        self.observer(PhaseStarted("install", f"{total} distributions"))
        self.observer(InstallProgress(0, total))
        with tempfile.TemporaryDirectory(prefix="venvkit-") as folder:
            pins = Path(folder, "pins.txt")
            requirements_file(pins, map(_pin_line, recipe.plan.install), recipe.sources)
            args = [
                "pip",
                "install",
                "--no-deps",
                "--python",
                str(place / "bin" / "python"),
                "--requirements",
                str(pins),
            ]
            done = self.uv.run(
                [*args, *source_flags(recipe.sources, recipe.levers)], recipe.sources, keep_fds=[keep_fd]
            )
        if done.status != 0:
            raise failure(done)
        self.observer(InstallProgress(total, total))


def _pin_line(item: Installed) -> str:
    """A checkout is pinned to the commit that was planned; anything else to its version or address."""
    url = item.description.url if item.url and item.url.startswith("git+") else item.url
    return f"{item.name} @ {url}" if url else f"{item.name}=={item.version}"
