"""The assembly by pip: virtualenv creates the environment, pip installs the pins into it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from venvkit.events import InstallProgress, Observer, PhaseStarted
from venvkit.store.env.assembly import pin_line
from venvkit.store.env.recipe import Recipe
from venvkit.tools.pip.client import Pip
from venvkit.tools.pip.resolver import PipFiles


class PipAssembly(Struct, frozen=True):
    """Lets virtualenv create the environment and pip install into it."""

    pip: Pip
    observer: Observer

    def folders(self, place: Path) -> tuple[Path, ...]:
        """See `Assembly.folders`."""
        return (place,)

    def create(self, place: Path, recipe: Recipe, *, keep_fds: Sequence[int]) -> Path:
        """See `Assembly.create`."""
        self.observer(PhaseStarted("create", str(place)))
        self.pip.create_venv(recipe.interpreter.python, place, keep_fds=keep_fds)
        return next((place / "lib").glob("*/site-packages"))

    def install(self, place: Path, recipe: Recipe, *, keep_fds: Sequence[int]) -> None:
        """See `Assembly.install`: no resolution, exactly the pins."""
        total = len(recipe.plan.install)
        if not total:
            return
        self.observer(PhaseStarted("install", f"{total} distributions"))
        self.observer(InstallProgress(0, total))
        with tempfile.TemporaryDirectory(prefix="venvkit-") as folder:
            files = PipFiles(Path(folder), recipe.sources, recipe.levers, self.pip.offline)
            # pip runs in the child, which sees the host: what it finds there is neither installed nor to be removed.
            args = ["--no-deps", "--ignore-installed", "--no-compile", *files.pins(map(pin_line, recipe.plan.install))]
            python = str(place / "bin" / "python")
            done, _ = self.pip.install(python, args, recipe.sources, minor=recipe.interpreter.minor, keep_fds=keep_fds)
        if done.status != 0:
            names = {str(item.name) for item in recipe.host.distributions} if recipe.host else set()
            raise self.pip.failure(done, names)
        self.observer(InstallProgress(total, total))
