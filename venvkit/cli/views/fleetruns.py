"""Runs over many models: `plan --all`, `build --all` and `build` with several models, from options to outcome."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from msgspec.structs import replace

from venvkit.cli.options.select import store
from venvkit.cli.outcome import Failure, Outcome
from venvkit.cli.page.text import counted
from venvkit.cli.progress.bar import telling
from venvkit.cli.signals import cancellable
from venvkit.cli.views.fleet import FleetPlan
from venvkit.cli.views.fleetbuilt import FleetBuilt
from venvkit.errors import CancelledError, UsageError
from venvkit.fleet.building import Fleet, Order, Target, build_all, order_all
from venvkit.fleet.expand import Wanted
from venvkit.fleet.planning import Pace, Survey, plan_fleet, usual_jobs
from venvkit.fleet.stored import compare
from venvkit.fleet.values import Trouble
from venvkit.settings import load_settings

if TYPE_CHECKING:
    from venvkit.launch.asked import Choices

# Exit statuses, the gravest first: what is wrong with venvkit or the machine meets every model, a spec only its own.
_GRAVITY = (1, 7, 4, 6, 3, 5, 2)


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
    return Outcome(result, _plan_failure(survey))


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


def _interrupted(unfinished: int, noun: str) -> Failure:
    """Return the failure of a run that was interrupted."""
    return Failure.of(
        CancelledError(
            f"interrupted with {counted(unfinished, noun)} to go",
            remedy="run it again: what is finished is kept",
        )
    )


def _plan_failure(survey: Survey) -> Failure | None:
    if survey.unfinished:
        return _interrupted(survey.unfinished, "request")
    troubles = [row.answer.trouble for row in survey.rows if row.answer.trouble is not None]
    odd = [trouble for trouble in troubles if trouble.code == "unexpected"]
    if not odd:
        return None
    first = odd[0]
    return Failure(
        "unexpected", f"{len(odd)} launches met a fault of venvkit: {first.message}", first.where, first.remedy, (), 1
    )


def build_many(
    models: Sequence[str], choices: Choices, *, enable: bool | None, jobs: int | None, quiet: bool
) -> Outcome:
    """Build the models that are named, or all launches of the catalogue when none is.

    Raises:
        VenvkitError: As `order_all`. The failure of a single build comes with the result, after all others.
    """
    with cancellable() as cancel, telling(quiet=quiet) as teller:
        if models:
            order = Order(tuple(_target(model, choices) for model in dict.fromkeys(models)))
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
    return Outcome(FleetBuilt(fleet), _build_failure(fleet))


def _target(model: str, choices: Choices) -> Target:
    return Target(model, choices.get("engine"), model, choices)


def _build_failure(fleet: Fleet) -> Failure | None:
    """Return what the command ends with: an interruption, else the gravest failure of a build or of reading."""
    if fleet.unfinished:
        return _interrupted(fleet.unfinished, "model")
    failed = [(one, one.trouble) for one in fleet.made if one.trouble is not None]
    if not failed:
        return _unread(fleet.order.faults)
    _, worst = min(failed, key=lambda item: _rank(item[1]))
    return Failure(
        worst.code,
        f"{len(failed)} of {len(fleet.made)} models have no environment; the gravest: {worst.message}",
        worst.where,
        worst.remedy,
        tuple(f"{one.model}{f' for {one.engine}' if one.engine else ''}: {trouble.code}" for one, trouble in failed),
        worst.exit_code,
    )


def _unread(faults: Sequence[str]) -> Failure | None:
    """Return the failure of files in which there may be more models."""
    if not faults:
        return None
    return Failure.of(
        UsageError(
            f"{counted(len(faults), 'file')} could not be read, and what is in there was not built",
            code="spec-unread",
            remedy="correct what is named, or take it out of the folder",
            details=tuple(faults),
        )
    )


def _rank(trouble: Trouble) -> int:
    return _GRAVITY.index(trouble.exit_code) if trouble.exit_code in _GRAVITY else len(_GRAVITY)
