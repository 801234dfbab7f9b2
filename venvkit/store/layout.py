"""Where everything lies under XINFERENCE_HOME.

virtualenv/
  v4/<model>/<engine or "default">/<x.y.z>/   shell: a small real venv, one .pth of ours points to an environment
  envs/<id>/                                  one sealed environment; its path never changes
  requests/<digest>.json                      a request on this host -> environment
  locks/                                      <digest>.lock, <key>.lock, shell-<digest>.lock, build-<n>.lock, gc.lock,
                                              <id>.lease
  foreign/                                    what stood at a shell's path and was not ours
  cache/                                      uv's cache, only when uv's own place is on another filesystem
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from msgspec import Struct

from venvkit.base.digest import digest
from venvkit.errors import MachineError

KEY_LENGTH = 16


class Layout(Struct, frozen=True):
    """The paths of one store.

    Args:
        home: XINFERENCE_HOME, absolute.
        soft: Lock by files that exist, for a filesystem without `flock` (VENVKIT_LOCK).
    """

    home: Path
    soft: bool = False

    @property
    def root(self) -> Path:
        return self.home / "virtualenv"

    @property
    def envs(self) -> Path:
        return self.root / "envs"

    @property
    def requests(self) -> Path:
        return self.root / "requests"

    @property
    def locks(self) -> Path:
        return self.root / "locks"

    @property
    def foreign(self) -> Path:
        return self.root / "foreign"

    @property
    def shells(self) -> Path:
        return self.root / "v4"

    @property
    def cache(self) -> Path:
        """uv's cache, when its own place is on another filesystem."""
        return self.root / "cache"

    def shell(self, model: str, engine: str | None, python_version: str) -> Path:
        """Return the Xinference-shaped path of a model."""
        return self.shells / model / (engine.lower() if engine else "default") / python_version

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
        """Create the store's folders.

        Raises:
            MachineError: The home cannot be written (`home-unwritable`).
        """
        try:
            for folder in (self.envs, self.requests, self.locks):
                folder.mkdir(parents=True, exist_ok=True)
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
        """Remove the store's folders that hold nothing, upwards: a refused request leaves no trace.

        The locks go first: while somebody holds one, nothing is removed that he may just have created.
        """
        try:
            self.locks.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return
        for folder in (self.envs, self.requests, self.shells, self.root, self.home):
            with contextlib.suppress(OSError):
                folder.rmdir()
