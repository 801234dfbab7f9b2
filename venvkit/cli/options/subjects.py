"""The subject of a question about plans: a new plan of a spec, or that of an environment of the store."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from msgspec import Struct

from venvkit.api import plan_env
from venvkit.base.process import Runner
from venvkit.cli.options.select import store
from venvkit.errors import UsageError
from venvkit.events import Observer
from venvkit.formats.receipt import Receipt, read_receipt
from venvkit.launch.given import is_path
from venvkit.launch.recall import problem_of
from venvkit.launch.stored import TELLING
from venvkit.plan.problem import Problem
from venvkit.plan.values import Plan
from venvkit.store.layout import Layout

if TYPE_CHECKING:
    from venvkit.launch.asked import Choices


class Subject(Struct, frozen=True):
    """One plan.

    Args:
        environment: The id of the environment that was built from it; empty for a new plan.
        planned: The problem of a new plan.
    """

    model: str
    environment: str
    key: str
    plan: Plan
    receipt: Receipt | None = None
    planned: Problem | None = None

    @property
    def label(self) -> str:
        """The plan in words."""
        return f"{self.model} ({self.environment or 'a new plan'})"

    def problem(self, cancel: threading.Event) -> Problem:
        """Return the problem of the plan; for an environment from its receipt, with the host as it was then.

        Raises:
            UsageError: The environment's host is gone.
        """
        if self.planned is not None:
            return self.planned
        assert self.receipt is not None
        return problem_of(self.receipt, Runner(cancel=cancel))


def subject(text: str, choices: Choices, observer: Observer, cancel: threading.Event) -> Subject:
    """Return the plan that `text` names: a spec's path, a model of the store, an environment's id, or else a model.

    Args:
        choices: The options of a new plan; `engine` and `python` also tell a model's environments apart.

    Raises:
        VenvkitError: As `plan_env`; or several in the store have that name (`model-ambiguous`), or its receipt
            cannot be read (`environment-unusable`).
    """
    layout = store().layout
    if not _is_stored(text, layout):
        made = plan_env(text, observer=observer, cancel=cancel, **choices)
        return Subject(made.reading.spec.name, "", made.key, made.plan, planned=made.recipe.problem)
    receipt = _receipt(text, choices, layout)
    return Subject(receipt.model, receipt.id, receipt.key, receipt.plan, receipt=receipt)


def refuse_options(texts: tuple[str, ...], choices: Choices) -> None:
    """Refuse options of a plan where no spec is planned: they would be passed over in silence.

    Raises:
        UsageError: `options-unused`.
    """
    layout = store().layout
    other = sorted(choices.keys() - TELLING)
    if other and all(_is_stored(text, layout) for text in texts):
        raise UsageError(
            f"an environment of the store was built already, so nothing is planned with {', '.join(other)}",
            code="options-unused",
            where=", ".join(texts),
            remedy="name the path of the spec to plan it with these options",
        )


def refuse_unused(model: str, choices: Choices) -> None:
    """Refuse options that nothing in the store was built with, where one of its environments is to be shown.

    Raises:
        UsageError: `model-not-built`.
    """
    if other := sorted(choices.keys() - TELLING):
        raise UsageError(
            f"nothing in the store was built with these options: {', '.join(other)}",
            code="model-not-built",
            where=model,
            remedy="`venvkit build` with the same options makes it; without options, show takes any of the model's",
        )


def ordered(first: str, second: str) -> tuple[str, str]:
    """Return two arguments as (MODEL, NAME): a path or something of the store is the model, else the first."""
    layout = store().layout
    for fits in (is_path, lambda text: _is_stored(text, layout), os.path.isfile):
        if fits(first):
            return first, second
        if fits(second):
            return second, first
    return first, second


def _is_stored(text: str, layout: Layout) -> bool:
    if not text or is_path(text) or text.startswith("."):
        return False
    # A name may be longer than a path can be, which pathlib raises.
    return any(os.path.isdir(folder / text) for folder in (layout.shells, layout.envs))  # noqa: PTH112


def _receipt(text: str, choices: Choices, layout: Layout) -> Receipt:
    """Return the receipt of an environment that is named by its id, or by its model."""
    place, problem = layout.envs / text, "it has no receipt"
    if place.is_dir():
        receipt = read_receipt(place)
    else:
        entry = store().find(text, engine=choices.get("engine"), python=choices.get("python"))
        receipt, problem = entry.receipt, entry.problem
    if receipt is not None:
        return receipt
    raise UsageError(
        f"the environment cannot say what is in it: {problem}",
        code="environment-unusable",
        where=text,
        remedy="`venvkit build` makes a new one from the spec",
    )
