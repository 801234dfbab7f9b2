"""`plan --all`, `build --all` and `build` with several models."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from msgspec.structs import replace

from venvkit.cli.options.select import store
from venvkit.cli.outcome import Outcome
from venvkit.cli.progress.bar import telling
from venvkit.cli.signals import cancellable
from venvkit.cli.views.fleet import FleetPlan
from venvkit.cli.views.fleetbuilt import FleetBuilt
from venvkit.errors import UsageError
from venvkit.fleet.building import Order, Target, build_all, order_all
from venvkit.fleet.expand import Wanted
from venvkit.fleet.planning import Pace, plan_fleet, usual_jobs
from venvkit.fleet.stored import compare
from venvkit.settings import load_settings

if TYPE_CHECKING:
    from venvkit.launch.asked import Choices


def plan_all(
    choices: Choices, *, enable: bool | None, jobs: int | None, refresh: bool, full: bool, quiet: bool
) -> Outcome:
    """Plan every launch of the catalogue, and compare with the store.

    Raises:
        VenvkitError: As `plan_fleet`; an interruption is a failure that comes with what was finished.
    """
    wanted, choices = _split(choices)
    settings, environ = load_settings(), dict(os.environ)
    with cancellable() as cancel, telling(quiet=quiet) as teller:
        if not (settings.enable if enable is None else enable):
            teller.warn("environments are switched off: build would hand out the host's interpreter")
        survey = plan_fleet(
            wanted,
            choices,
            settings=settings,
            environ=environ,
            pace=Pace(jobs or usual_jobs(), refresh),
            observer=teller.observe,
            notify=teller.step,
            cancel=cancel,
        )
        rows = compare(survey.rows, store(), host=survey.python, python=survey.version)
    result = FleetPlan(replace(survey, rows=rows), time.time(), full)
    return Outcome(result, result.failure)


def _split(choices: Choices) -> tuple[Wanted, Choices]:
    """Return which launches are wanted, and what else was chosen for all of them.

    Raises:
        UsageError: A variant is chosen (`options-unused`).
    """
    if "variant" in choices:
        raise UsageError(
            "a variant is one spec among those of one name, and all are asked for",
            code="options-unused",
            where="--variant",
            remedy="leave it away, or name the model",
        )
    rest = cast("Choices", {name: value for name, value in choices.items() if name not in ("engine", "model_type")})
    return Wanted(choices.get("model_type"), choices.get("engine"), choices.get("model_format")), rest


def build_many(
    models: Sequence[str], choices: Choices, *, enable: bool | None, jobs: int | None, quiet: bool
) -> Outcome:
    """Build the models that are named, or all launches of the catalogue when none is.

    Raises:
        VenvkitError: As `order_all`. The failure of a single build comes with the result, after all others.
    """
    with cancellable() as cancel, telling(quiet=quiet) as teller:
        if models:
            order = Order(tuple(Target(name, choices.get("engine"), name, choices) for name in dict.fromkeys(models)))
        else:
            wanted, rest = _split(choices)
            settings = load_settings()
            order = order_all(
                wanted,
                rest,
                settings=settings,
                environ=dict(os.environ),
                observer=teller.observe,
                notify=teller.step,
                cancel=cancel,
            )
        fleet = build_all(order, jobs=jobs or usual_jobs(), enable=enable, notify=teller.step, cancel=cancel)
    result = FleetBuilt(fleet)
    return Outcome(result, result.failure)
