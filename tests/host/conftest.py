"""Hosts made on the spot: real interpreters, real virtual environments, hand-written distributions."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import uv

from venvkit.base.process import Runner
from venvkit.host.interpreter import Interpreter
from venvkit.host.probe import probe

_LISTING = """
import importlib.metadata, json, re
found = {}
for dist in importlib.metadata.distributions():
    name = dist.metadata["Name"]
    if name:
        found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), dist.version)
print("listing:" + json.dumps(found))
"""

PutDistribution = Callable[..., Path]
MakeVenv = Callable[..., Path]
Listing = Callable[..., dict[str, str]]


@pytest.fixture
def runner() -> Runner:
    return Runner(timeout=120)


@pytest.fixture
def clean_environ(tmp_path: Path) -> dict[str, str]:
    """What a host starts with: a home of its own, and nothing of Python or uv from ours."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "UV_", "VIRTUAL_ENV"))}
    return {**kept, "HOME": str(home), "UV_CACHE_DIR": str(tmp_path / "uv-cache")}


@pytest.fixture
def uv_bin() -> str:
    return uv.find_uv_bin()


@pytest.fixture
def plain_python() -> str:
    """An interpreter that is no venv: the one ours was made from."""
    return str(Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}"))


@pytest.fixture
def make_venv(
    tmp_path: Path, runner: Runner, clean_environ: dict[str, str], uv_bin: str, plain_python: str
) -> MakeVenv:
    """Make a venv with the real uv and return its interpreter."""

    def make(name: str = "host", *flags: str, python: str = plain_python) -> Path:
        home = tmp_path / name
        argv = [uv_bin, "venv", "--no-project", "--offline", "--python", python, *flags, str(home)]
        done = runner.run(argv, env=clean_environ, cwd=str(tmp_path))
        assert done.status == 0, done.stderr
        return home / "bin" / "python"

    return make


@pytest.fixture
def ask(runner: Runner, clean_environ: dict[str, str]) -> Callable[..., Interpreter]:
    """Probe an interpreter in the clean environment."""

    def run(python: str | Path, **variables: str) -> Interpreter:
        return probe(str(python), runner, environ={**clean_environ, **variables})

    return run


@pytest.fixture
def as_imported(runner: Runner, clean_environ: dict[str, str]) -> Listing:
    """Ask the host itself what it can import: the truth that a scan is compared with."""

    def run(python: str | Path, **variables: str) -> dict[str, str]:
        done = runner.run([str(python), "-B", "-c", _LISTING], env={**clean_environ, **variables}, cwd="/")
        assert done.status == 0, done.stderr
        line = next(line for line in done.stdout.splitlines() if line.startswith("listing:"))
        return dict(json.loads(line.partition(":")[2]))

    return run


@pytest.fixture
def put() -> PutDistribution:
    """Write an installed distribution with one module into a site directory; return its dist-info."""

    def write(
        site_dir: str | Path,
        name: str,
        version: str,
        *,
        folder: str = "",
        headers: tuple[str, ...] = (),
        extra_files: Mapping[str, str] | None = None,
        module: str = "",
    ) -> Path:
        module = module or name.lower().replace("-", "_").replace(".", "_")
        info = Path(site_dir) / (folder or f"{name.replace('-', '_')}-{version}.dist-info")
        info.mkdir(parents=True, exist_ok=True)
        (Path(site_dir) / f"{module}.py").write_text(f"VERSION = {version!r}\n")
        lines = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *headers]
        files = {
            "METADATA": "\n".join(lines) + "\n\nVersion: of the description\n",
            "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py2-none-any\nTag: py3-none-any\n",
            "RECORD": f"{module}.py,,\n{info.name}/METADATA,,\n{info.name}/RECORD,,\n",
            **(extra_files or {}),
        }
        for file, text in files.items():
            (info / file).write_text(text)
        return info

    return write
