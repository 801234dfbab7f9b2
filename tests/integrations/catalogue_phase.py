"""Plans for real models through a worker, and of the library call. Run by test_xinference_catalogue.py.

usage: python catalogue_phase.py HOME COUNT, with an interpreter that has Xinference and venvkit.
Prints a JSON list of `{"model", "engine", "worker", "library", "error"}`, the plans as `name==version`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import xinference
from xinference.core.worker import WorkerActor
from xinference.model.core import VirtualEnvSettings
from xoscar import virtualenv

from venvkit import plan_env
from venvkit.errors import VenvkitError
from venvkit.integrations.xoscar.manager import VenvkitManager
from venvkit.integrations.xoscar.request import Wish, call_of, place_of
from venvkit.launch.ensure import plan_call
from venvkit.launch.reading import read_data
from venvkit.settings import load_settings
from venvkit.spec.model import parse_object
from venvkit.spec.request import spec_engines


class Planning(VenvkitManager):
    """Plans where the manager would build."""

    def create_env(self, python_path=None, exists="ignore"):
        self._python = python_path
        Path(self.get_lib_path()).mkdir(parents=True, exist_ok=True)

    def install_packages(self, packages, **options):
        call = call_of(place_of(self.env_path), Wish.of(packages, options), self._python)
        self.plan = plan_call(call, None, None).plan

    def _plan(self, packages, options):
        return []


def pairs():
    engines = read_data(load_settings(dict(os.environ)))[0]
    for path in sorted(Path(xinference.__file__).parent.joinpath("model").rglob("*.json")):
        document = json.loads(path.read_bytes())
        for table in document if isinstance(document, list) else [document]:
            if isinstance(table, dict) and table.get("virtualenv"):
                spec = parse_object(table, origin=str(path))
                named = [name for name in spec_engines(spec, engines) if name != "mlx"]
                for engine in named or [None]:
                    yield spec, table["virtualenv"], engine


def names(plan):
    return sorted(f"{item.name}=={item.version}" for item in plan.install)


def row(home, spec, block, engine):
    told = {"model": spec.name, "engine": engine}
    version = ".".join(map(str, sys.version_info[:3]))
    place = Path(home, "virtualenv", "v4", spec.name, engine or "default", version)
    try:
        library = plan_env(spec, engine=engine).plan
        manager = WorkerActor._create_virtual_env_manager(True, "planning", str(place))
        WorkerActor._prepare_virtual_env(manager, VirtualEnvSettings(**block), None, engine, model_name=spec.name)
        told |= {"worker": names(manager.plan), "library": names(library)}
    except (VenvkitError, ValueError) as error:
        told |= {"error": str(error)}
    return told


virtualenv._name_to_managers["planning"] = Planning
home, count = sys.argv[1], int(sys.argv[2])
every = list(pairs())
print(json.dumps([row(home, *pair) for pair in every[:: max(1, len(every) // count)][:count]]))
