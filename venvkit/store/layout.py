"""Where everything lies under XINFERENCE_HOME.

virtualenv/
  v4/<model>/<engine or "default">/<x.y.z>/   shell: a small real venv, one .pth of ours points to an environment
  envs/<id>/                                  one sealed environment; its path never changes
  requests/<digest>.json                      a request on this host -> environment
  locks/                                      <digest>.lock, <key>.lock, shell-<digest>.lock, build-<n>.lock, gc.lock,
                                              <id>.lease
  foreign/                                    what stood at a shell's path and was not ours
  cache/                                      uv's cache, only when uv's own place is on another filesystem
  .made-by-venvkit                            which of these folders, and the home, venvkit made; no other is removed
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from msgspec import Struct

from venvkit.base.digest import digest
from venvkit.base.files import delete
from venvkit.base.reading import content_of
from venvkit.errors import MachineError
from venvkit.spec.options import NO_ENGINE

KEY_LENGTH = 16
_ATTEMPTS = 5


class Layout(Struct, frozen=True, dict=True):
    """The paths of one store. All are real paths: a link on the way may lead elsewhere tomorrow.

    Args:
        home: XINFERENCE_HOME, absolute.
        soft: Lock by files that exist, for a filesystem without `flock` (VENVKIT_LOCK).
    """

    home: Path
    soft: bool = False

    @cached_property
    def root(self) -> Path:
        return Path(os.path.realpath(self.home / "virtualenv"))

    @cached_property
    def envs(self) -> Path:
        return Path(os.path.realpath(self.root / "envs"))

    @property
    def requests(self) -> Path:
        return self.root / "requests"

    @property
    def locks(self) -> Path:
        return self.root / "locks"

    @property
    def foreign(self) -> Path:
        return self.root / "foreign"

    @cached_property
    def shells(self) -> Path:
        return Path(os.path.realpath(self.root / "v4"))

    @property
    def cache(self) -> Path:
        """uv's cache, when its own place is on another filesystem."""
        return self.root / "cache"

    def shell(self, model: str, engine: str | None, python_version: str) -> Path:
        """Return the Xinference-shaped path of a model."""
        return self.shells / model / (engine.lower() if engine else NO_ENGINE) / python_version

    def request(self, digest: str) -> Path:
        return self.requests / f"{digest}.json"

    def request_lock(self, digest: str) -> Path:
        return self.locks / f"{digest[:32]}.lock"

    def environment_lock(self, key: str) -> Path:
        return self.locks / f"{key[:KEY_LENGTH]}.lock"

    def shell_lock(self, shell: Path) -> Path:
        parts = list(shell.parts[len(self.shells.parts) :])
        return self.locks / f"shell-{digest(parts)[:KEY_LENGTH]}.lock"

    def build_locks(self, count: int) -> list[Path]:
        """Return the slots for builds that run at the same time."""
        return [self.locks / f"build-{number}.lock" for number in range(count)]

    @property
    def gc_lock(self) -> Path:
        return self.locks / "gc.lock"

    def lease(self, environment: str) -> Path:
        return self.locks / f"{environment}.lease"

    def prepare(self) -> None:
        """Create the store's folders, and note which of them were not there.

        Raises:
            MachineError: The home cannot be written (`home-unwritable`).
        """
        try:
            made = [name for name, folder in self._folders().items() if _make(folder)]
            if made:
                self._note(made)
            if not os.access(self.root, os.W_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as error:
            raise MachineError(
                f"the store cannot be written: {error.strerror}",
                code="home-unwritable",
                where=str(self.home),
                remedy="make it writable, or set XINFERENCE_HOME to a directory that is",
            ) from error

    def prune_empty(self) -> None:
        """Remove the folders that `prepare` made and that hold nothing, upwards: a refused request leaves no trace.

        A folder that an administrator prepared stays. The locks go first: while a process holds one, nothing is
        removed that it may just have created.
        """
        made = content_of(self._made).decode("ascii", "replace").split()
        if "locks" not in made:
            return
        try:
            self.locks.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return
        delete(self._made)
        folders = [(name, folder) for name, folder in self._folders().items() if name in made]
        for _, folder in reversed(folders):
            with contextlib.suppress(OSError):
                folder.rmdir()
        left = [name for name, folder in folders if folder.is_dir()]
        if left:
            self._note(left)

    def _folders(self) -> dict[str, Path]:
        """The folders that are made for every store, the outer ones first."""
        return {
            "home": self.home,
            "virtualenv": self.root,
            "v4": self.shells,
            "envs": self.envs,
            "requests": self.requests,
            "locks": self.locks,
        }

    @property
    def _made(self) -> Path:
        """Names the folders that venvkit made. Names are only ever added, so that two processes do not lose one."""
        return self.root / ".made-by-venvkit"

    def _note(self, names: Iterable[str]) -> None:
        with contextlib.suppress(FileNotFoundError), self._made.open("a", encoding="ascii") as file:
            file.write(" ".join((*names, "\n")))


def _make(folder: Path) -> bool:
    """Make a folder, with those above it; returns whether it was not there."""
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(FileNotFoundError):  # a refused request removed the one above meanwhile
            try:
                folder.parent.mkdir(parents=True, exist_ok=True)
                folder.mkdir()
            except FileExistsError:
                if not folder.is_dir():
                    raise
                return False
            return True
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
