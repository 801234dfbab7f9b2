"""The settings file: a flat TOML table of `NAME = value`, read only when it is there."""

from __future__ import annotations

import os

from venvkit.errors import SettingError
from venvkit.settings.variables import BY_NAME, Variable

SETTINGS_FILE = os.path.join("venvkit", "settings.toml")  # noqa: PTH118
"""Where the file lies inside XINFERENCE_HOME."""


def settings_file(home: str) -> str:
    """Return where the settings file of `home` lies, whether it is there or not."""
    return os.path.join(home, SETTINGS_FILE)  # noqa: PTH118


def read_settings_file(home: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Read the settings file of `home`.

    Returns:
        The texts by variable, and the faults as pairs of place and sentence. Both empty without a file.

    Raises:
        SettingError: The file is not TOML, or cannot be read (`settings-file-invalid`).
    """
    path = settings_file(home)
    if not os.path.lexists(path):
        return {}, []
    texts: dict[str, str] = {}
    faults: list[tuple[str, str]] = []
    for name, value in _table(path).items():
        variable = BY_NAME.get(name)
        if variable is None:
            faults.append((path, f"{name!r} is no setting{nearest(name)}"))
        elif name == "XINFERENCE_HOME":
            faults.append((path, f"{name} cannot be set here, because it says where this file lies"))
        elif (text := _text(variable, value)) is None:
            faults.append((name, f"its value in {path} is not valid; accepted: {variable.kind.accepts}"))
        else:
            texts[name] = text
    return texts, faults


def nearest(name: str) -> str:
    """Return `; did you mean ...?` with the variable whose name is most like `name`, or nothing."""
    from difflib import get_close_matches

    close = get_close_matches(name.upper(), BY_NAME, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _table(path: str) -> dict[str, object]:
    from venvkit.base.reading import parse_toml, read_regular  # only where there is a file: it imports json

    try:
        return parse_toml(read_regular(path))
    except OSError as error:
        fault = f"cannot be read: {error.strerror}"
    except ValueError as error:
        fault = f"is not TOML: {error}"
    raise SettingError(
        f"the settings file {fault}",
        code="settings-file-invalid",
        where=path,
        remedy="correct the file, or move it away to go without it",
    )


def _text(variable: Variable, value: object) -> str | None:
    """Return a TOML value as the environment would write it; None for what has no such form."""
    from datetime import date

    separator = variable.kind.separator
    if isinstance(value, list):
        pieces = [item for item in value if isinstance(item, str) and item and separator not in item]
        return separator.join(pieces) if separator and len(pieces) == len(value) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, (str, int, float)) else None
