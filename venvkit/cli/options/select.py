"""From MODEL on the command line, a name or a spec's path, to its places in the store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from venvkit.errors import UsageError
from venvkit.launch.given import is_path
from venvkit.settings import load_settings
from venvkit.store.layout import Layout

if TYPE_CHECKING:
    from venvkit.launch.asked import Choices
    from venvkit.store.look.inventory import Entry

# These tell the environments of a model apart; all other options decide what is planned.
TELLING = frozenset({"engine", "python"})


def store() -> Layout:
    """Return the store that the settings name.

    Raises:
        SettingError: A variable is malformed.
    """
    settings = load_settings()
    return Layout(Path(settings.home), soft=settings.lock == "soft")


def select(layout: Layout, model: str, engine: str | None) -> tuple[Entry, ...]:
    """Return the places of a model, or of all models in a spec's file.

    Raises:
        UsageError: There are none (`model-not-built`), or the spec is faulty.
    """
    from venvkit.store.look.inventory import find_entries

    names: tuple[str, ...] = (model,)
    if is_path(model):
        from venvkit.spec.model import load_specs

        names = tuple(dict.fromkeys(spec.name for spec in load_specs(model)))
    return tuple(entry for name in names for entry in find_entries(layout, name, engine))


def select_one(layout: Layout, model: str, choices: Choices, *, alone: bool = False) -> Entry:
    """Return the one environment of a model; `engine` and `python` of the choices tell several apart.

    Args:
        alone: Refuse other choices, which nothing in the store was built with.

    Raises:
        UsageError: There is none (`model-not-built`), or more than one (`model-ambiguous`).
    """
    if alone and (other := sorted(choices.keys() - TELLING)):
        raise UsageError(
            f"nothing in the store was built with these options: {', '.join(other)}",
            code="model-not-built",
            where=model,
            remedy="`venvkit build` with the same options makes it; without options, show takes any of the model's",
        )
    version = f"{choices['python']}." if choices.get("python") else ""
    found = [entry for entry in select(layout, model, choices.get("engine")) if f"{entry.python}.".startswith(version)]
    found = [entry for entry in found if entry.state != "foreign"] or found
    if len(found) == 1:
        return found[0]
    there = ", ".join(f"{entry.engine} on Python {entry.python}" for entry in found) or "none"
    raise UsageError(
        f"{len(found)} environments of {model!r} fit: {there}",
        code="model-ambiguous" if found else "model-not-built",
        where=model,
        remedy="tell them apart with --engine and --python",
    )


def select_answer(layout: Layout, model: str, choices: Choices) -> Entry | None:
    """Return the place that answered this very request, as long as it still leads to the same environment."""
    from venvkit.formats.entry import read_entry
    from venvkit.launch.asked import Call

    environ = dict(os.environ)
    answer = read_entry(str(layout.request(Call(model, choices, load_settings(environ), environ).key())))
    if answer is None:
        return None
    facts = answer["facts"]
    wanted = (Path(facts["shell"]), Path(facts["path"]))
    try:
        entries = select(layout, facts["model"], facts["engine"])
    except UsageError:
        return None
    return next((entry for entry in entries if (entry.path, entry.environment) == wanted), None)


def select_or_all(layout: Layout, model: str | None, engine: str | None, *, everything: bool) -> tuple[Entry, ...]:
    """Return the places of a model, or with `everything` all that venvkit made.

    Raises:
        UsageError: Neither or both are asked for (`model-missing`), or the model has no place.
    """
    from venvkit.store.look.inventory import entries

    if (model is None) is not everything:
        raise UsageError(
            "name a model, or give --all, and not both", code="model-missing", remedy="`venvkit list` shows the models"
        )
    if model is not None:
        return select(layout, model, engine)
    ours = (entry for entry in entries(layout) if entry.state != "foreign")
    return tuple(entry for entry in ours if engine is None or entry.engine == engine.lower())
