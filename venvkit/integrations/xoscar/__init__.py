"""xoscar and Xinference: environments of venvkit where a server asks xoscar for a virtual environment.

Needs xoscar, which every Xinference server has (`pip install venvkit[xoscar]`).

Example:
    >>> from venvkit.integrations.xoscar import register   # doctest: +SKIP
    >>> register(replace_uv=True)                           # doctest: +SKIP
"""

from __future__ import annotations

from xoscar import virtualenv

from venvkit.integrations.xoscar.errors import InstallError
from venvkit.integrations.xoscar.manager import VenvkitManager

__all__ = ["InstallError", "VenvkitManager", "register"]


def register(*, replace_uv: bool = False) -> None:
    """Make venvkit a virtual environment manager of xoscar in this process.

    Afterwards a launch with `virtual_env_name="venvkit"` gets an environment of venvkit.

    Args:
        replace_uv: Take the place of xoscar's own manager `uv` as well, which a launch without a name gets.
    """
    managers = virtualenv._name_to_managers
    managers["venvkit"] = VenvkitManager
    if replace_uv:
        managers["uv"] = VenvkitManager
