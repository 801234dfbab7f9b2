"""Putting venvkit in the place of xoscar's own manager in every interpreter that a server starts.

A server starts its parts as new processes, so that what one process registers does not reach the next. Instead, a
folder on PYTHONPATH holds a `sitecustomize` that waits for the import of `xoscar.virtualenv` and registers then.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import MutableMapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from venvkit.formats.pointer import HOOK

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "site")  # noqa: PTH100, PTH118, PTH120
_TARGET = "xoscar.virtualenv"


def begin() -> None:
    """Register when `xoscar.virtualenv` is imported; in an interpreter of a model's environment, only clean up."""
    if HOOK in sys.modules:
        leave(os.environ)
    elif _TARGET not in sys.modules:
        sys.meta_path.insert(0, _Finder())


def enter(environ: MutableMapping[str, str]) -> None:
    """Put the folder in front of PYTHONPATH."""
    leave(environ)
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, [FOLDER, environ.get("PYTHONPATH")]))


def leave(environ: MutableMapping[str, str]) -> None:
    """Take the folder out of PYTHONPATH."""
    parts = [part for part in environ.get("PYTHONPATH", "").split(os.pathsep) if part not in ("", FOLDER)]
    if parts:
        environ["PYTHONPATH"] = os.pathsep.join(parts)
    else:
        environ.pop("PYTHONPATH", None)


class _Finder(MetaPathFinder):
    """Lets the other finders find `xoscar.virtualenv`, once, and adds the registration to its loader."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if fullname != _TARGET:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    """Runs a module as its own loader does, then registers."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        from venvkit.integrations.xoscar import register

        register(replace_uv=True)
