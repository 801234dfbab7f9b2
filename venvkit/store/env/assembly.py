"""How distributions get into an environment: a strategy behind one interface.

The one here lets uv install into the venv. Nothing outside an assembly may assume that a file under
site-packages belongs to the environment.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import canonicalize_name

from venvkit.events import InstallProgress, Observer, PhaseStarted
from venvkit.plan.values import Installed
from venvkit.store.env.bare import BareVenvs
from venvkit.store.env.recipe import Recipe
from venvkit.tools.failure import warnings
from venvkit.tools.requestfiles import RequestFiles
from venvkit.tools.uv.client import Uv


class Assembly(Protocol):
    """Makes an interpreter at a place, and puts a recipe's distributions into it."""

    def folders(self, place: Path) -> tuple[Path, ...]:
        """Return the folders that making an environment at `place` writes much into."""
        ...

    def create(self, place: Path, recipe: Recipe, *, keep_fds: Sequence[int]) -> Path:
        """Create the bare environment at `place` and return its site-packages.

        `keep_fds` are locks that a writer must hold on to, here as in `install`.
        """
        ...

    def install(self, place: Path, recipe: Recipe, *, keep_fds: Sequence[int]) -> None:
        """Put the recipe's distributions into it."""
        ...


class UvAssembly(Struct, frozen=True):
    """Lets uv create the venv and install into it.

    Args:
        near: Returns uv with a cache near the store, and that cache; asked only when something is built.
        bare: Where bare venvs come from.
    """

    near: Callable[[], tuple[Uv, Path]]
    observer: Observer
    bare: BareVenvs

    def folders(self, place: Path) -> tuple[Path, ...]:
        """See `Assembly.folders`."""
        return (place, self.near()[1])

    def create(self, place: Path, recipe: Recipe, *, keep_fds: Sequence[int]) -> Path:
        """See `Assembly.create`."""
        self.observer(PhaseStarted("create", str(place)))
        self.bare.make(self.near()[0], recipe.interpreter.python, place, keep_fds=keep_fds)
        return next((place / "lib").glob("*/site-packages"))

    def install(self, place: Path, recipe: Recipe, *, keep_fds: Sequence[int]) -> None:
        """See `Assembly.install`: no resolution, exactly the pins."""
        total = len(recipe.plan.install)
        if not total:
            return
        self.observer(PhaseStarted("install", _amount(recipe)))
        progress = _Progress(recipe, self.observer)
        uv = self.near()[0]
        uv = replace(uv, runner=replace(uv.runner, on_line=progress))
        with tempfile.TemporaryDirectory(prefix="venvkit-", ignore_cleanup_errors=True) as folder:
            files = RequestFiles(Path(folder), recipe.sources, recipe.levers)
            args = ["pip", "install", "--no-deps", "--python", str(place / "bin" / "python")]
            args += files.pins(tuple(map(pin_line, recipe.plan.install)))
            done = uv.run(args, recipe.sources, keep_fds=keep_fds)
        if done.status != 0:
            raise uv.failure(done, recipe.host, recipe.sources)
        progress.finish()
        told = {item.message for item in recipe.plan.warnings}
        for _, warned in warnings("uv", done.stderr):
            if warned.code == "built-in-isolation" and warned.message not in told:
                self.observer(warned)


class _Progress:
    """Tells an observer what uv says while it installs: a line for each larger file that it has downloaded."""

    def __init__(self, recipe: Recipe, observer: Observer) -> None:
        self._sizes = {item.name: item.description.size or 0 for item in recipe.plan.install}
        self._total = len(self._sizes)
        self._bytes = sum(self._sizes.values())
        self._observer = observer
        self._tell("")

    def __call__(self, line: str) -> None:
        word, _, name = line.strip().partition(" ")
        if word == "Downloaded" and self._sizes.pop(canonicalize_name(name), None) is not None:
            self._tell(name)

    def finish(self) -> None:
        self._sizes.clear()
        self._tell("")

    def _tell(self, name: str) -> None:
        done = self._total - len(self._sizes)
        self._observer(InstallProgress(done, self._total, name, self._bytes - sum(self._sizes.values()), self._bytes))


def pin_line(item: Installed) -> str:
    """A checkout is pinned to the commit that was planned; anything else to its version or address."""
    url = item.description.url if item.url and item.url.startswith("git+") else item.url
    return f"{item.name} @ {url}" if url else f"{item.name}=={item.version}"


def _amount(recipe: Recipe) -> str:
    """What there is to do: with gigabytes to fetch, a count alone looks as if it stood still."""
    known = recipe.plan.download_bytes
    size = f", up to {known / 1e6:.0f} MB to download" if known >= 1e6 else ""
    return f"{len(recipe.plan.install)} distributions{size}"
