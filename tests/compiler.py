"""Shared objects compiled on the spot, and wheels of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.wheelhouse import Wheelhouse
from venvkit.proof.linkage import is_supported

CC = shutil.which("cc") or shutil.which("gcc")
NEEDS_COMPILER = [
    pytest.mark.skipif(not is_supported(), reason="linkage is proved on Linux with glibc alone"),
    pytest.mark.skipif(CC is None, reason="there is no C compiler"),
]
TAG = f"cp3{sys.version_info[1]}-cp3{sys.version_info[1]}-linux_{'x86_64' if sys.maxsize > 2**32 else 'i686'}"
BASE = "int base_add(int a, int b) { return a + b; }\n"
OTHER_BASE = "int base_other(void) { return 1; }\n"
_EXTENSION = """
#include <Python.h>
{declaration}
static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "_ext", NULL, -1, NULL}};
PyMODINIT_FUNC PyInit__ext(void) {{ {call} return PyModule_Create(&module); }}
"""


class Compiler:
    """Compiles objects below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def library(self, source: str, name: str = "libbase.so", *flags: str) -> Path:
        """Compile a library."""
        return self._compile(name, source, "-Wl,-soname," + name, *flags)

    def extension(self, needs: Path | None, *flags: str, call: str = "base_add(1, 2);") -> Path:
        """Compile an extension module `_ext`, linked with a library."""
        source = _EXTENSION.format(declaration="int base_add(int, int);" if needs else "", call=call if needs else "")
        linked = [f"-L{needs.parent}", f"-l:{needs.name}"] if needs else []
        include = f"-I{sysconfig.get_path('include')}"
        return self._compile("_ext.so", source, include, *linked, *flags)

    def _compile(self, name: str, source: str, *flags: str) -> Path:
        folder = self.folder / f"{len(list(self.folder.iterdir()))}"
        folder.mkdir()
        (folder / "x.c").write_text(source)
        assert CC is not None
        command = [CC, "-shared", "-fPIC", "-o", name, "x.c", *flags]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return folder / name


def add(
    house: Wheelhouse, name: str, version: str, *objects: Path, init: str = "", requires: tuple[str, ...] = ()
) -> Path:
    """Add a wheel of a package with shared objects in it."""
    files = {f"{name}/{path.name}": path.read_bytes() for path in objects}
    return house.add(name, version, files={f"{name}/__init__.py": init, **files}, tag=TAG, requires=requires)
