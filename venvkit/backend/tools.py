"""The choice between the backends: uv, or pip with virtualenv."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, Union

from venvkit.backend.descriptions import Descriptions
from venvkit.backend.mirror import Mirrors
from venvkit.backend.process import Runner
from venvkit.backend.resolver import UvResolver
from venvkit.backend.uv import Uv, find_uv
from venvkit.call import Call
from venvkit.canonical import digest
from venvkit.events import Observer
from venvkit.host.probe import find_host_python, find_python
from venvkit.host.snapshot import HostSnapshot
from venvkit.settings import key_environ
from venvkit.spec.request import Request, Sources

# Each is imported when it is needed: the reading of metadata, or pip and its ways, take longer than a plan.
if TYPE_CHECKING:
    from venvkit.backend.metadata import MetadataReader
    from venvkit.backend.pip import Pip
    from venvkit.backend.pipresolver import PipResolver

Tool: TypeAlias = Union[Uv, "Pip"]


def find_tool(call: Call, runner: Runner, cache: Path) -> Tool:
    """Return the tool that a call or the settings choose.

    Raises:
        MachineError: It is uv, and there is none that will do.
    """
    attempts, offline = call.settings.download_attempts, bool(call.choice("offline", False))
    if call.choice("backend", call.settings.backend) == "pip":
        from venvkit.backend.pip import Pip

        return Pip(cache / "pip", runner, call.environ, attempts, offline)
    return find_uv(runner, call.environ, attempts=attempts, offline=offline)


def backend_name(tool: Tool) -> Literal["uv", "pip"]:
    """Return the backend's name, as `--backend` takes it."""
    return "uv" if isinstance(tool, Uv) else "pip"


def make_resolver(
    tool: Tool, request: Request, child: HostSnapshot, *, cache: Path, observer: Observer
) -> UvResolver | PipResolver:
    """Return the planner's resolver by a tool, for what the child may see."""
    sources, interpreter = request.sources, child.interpreter
    if not isinstance(tool, Uv):
        from venvkit.backend.pipresolver import PipResolver

        mirrors = Mirrors(cache / "mirrors", tool, importable=False)
        return PipResolver(tool, mirrors, child, sources, request.levers, observer)
    # Whatever can change which file a pin means: another index may have another build under the same version.
    settings = {name: value for name, value in key_environ(tool.environ).items() if name.startswith("UV_")}
    context = digest(
        [
            interpreter.version,
            interpreter.implementation,
            dict(interpreter.environment),
            repr(sources),
            repr(request.levers),
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
    from venvkit.backend.metadata import MetadataReader

    return MetadataReader(cache / "metadata", sources, uv.offline, uv.runner.cancel, uv.environ)


def find_child_python(wanted: str, runner: Runner, tool: Tool) -> str:
    """Return the absolute path of the interpreter that `wanted` names: a path, or a version.

    Raises:
        UsageError: There is none (`interpreter-missing`).
    """
    if not isinstance(tool, Uv):
        # Without uv there is nothing to ask for versions but the names of programs.
        return find_host_python(f"python{wanted}" if wanted[:1].isdigit() else wanted, None)
    return find_python(wanted, runner, tool.path)
