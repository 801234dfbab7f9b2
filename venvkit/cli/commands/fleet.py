"""`plan --all`, `build --all` and `build` with several models."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from venvkit.cli.options.request import warn_disabled
from venvkit.cli.options.select import store
from venvkit.cli.outcome import Outcome
from venvkit.cli.progress.show import reporting
from venvkit.cli.signals import cancellable
from venvkit.cli.views.fleet import FleetPlan
from venvkit.cli.views.fleetbuilt import FleetBuilt
from venvkit.fleet.building import Order, Target, build_all, order_all
from venvkit.fleet.expand import Wanted
from venvkit.fleet.planning import plan_fleet
from venvkit.fleet.stored import compare
from venvkit.settings import load_settings

if TYPE_CHECKING:
    from venvkit.launch.asked import Choices


def plan_all(choices: Choices, *, enable: bool | None, quiet: bool, full: bool, **pace: Any) -> Outcome:
    """Plan every launch of the catalogue, and compare with the store. `pace` is how `plan_fleet` works."""
    wanted, rest = Wanted.of(choices)
    settings, environ = load_settings(), dict(os.environ)
    with cancellable() as cancel, reporting(quiet=quiet) as observer:
        warn_disabled(enable, observer)
        survey = plan_fleet(wanted, rest, settings=settings, environ=environ, observer=observer, cancel=cancel, **pace)
        rows = compare(survey.rows, store().layout, host=survey.python, python=survey.version)
    result = FleetPlan(replace(survey, rows=rows), time.time(), full)
    return Outcome(result, result.failure)


def build_many(
    models: Sequence[str], choices: Choices, *, enable: bool | None, jobs: int | None, quiet: bool
) -> Outcome:
    """Build the models that are named, or all launches of the catalogue when none is."""
    with cancellable() as cancel, reporting(quiet=quiet) as observer:
        if models:
            order = Order(tuple(Target(name, choices.get("engine"), name, choices) for name in dict.fromkeys(models)))
        else:
            wanted, rest = Wanted.of(choices)
            settings, environ = load_settings(), dict(os.environ)
            order = order_all(wanted, rest, settings=settings, environ=environ, observer=observer, cancel=cancel)
        fleet = build_all(order, jobs=jobs, enable=enable, observer=observer, cancel=cancel)
    result = FleetBuilt(fleet)
    return Outcome(result, result.failure)
