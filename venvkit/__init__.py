"""venvkit: per-model Python environments that are proved consistent before a model is loaded in them.

    from venvkit import ensure_env

    env = ensure_env("specs/models/hello.json")
    env.run(["python", "-c", "import humanize"])

Everything here is loaded when first used, so that importing venvkit costs next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from venvkit.api import ensure_env, ensure_env_async, plan_env
    from venvkit.api.store import Store
    from venvkit.errors import VenvkitError
    from venvkit.launch.handle import Environment
    from venvkit.spec.model import ModelSpec

__all__ = ["Environment", "ModelSpec", "Store", "VenvkitError", "ensure_env", "ensure_env_async", "plan_env"]


_HOMES = {
    "ensure_env": "venvkit.api",
    "ensure_env_async": "venvkit.api",
    "plan_env": "venvkit.api",
    "Environment": "venvkit.launch.handle",
    "VenvkitError": "venvkit.errors",
    "ModelSpec": "venvkit.spec.model",
    "Store": "venvkit.api.store",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'venvkit' has no attribute {name!r}")
    value: object = getattr(__import__(home, fromlist=[name]), name)
    globals()[name] = value
    return value
