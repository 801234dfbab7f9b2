"""From MODEL on the command line, a name or a spec's path, to its places in the store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from venvkit.errors import UsageError
from venvkit.launch.given import is_path
from venvkit.settings import load_settings
from venvkit.store.layout import Layout

if TYPE_CHECKING:
    from venvkit.store.look.inventory import Entry


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

    return tuple(entry for name in _names(model) for entry in find_entries(layout, name, engine))


def select_one(layout: Layout, model: str, choices: Mapping[str, Any]) -> Entry:
    """Return the one environment of a model; `engine` and `python` of the choices tell several apart.

    Raises:
        UsageError: There is none (`model-not-built`), or more than one (`model-ambiguous`).
    """
    version = choices.get("python", "")
    found = [
        entry
        for entry in select(layout, model, choices.get("engine"))
        if f"{entry.python}.".startswith(f"{version}." if version else "")
    ]
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


def _names(model: str) -> tuple[str, ...]:
    if not is_path(model):
        return (model,)
    from venvkit.spec.model import load_specs

    return tuple(dict.fromkeys(spec.name for spec in load_specs(model)))
