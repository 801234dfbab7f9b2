"""The worker of a real Xinference, importable in the test's own process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.integrations.beside import xinference_host
from tests.wheelhouse import Wheelhouse


@dataclass
class Worker:
    """What the worker does with a manager, through its own functions."""

    actor: Any
    settings: Any
    wheelhouse: Wheelhouse
    home: Path
    told: list[tuple[int, int, tuple[str, ...]]] = field(default_factory=list)

    def place(self, model: str, engine: str | None = None) -> Path:
        version = ".".join(map(str, sys.version_info[:3]))
        return self.home / "virtualenv" / "v4" / model / (engine or "default").lower() / version

    def manager(self, model: str, engine: str | None = None) -> Any:
        return self.actor._create_virtual_env_manager(True, None, str(self.place(model, engine)))

    def prepare(self, manager: Any, packages: Sequence[str], engine: str | None = None, **block: Any) -> None:
        """Do the dependency phase of a launch."""
        block = {"find_links": self.wheelhouse.url, "inherit_pip_config": True, **block}
        self.told.clear()
        self.actor._prepare_virtual_env(
            manager,
            self.settings(packages=list(packages), **block),
            None,
            engine,
            model_name=manager.env_path.parts[-3],
            report_install_progress=lambda done, total, labels: self.told.append((done, total, tuple(labels))),
        )

    def launch(self, model: str, packages: Sequence[str], engine: str | None = None, **block: Any) -> Any:
        manager = self.manager(model, engine)
        self.prepare(manager, packages, engine, **block)
        return manager


@pytest.fixture(scope="session")
def _xinference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """Import Xinference from its own environment, behind everything that the tests have."""
    site = next((Path(xinference_host()).parent.parent / "lib").glob("python*/site-packages"))
    if site.parent.name != f"python{sys.version_info.major}.{sys.version_info.minor}":
        pytest.skip(f"skipped because the tests run on another Python than {site}")
    before, path = dict(os.environ), list(sys.path)
    os.environ["XINFERENCE_HOME"] = str(tmp_path_factory.mktemp("import"))
    sys.path.append(str(site))
    from xinference.core.worker import WorkerActor
    from xinference.model.core import VirtualEnvSettings
    from xoscar import virtualenv

    from venvkit.integrations.xoscar import register

    managers = dict(virtualenv._name_to_managers)
    register(replace_uv=True)
    os.environ.clear()
    os.environ.update(before)
    yield WorkerActor, VirtualEnvSettings
    virtualenv._name_to_managers.update(managers)
    sys.path[:] = path


@pytest.fixture
def worker(_xinference: tuple[Any, Any], home: Path, wheelhouse: Wheelhouse) -> Worker:
    return Worker(*_xinference, wheelhouse, home)
