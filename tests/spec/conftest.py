"""What the tests of the spec room share: a fixed interpreter, a machine that counts how often it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from venvkit.spec.data import data_dir
from venvkit.spec.engines import EngineTable, load_engines
from venvkit.spec.language.marker import MarkerContext

LINUX = {
    "implementation_name": "cpython",
    "implementation_version": "3.11.9",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "6.1.0",
    "platform_system": "Linux",
    "platform_version": "#1 SMP",
    "python_full_version": "3.11.9",
    "python_version": "3.11",
    "sys_platform": "linux",
}


@dataclass
class Machine:
    """An accelerator that is given, and that knows how often it was looked at."""

    has_cuda: bool = False
    has_npu: bool = False
    has_rocm: bool = False
    cuda_version: str | None = None
    cuda_arch: str | None = None
    asked: int = 0

    def look(self) -> Machine:
        self.asked += 1
        return self


@dataclass
class World:
    """Makes marker contexts."""

    machine: Machine = field(default_factory=Machine)

    def gpu(self, version: str = "13.0", arch: str = "sm_80") -> World:
        return World(Machine(has_cuda=True, cuda_version=version, cuda_arch=arch))

    def context(self, engine: str | None = None, **variables: str) -> MarkerContext:
        return MarkerContext(LINUX, engine, self.machine.look, variables)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def engines() -> EngineTable:
    return load_engines([data_dir() / "engines.toml"])
