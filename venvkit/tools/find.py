"""The choice between the backends: uv, or pip with virtualenv."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, Union

from msgspec import Struct

from venvkit.base import cachefile
from venvkit.base.caches import uv_cache
from venvkit.base.digest import digest, value_digest
from venvkit.base.process import Runner
from venvkit.base.version import __version__
from venvkit.base.watch import Watch, changed, stat_watch
from venvkit.events import Observer
from venvkit.host.probe import find_host_python, find_python
from venvkit.host.snapshot import HostSnapshot
from venvkit.settings import key_environ
from venvkit.spec.request import Request, Sources
from venvkit.tools.descriptions import Descriptions
from venvkit.tools.uv.client import Uv, find_uv, is_known
from venvkit.tools.uv.mirror import Mirrors
from venvkit.tools.uv.resolver import UvResolver

# Each is imported when it is needed: the reading of metadata, or pip and its ways, take longer than a plan.
if TYPE_CHECKING:
    from venvkit.tools.metadata import MetadataReader
    from venvkit.tools.pip.client import Pip
    from venvkit.tools.pip.resolver import PipResolver

Tool: TypeAlias = Union[Uv, "Pip"]


def find_tool(
    backend: str, runner: Runner, cache: Path, *, environ: Mapping[str, str], attempts: int, offline: bool
) -> Tool:
    """Return the tool that plans and installs.

    Args:
        backend: `uv` or `pip`.
        cache: The user's cache directory of venvkit.
        attempts: How often a download is tried.

    Raises:
        MachineError: It is uv, and there is none that will do.
    """
    if backend == "pip":
        from venvkit.tools.pip.client import Pip

        return Pip(cache / "pip", runner, environ, attempts, offline)
    first, place = not is_known(), _uv_place(environ, cache)
    known = _recall_uv(place) if first else None
    environ = {**environ, **uv_cache(environ, cache)}
    if known is not None:
        return Uv(known.path, known.version, runner, environ, attempts, offline)
    found = find_uv(runner, environ, attempts=attempts, offline=offline)
    if first:
        cachefile.store(place, _FoundUv(found.path, found.version, tuple(_uv_watches(found.path))))
    return found


class _FoundUv(Struct, frozen=True):
    """The form in which a uv that was found is kept: to find it and ask for its version takes 25 ms of a process."""

    path: str
    version: str
    watches: tuple[Watch, ...]


def _recall_uv(place: Path) -> _FoundUv | None:
    """Return the uv that another process found where this one would look, while nothing has changed there."""
    kept = cachefile.load(place, _FoundUv)
    return kept if kept is not None and changed(kept.watches) is None else None


def _uv_place(environ: Mapping[str, str], cache: Path) -> Path:
    where = [sys.prefix, sys.base_prefix, environ.get("UV"), environ.get("PATH"), __version__]
    return cache / "uv" / f"{digest(where)[:32]}.json"


def _uv_watches(path: str) -> Iterator[Watch]:
    """Yield watches that notice another uv: the binary, and the folder where one would be bundled."""
    return map(stat_watch, (path, os.path.join(sys.prefix, "bin")))  # noqa: PTH118


def tool_watches(tool: Tool) -> Iterator[Watch]:
    """Yield watches that notice another version of the tool; pip is the child's own."""
    if isinstance(tool, Uv):
        yield stat_watch(tool.path)


def find_tool_ahead(
    backend: str, runner: Runner, cache: Path, *, environ: Mapping[str, str], attempts: int, offline: bool
) -> Callable[[], Tool]:
    """Start looking for the tool on a thread if that needs a process; return what gives it, as `find_tool`."""
    find = functools.partial(find_tool, backend, runner, cache, environ=environ, attempts=attempts, offline=offline)
    if backend == "pip" or is_known() or _recall_uv(_uv_place(environ, cache)) is not None:
        return functools.cache(find)
    with_thread = ThreadPoolExecutor(1)
    found = with_thread.submit(find)
    with_thread.shutdown(wait=False)
    return found.result


def backend_name(tool: Tool) -> Literal["uv", "pip"]:
    """Return the backend's name, as `--backend` takes it."""
    return "uv" if isinstance(tool, Uv) else "pip"


def make_resolver(
    tool: Tool, request: Request, child: HostSnapshot, *, cache: Path, observer: Observer
) -> UvResolver | PipResolver:
    """Return the planner's resolver by a tool, for what the child may see."""
    sources, interpreter = request.sources, child.interpreter
    if not isinstance(tool, Uv):
        from venvkit.tools.pip.resolver import PipResolver

        mirrors = Mirrors(cache / "mirrors", tool, importable=False)
        return PipResolver(tool, mirrors, child, sources, request.levers, observer)
    # Whatever can change which file a pin means: another index may have another build under the same version.
    settings = {name: value for name, value in key_environ(tool.environ).items() if name.startswith("UV_")}
    context = value_digest(
        [
            interpreter.version,
            interpreter.implementation,
            dict(interpreter.environment),
            request.levers,
            settings,
        ]
    )
    return UvResolver(
        uv=tool,
        mirrors=Mirrors(cache / "mirrors", tool),
        snapshot=child,
        sources=sources,
        levers=request.levers,
        reader=lambda: _reader(tool, sources, cache),
        descriptions=Descriptions(cache / "descriptions", context),
        observer=observer,
    )


def _reader(uv: Uv, sources: Sources, cache: Path) -> MetadataReader:
    from venvkit.tools.metadata import MetadataReader

    runner = uv.runner
    return MetadataReader(cache / "metadata", sources, uv.offline, runner.cancel, uv.environ, runner.timeout)


def find_child_python(wanted: str, runner: Runner, tool: Tool) -> str:
    """Return the absolute path of the interpreter that `wanted` names: a path, or a version.

    Raises:
        UsageError: There is none (`interpreter-missing`).
    """
    if not isinstance(tool, Uv):
        # Without uv there is nothing to ask for versions but the names of programs.
        return find_host_python(f"python{wanted}" if wanted[:1].isdigit() else wanted, None)
    return find_python(wanted, runner, tool.path)
