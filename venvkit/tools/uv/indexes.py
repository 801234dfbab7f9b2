"""Tell uv to treat HTTP 403 of public indexes as "no such project", which it allows in a configuration file alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from venvkit.spec.configuration.paths import named_index
from venvkit.spec.configuration.sources import Sources, is_public
from venvkit.spec.configuration.uv import TRUE

# uv looks for uv.toml and pyproject.toml in the folder that it runs in and in all above it, and in /tmp anybody may
# have put one. A workspace of our own ends that search.
_FENCE = "[tool.uv.workspace]\n"


def fence(folder: Path) -> None:
    """Make `folder` one in which uv finds no configuration but what we put there."""
    with Path(folder, "pyproject.toml").open("a", encoding="utf-8") as out:
        out.write(_FENCE)


def forgiving(environ: Mapping[str, str], sources: Sources, folder: Path) -> Mapping[str, str]:
    """Return an environment in which a 403 of a public index says, to a uv that runs in `folder`, "no such project".

    The further indexes move from the environment to a file there, in their order: uv 0.13 goes by what is said of an
    address first, and of one in a variable nothing can be said. With an `unsafe-*` strategy uv does so by itself.
    Nor can it be said beside a file that `UV_CONFIG_FILE` names; then such a 403 stays an error.
    """
    indexes = [*environ.get("UV_INDEX", "").split(), *environ.get("UV_EXTRA_INDEX_URL", "").split()]
    tables = [_table(index, sources) for index in indexes]
    unsafe = environ.get("UV_INDEX_STRATEGY", "first-index") != "first-index"
    if unsafe or environ.get("UV_CONFIG_FILE") or not any("ignore-error-codes" in table for table in tables):
        return environ
    env = {name: value for name, value in environ.items() if name not in {"UV_INDEX", "UV_EXTRA_INDEX_URL"}}
    head, path = "[[tool.uv.index]]", Path(folder, "pyproject.toml")
    if env.get("UV_NO_CONFIG", "").lower() in TRUE:
        # With it uv would not read that file either: so ours is the one that it is told to read, and no other.
        del env["UV_NO_CONFIG"]
        head, path = "[[index]]", Path(folder, "uv-indexes.toml")
        env["UV_CONFIG_FILE"] = str(path)
    path.write_text("".join(f"{head}\n{table}" for table in tables), encoding="utf-8")
    return env


def _table(index: str, sources: Sources) -> str:
    name, url = named_index(index)
    text = f"name = {json.dumps(name)}\n" if name else ""
    text += f"url = {json.dumps(url)}\n"
    return text + ("ignore-error-codes = [403]\n" if is_public(url, sources.public_indexes) else "")
