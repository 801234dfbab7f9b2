"""The script that an interpreter runs to describe itself: one line of JSON with the fields of `Interpreter`.

It is handed over with `-c`, imports the standard library alone, and runs in Python 3.8 and later.
"""

from __future__ import annotations

# Text paths throughout: they are what sys.path holds and what JSON carries.
# ruff: noqa: PTH100, PTH109, PTH110, PTH112, PTH118, PTH119, PTH120, PTH123, PTH206
import os
import platform
import site
import sys
import sysconfig
from collections.abc import Iterable

MARK = "venvkit-probe:"


def _absolute(paths: Iterable[object]) -> list[str]:
    """Keep each usable path once, in order; a .pth hook may have put anything on sys.path."""
    return list(dict.fromkeys(os.path.abspath(path) for path in paths if isinstance(path, str) and path))


def _directories(stdlib: str, platstdlib: str) -> dict[str, list[str]]:
    # The working directory is the runner's choice, not the host's: it is no place for distributions.
    own = {os.path.realpath(path) for path in (stdlib, platstdlib, os.getcwd())}
    present = [
        path
        for path in _absolute(sys.path)
        if os.path.isdir(path) and os.path.realpath(path) not in own and os.path.basename(path) != "lib-dynload"
    ]
    processed = list(site.getsitepackages())
    if site.ENABLE_USER_SITE:
        processed.append(site.getusersitepackages())
    processed = _absolute(processed)
    listed = _absolute(os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return {
        "site_dirs": present,
        "pth_dirs": [path for path in present if path in processed],
        "missing_dirs": [path for path in _absolute(listed + processed) if not os.path.exists(path)],
    }


def _base_python() -> str:
    base = str(getattr(sys, "_base_executable", None) or sys.executable)
    if sys.prefix == sys.base_prefix or (base != sys.executable and os.path.exists(base)):
        return base
    # Before 3.11 a venv's interpreter does not know which one it was made from; its configuration does.
    home = os.path.dirname(os.path.realpath(sys.executable))
    with open(os.path.join(sys.prefix, "pyvenv.cfg"), encoding="utf-8") as stream:
        for line in stream:
            key, _, value = line.partition("=")
            if key.strip().lower() == "home":
                home = value.strip()
    for name in (f"python{sys.version_info[0]}.{sys.version_info[1]}", "python3", "python", "pypy3"):
        if os.path.exists(os.path.join(home, name)):
            return os.path.join(home, name)
    return os.path.realpath(sys.executable)


def _environment() -> dict[str, str]:
    number = sys.implementation.version
    suffix = "" if number.releaselevel == "final" else number.releaselevel[0] + str(number.serial)
    return {
        "implementation_name": sys.implementation.name,
        "implementation_version": f"{number.major}.{number.minor}.{number.micro}{suffix}",
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        "python_full_version": platform.python_version(),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "sys_platform": sys.platform,
    }


def _isolated_tool(prefix: str) -> str:
    """Name the tool that made `prefix` for one program, by its place or by the file it leaves there."""
    kind = tuple(os.path.normpath(prefix).split(os.sep)[-3:-1])
    if kind == ("pipx", "venvs") or os.path.exists(os.path.join(prefix, "pipx_metadata.json")):
        return "pipx"
    if kind == ("uv", "tools") or os.path.exists(os.path.join(prefix, "uv-receipt.toml")):
        return "uv tool"
    return ""


def collect() -> dict[str, object]:
    """Return the fields of `Interpreter`."""
    paths = sysconfig.get_paths()
    is_venv = sys.prefix != sys.base_prefix
    marker = os.path.join(paths["stdlib"], "EXTERNALLY-MANAGED")
    hooks = [sys.modules.get(name) for name in ("sitecustomize", "usercustomize")]
    return {
        "python": sys.executable,
        "version": platform.python_version(),
        "implementation": sys.implementation.name,
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "base_python": _base_python(),
        "purelib": paths["purelib"],
        "platlib": paths["platlib"],
        "scripts": paths["scripts"],
        "stdlib": paths["stdlib"],
        "startup_files": _absolute([getattr(module, "__file__", None) for module in hooks]),
        "environment": sorted(_environment().items()),
        "is_venv": is_venv,
        "externally_managed": not is_venv and os.path.exists(marker),
        "isolated_tool": _isolated_tool(sys.prefix),
        **_directories(paths["stdlib"], paths["platstdlib"]),
    }


def main() -> None:
    """Write the facts, marked, because a .pth file or sitecustomize may have written to the same stream."""
    import json

    # A path that is not valid Unicode has no place in JSON; its replacement leads nowhere, and is reported
    # as such.
    line = "\n" + MARK + json.dumps(collect(), ensure_ascii=False) + "\n"
    sys.stdout.flush()
    sys.stdout.buffer.write(line.encode("utf-8", "replace"))


if __name__ == "__main__":
    main()
