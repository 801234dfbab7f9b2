"""The store of the command line."""

from __future__ import annotations

from venvkit.api.store import Store
from venvkit.errors import UsageError


def store() -> Store:
    """Return the store that the settings name.

    Raises:
        SettingError: A variable is malformed.
    """
    return Store()


def one_or_all(model: str | None, *, everything: bool) -> None:
    """Refuse a command that names neither a model nor --all, or both.

    Raises:
        UsageError: `model-missing`.
    """
    if (model is None) is not everything:
        raise UsageError(
            "name a model, or give --all, and not both", code="model-missing", remedy="`venvkit list` shows the models"
        )
