"""The folders of specs on this machine, in the order in which they are searched."""

from __future__ import annotations

import os
from collections.abc import Sequence

from venvkit.catalogue.values import Place
from venvkit.errors import UsageError
from venvkit.spec.data import data_dir


def local_places(*, specs: Sequence[str], home: str, site_dirs: Sequence[str]) -> tuple[Place, ...]:
    """Return the places where a model may be found by its name; the first one that has it wins.

    In the server's home, and in the `xinference` of the host, a place is the folder that has one folder for each model
    type. It need not exist: what is not there now may be there at the next launch.

    Args:
        home: XINFERENCE_HOME.
        site_dirs: The directories where the host looks for packages, in its order.

    Raises:
        UsageError: The caller names what is no folder (`specs-not-found`).
        MachineError: venvkit's own data is missing.
    """
    given = tuple(Place("specs", _folder(path)) for path in dict.fromkeys(specs))
    models = os.path.join(os.path.abspath(home), "model", "v2")  # noqa: PTH100, PTH118 - text, as all that is listed
    registered = (Place("custom", models), Place("builtin", f"{models}/builtin"))
    return (*given, *registered, *_host(site_dirs), Place("own", str(data_dir() / "models")))


def _folder(path: str) -> str:
    folder = os.path.abspath(path)  # noqa: PTH100
    if not os.path.isdir(folder):  # noqa: PTH112
        raise UsageError(
            "there is no such folder",
            code="specs-not-found",
            where=folder,
            remedy="name a folder of specs; one spec is named by the path of its file, in place of the model's name",
        )
    return folder


def _host(site_dirs: Sequence[str]) -> tuple[Place, ...]:
    """Return the catalogue of the `xinference` that the host imports, behind the places where one would come first."""
    found: list[Place] = []
    for folder in dict.fromkeys(f"{site_dir}/xinference/model" for site_dir in site_dirs):
        found.append(Place("host", folder))
        if os.path.isdir(folder):  # noqa: PTH112
            break
    return tuple(found)
