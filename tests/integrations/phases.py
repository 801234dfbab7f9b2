"""The dependency phase of a worker, timed. Run by test_xinference_phases.py, with an interpreter that has Xinference.

usage: python phases.py MANAGER HOME WHEELS MODEL=PACKAGE... ; prints a JSON object of seconds by model.
"""

import json
import sys
import time
from pathlib import Path

from xinference.core.worker import WorkerActor
from xinference.model.core import VirtualEnvSettings

from venvkit.integrations.xoscar import register

register()
manager_name, home, wheels, *models = sys.argv[1:]
version = ".".join(map(str, sys.version_info[:3]))
seconds = {}
for model, package in (text.split("=", 1) for text in models):
    place = Path(home, "virtualenv", "v4", model, "default", version)
    began = time.monotonic()
    manager = WorkerActor._create_virtual_env_manager(True, manager_name, str(place))
    settings = VirtualEnvSettings(packages=[package], find_links=wheels, inherit_pip_config=True)
    WorkerActor._prepare_virtual_env(
        manager, settings, None, None, model_name=model, report_install_progress=lambda *_: None
    )
    seconds[model] = round(time.monotonic() - began, 3)
print(json.dumps(seconds))
