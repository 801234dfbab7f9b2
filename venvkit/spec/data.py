"""Places of data files: the shipped `specs` folder, in the wheel or beside the package, and a user's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from venvkit.base.files import exists
from venvkit.errors import MachineError

if TYPE_CHECKING:
    from venvkit.settings import Settings

_PACKAGE = Path(__file__).resolve().parent.parent


class EngineFile(Struct, frozen=True):
    """A file of engine data.

    Args:
        path: The file; one that a setting names need not be there.
        source: Who put it there: `shipped`, `home` (XINFERENCE_HOME), `setting` (VENVKIT_ENGINES).
    """

    path: Path
    source: Literal["shipped", "home", "setting"]


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


def own_engine_file(settings: Settings) -> Path:
    """Return where a user's own engine data lies, whether it is there or not."""
    return Path(settings.home, "venvkit", "engines.toml")


def engine_files(settings: Settings) -> tuple[EngineFile, ...]:
    """Return the files of engine data in force, the weakest first: what a later one says of a name wins.

    Raises:
        MachineError: The installation is incomplete (`data-missing`).
    """
    own = own_engine_file(settings)
    files = [EngineFile(data_dir() / "engines.toml", "shipped")]
    files += [EngineFile(own, "home")] if exists(own) else []
    return (*files, *(EngineFile(Path(path), "setting") for path in settings.engines))
