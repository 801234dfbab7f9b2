"""Real hosts for tests: venvs made by the real uv, filled from wheels made on the spot."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from tests.wheelhouse import Wheelhouse

UV = os.fsdecode(find_uv_bin())


def uv(*args: str) -> None:
    """Run uv and fail loudly."""
    done = subprocess.run([UV, *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@dataclass
class Host:
    """A venv that plays the server's interpreter."""

    prefix: Path
    wheelhouse: Wheelhouse

    @property
    def python(self) -> str:
        return str(self.prefix / "bin" / "python")

    @property
    def site_packages(self) -> Path:
        return next((self.prefix / "lib").glob("python*/site-packages"))

    def install(self, *requirements: str) -> None:
        """Install from the wheelhouse, dependencies and all."""
        uv(
            "pip",
            "install",
            "-q",
            "--no-index",
            "--find-links",
            self.wheelhouse.url,
            "--python",
            self.python,
            *requirements,
        )

    def uninstall(self, *names: str) -> None:
        uv("pip", "uninstall", "-q", "--python", self.python, *names)

    def run(self, code: str, **env: str) -> str:
        """Run Python code on the host itself."""
        done = subprocess.run(
            [self.python, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **env}
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def file_hashes(self) -> dict[str, str]:
        """Hash every file, byte-code aside."""
        return tree_hashes(self.prefix)


def tree_hashes(root: Path) -> dict[str, str]:
    found = {}
    for path in sorted(root.rglob("*")):
        if "__pycache__" in path.parts:
            continue
        if path.is_symlink():
            found[str(path)] = f"-> {path.readlink()}"
        elif path.is_file():
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def make_host(prefix: Path, wheelhouse: Wheelhouse, *flags: str, python: str = sys.executable) -> Host:
    """Create a venv host."""
    uv("venv", "-q", "--python", python, *flags, str(prefix))
    return Host(prefix, wheelhouse)
