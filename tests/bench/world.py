"""What is measured on: a venv with venvkit installed as a user has it, hosts, wheels and an index, made on the spot.

Everything lies in one work folder, which may be deleted at any time; what is dear to make is kept there by its format.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from uv import find_uv_bin

from tests.bench.index import StaticIndex
from tests.bench.processes import Agent
from tests.bench.sizes import FORMAT, host_distribution, make_wheels

ROOT = Path(__file__).resolve().parents[2]
UV = os.fsdecode(find_uv_bin())
_OF_THE_MACHINE = ("XINFERENCE_", "VENVKIT_", "PIP_", "UV_", "PYTHON", "VIRTUAL_ENV", "CONDA_", "XDG_")


def default_work() -> Path:
    """Return where the bench works unless it is told otherwise."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache, "venvkit-bench")


@dataclass
class World:
    """The places and tools of one run of the bench.

    Args:
        work: The work folder.
        network: Whether cases may ask the real package index.
        incumbent: An interpreter that has Xinference installed; empty without one.
    """

    work: Path
    network: bool = False
    incumbent: str = ""
    _agents: list[Agent] = field(default_factory=list)
    _indexes: list[StaticIndex] = field(default_factory=list)
    _number: int = 0

    # -- environment ----------------------------------------------------------------------------------------

    def environ(self, home: Path | None = None, *, real_index: bool = False) -> dict[str, str]:
        """Return a clean environment: no configuration of this machine's pip, uv or server; byte-code is written.

        Args:
            home: XINFERENCE_HOME.
            real_index: Let uv find the real index as this machine is configured, with its own warm cache.
        """
        env = {name: value for name, value in os.environ.items() if not name.startswith(_OF_THE_MACHINE)}
        env |= {
            "HOME": str(self.work / "user"),
            "XDG_CACHE_HOME": str(self.work / "cache"),
            "PIP_CONFIG_FILE": os.devnull,
            "XINFERENCE_HOME": str(home or self.work / "homes" / "default"),
        }
        if real_index:
            given = {name: os.environ[name] for name in ("UV_CONFIG_FILE", "UV_DEFAULT_INDEX") if name in os.environ}
            cache = os.environ.get("UV_CACHE_DIR") or str(Path.home() / ".cache" / "uv")
            return env | given | {"UV_CACHE_DIR": cache}
        return env | {
            "UV_NO_CONFIG": "1",
            "UV_CACHE_DIR": str(self.work / "uv-cache"),
            "UV_DEFAULT_INDEX": self.index.url,
        }

    def fresh(self, kind: str) -> Path:
        """Return a path in the work folder at which nothing lies."""
        self._number += 1
        path = self.work / kind / f"{os.getpid()}-{self._number}"
        shutil.rmtree(path, ignore_errors=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def spec(self, name: str, packages: Sequence[str], **more: object) -> str:
        """Write a model spec and return its path."""
        path = self.work / "specs" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        block = {"packages": list(packages), **more}
        path.write_text(json.dumps({"model_name": name, "virtualenv": block}), encoding="utf-8")
        return str(path)

    # -- interpreters ---------------------------------------------------------------------------------------

    @cached_property
    def venv(self) -> Path:
        """The venv with venvkit in it: a wheel, byte-code and all, and what it needs, from the index or uv's cache."""
        place = self.work / "venv"
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self._uv("venv", "-q", "--clear", "--python", sys.executable, str(place), env=env)
        install = ["pip", "install", "-q", "--compile-bytecode", "--python", str(place / "bin" / "python")]
        self._uv(*install, "--reinstall-package", "venvkit", str(ROOT), env=env)
        return place

    @property
    def python(self) -> str:
        """The bench venv's interpreter."""
        return str(self.venv / "bin" / "python")

    @property
    def command(self) -> str:
        """The `venvkit` command as it is installed."""
        return str(self.venv / "bin" / "venvkit")

    def agent(self, home: Path | None = None) -> Agent:
        """Start a process that measures inside itself; it ends with the world."""
        agent = Agent(self.python, self.environ(home))
        self._agents.append(agent)
        return agent

    def bare_venv(self, place: Path) -> str:
        """Make a venv and return its interpreter."""
        self._uv("venv", "-q", "--clear", "--python", sys.executable, str(place), env=dict(os.environ))
        return str(place / "bin" / "python")

    def host(self, count: int) -> str:
        """Return the interpreter of a host with `count` distributions, each with some requirements and a module."""
        place = self.work / "hosts" / f"{count}-{FORMAT}"
        python = place / "bin" / "python"
        if not (place / "made").exists():
            self.bare_venv(place)
            site_packages = next((place / "lib").glob("python*/site-packages"))
            for number in range(count):
                host_distribution(site_packages, number)
            (place / "made").touch()
        return str(python)

    # -- sources --------------------------------------------------------------------------------------------

    @cached_property
    def wheels(self) -> Path:
        """The folder of wheels that the bench makes."""
        place = self.work / f"wheels-{FORMAT}"
        if not (place / "made").exists():
            shutil.rmtree(place, ignore_errors=True)
            make_wheels(place)
            (place / "made").touch()
        return place

    @cached_property
    def index(self) -> StaticIndex:
        """An index over HTTP on loopback; its pages may be cached for ten minutes, as those of the real one."""
        return self._served(StaticIndex(self.wheels, self._port))

    @cached_property
    def far_index(self) -> StaticIndex:
        """The same as uv meets the real one after ten minutes: each page is asked for again, 40 ms away."""
        return self._served(StaticIndex(self.wheels, self._port + 1, "max-age=0, must-revalidate", 0.04))

    @property
    def _port(self) -> int:
        """One for each work folder: uv's cache, which lies there, is by address."""
        return 20_000 + int(hashlib.sha256(str(self.work).encode()).hexdigest()[:4], 16) % 10_000 * 2

    def _served(self, index: StaticIndex) -> StaticIndex:
        self._indexes.append(index.start())
        return index

    def close(self) -> None:
        """End what was started; what only this run needs is deleted."""
        for agent in self._agents:
            agent.close()
        for index in self._indexes:
            index.stop()
        for kind in ("homes", "runs", "by-hand", "kept", "specs"):
            shutil.rmtree(self.work / kind, ignore_errors=True)

    @staticmethod
    def _uv(*args: str, env: dict[str, str]) -> None:
        done = subprocess.run([UV, *args], env=env, cwd="/", capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"uv {' '.join(args[:3])} failed:\n{done.stderr[-2000:]}")
