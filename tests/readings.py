"""A call read and planned step by step, for tests that look at the tool, the processes or the caches behind a plan."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from venvkit.events import ignore
from venvkit.launch.asked import Call
from venvkit.launch.host import Services, open_services
from venvkit.launch.planning import Planned, plan_reading
from venvkit.launch.reading import Reading, read_call
from venvkit.settings import load_settings


def opened(spec: Path | str, **choices: Any) -> tuple[Reading, Services]:
    """Read a call of this process's environment."""
    environ = dict(os.environ)
    call = Call(spec, choices, load_settings(environ), environ)  # type: ignore[arg-type]
    services = open_services(call, ignore, None)
    return read_call(call, services), services


def planned(spec: Path | str, **choices: Any) -> tuple[Planned, Services]:
    """Plan a call of this process's environment."""
    reading, services = opened(spec, **choices)
    return plan_reading(reading, services), services
