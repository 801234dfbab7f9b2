"""Bare venvs: made once by uv for each interpreter, and copied from then on, which takes a tenth of the time.

What uv makes is twenty small files; five of them hold the path that they were made at.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from venvkit.base.digest import digest
from venvkit.base.files import made_once
from venvkit.base.watch import stat_watch
from venvkit.tools.uv.client import Uv

_FORMAT = 1
# uv quotes other paths for each shell in its own way.
_PLAIN = re.compile(r"[A-Za-z0-9_./+=@-]+")
_MADE_AT = ".venvkit-made-at"


class BareVenvs(Struct, frozen=True):
    """A folder of bare venvs to copy from. One that cannot be written costs time, never a build."""

    folder: Path

    def make(self, uv: Uv, python: str, place: Path, *, keep_fds: Sequence[int]) -> None:
        """Create a bare venv of the interpreter `python` at `place`.

        Raises:
            VenvkitError: uv cannot, of the class that says why.
        """
        if not self._copy(uv, python, place):
            uv.create_venv(python, place, keep_fds=keep_fds)

    def _copy(self, uv: Uv, python: str, place: Path) -> bool:
        if not _PLAIN.fullmatch(str(place)) or not _PLAIN.fullmatch(str(self.folder)) or place.exists():
            return False
        model = self.folder / self._key(uv, python)
        try:
            made_at = self._made_at(uv, python, model)
            _copy_tree(model, place, made_at.encode(), str(place).encode())
        except OSError:
            shutil.rmtree(place, ignore_errors=True)
            return False
        return True

    def _key(self, uv: Uv, python: str) -> str:
        """Name a model by all that it hangs on: the interpreter's file, uv, and uv's settings."""
        settings = sorted((name, value) for name, value in uv.environ.items() if name.startswith("UV_"))
        files = [stat_watch(path) for path in (python, os.path.realpath(python), uv.path)]
        return digest([_FORMAT, python, files, uv.version, settings])[:32]

    def _made_at(self, uv: Uv, python: str, model: Path) -> str:
        """Return where a model was made, making it when it is not there."""
        with contextlib.suppress(OSError):
            return (model / _MADE_AT).read_text(encoding="utf-8")
        with made_once(model, _MADE_AT) as attempt:
            uv.create_venv(python, attempt, clear=True)
            (attempt / _MADE_AT).write_text(str(attempt), encoding="utf-8")
        return (model / _MADE_AT).read_text(encoding="utf-8")


def _copy_tree(source: Path, target: Path, old: bytes, new: bytes) -> None:
    """Copy a tree, with one path for another in the text of its files."""
    os.mkdir(target)  # noqa: PTH102
    with os.scandir(source) as entries:
        for entry in entries:
            goal = f"{target}/{entry.name}"
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), goal)  # noqa: PTH115, PTH211
            elif entry.is_dir():
                _copy_tree(Path(entry.path), Path(goal), old, new)
            elif entry.name != _MADE_AT:
                with open(entry.path, "rb") as file:  # noqa: PTH123
                    content = file.read()
                with open(goal, "wb") as out:  # noqa: PTH123
                    out.write(content.replace(old, new))
                    os.fchmod(out.fileno(), entry.stat().st_mode & 0o777)
