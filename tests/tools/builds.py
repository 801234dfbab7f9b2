"""Source distributions with a build backend of their own, so that nothing has to be fetched to run it."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

# Speaks of all that could be taken for a reason, has a secret, and ends with the only line that matters.
BROKEN_LOG = """
import sys
for number in range(40):
    print(f"line {number} certificate timed out, No space left on device (os error 28), 403 Forbidden", file=sys.stderr)
print("No solution found; connection refused; https://me:hunter2@index.example/simple")
raise SystemExit("error: operation timed out: the very end")
"""

# A backend whose file starts with other lines: it builds NAME-1.0 with one empty module.
WORKING = """
import pathlib, zipfile

def build_wheel(folder, settings=None, metadata=None):
    name = pathlib.Path.cwd().name.partition("-")[0]
    for line in open("PKG-INFO"):
        if line.startswith("Name: "):
            name = line[6:].strip()
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(pathlib.Path(folder, f"{name}-1.0-py3-none-any.whl"), "w") as out:
        out.writestr(f"{name}.py", "")
        out.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n")
        out.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        out.writestr(f"{info}/RECORD", "")
    return f"{name}-1.0-py3-none-any.whl"
"""


def add_source(folder: Path, name: str, backend: str, *, requires: str = "[]") -> Path:
    """Write NAME-1.0.tar.gz, whose build imports the module `backend`."""
    project = f'[build-system]\nrequires = {requires}\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    files = {
        "backend.py": backend,
        "pyproject.toml": project,
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
    }
    path = folder / f"{name}-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for file, text in files.items():
            entry = tarfile.TarInfo(f"{name}-1.0/{file}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path
