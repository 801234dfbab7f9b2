"""Where the shipped data lives: the `specs` folder, inside the wheel or beside the package in a checkout."""

from __future__ import annotations

from pathlib import Path

from venvkit.errors import MachineError

_PACKAGE = Path(__file__).resolve().parent.parent


def data_dir() -> Path:
    """Return the folder that holds `engines.toml`, `spec.schema.json` and `models/`.

    Raises:
        MachineError: The installation is incomplete (`data-missing`).
    """
    for folder in (_PACKAGE / "_specs", _PACKAGE.parent / "specs"):
        if (folder / "engines.toml").is_file():
            return folder
    raise MachineError(
        "the data folder of venvkit is missing",
        code="data-missing",
        where=str(_PACKAGE / "_specs"),
        remedy="install venvkit again",
    )
