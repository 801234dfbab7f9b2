"""The value that describes one Python interpreter: what it is, and where it finds distributions."""

from __future__ import annotations

from msgspec import Struct


class Interpreter(Struct, frozen=True, kw_only=True):
    """One interpreter, as it describes itself in the environment variables it was probed with.

    Args:
        python: Absolute path that starts it, links not resolved (the python of a venv is a link).
        version: Its full version, `3.11.7`.
        implementation: `cpython`, `pypy`.
        prefix: Its `sys.prefix`.
        base_prefix: The prefix of the installation behind it; differs from `prefix` in a venv.
        base_python: The interpreter from which a venv would be created.
        purelib: Where an installer puts pure packages.
        platlib: Where an installer puts compiled packages.
        scripts: Where an installer puts console scripts.
        stdlib: The directory of the standard library.
        site_dirs: Every directory on its `sys.path` where distributions may be, in that order.
        pth_dirs: Those of `site_dirs` whose `.pth` files it executes at start (not those of PYTHONPATH
            directories).
        missing_dirs: Directories that are not there now, but would be site directories if they came.
        startup_files: Its `sitecustomize` and `usercustomize`, which may change `sys.path` as well.
        environment: The PEP 508 marker environment, sorted by name.
        is_venv: Whether it is the interpreter of a virtual environment.
        externally_managed: Whether installers must leave it alone (PEP 668).
        isolated_tool: `pipx` or `uv tool` when it is the private environment of one command line tool, else
            empty.
    """

    python: str
    version: str
    implementation: str
    prefix: str
    base_prefix: str
    base_python: str
    purelib: str
    platlib: str
    scripts: str
    stdlib: str
    site_dirs: tuple[str, ...]
    pth_dirs: tuple[str, ...]
    missing_dirs: tuple[str, ...]
    startup_files: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    is_venv: bool
    externally_managed: bool
    isolated_tool: str

    @property
    def minor(self) -> str:
        """The language version, `3.11`."""
        return ".".join(self.version.split(".")[:2])
