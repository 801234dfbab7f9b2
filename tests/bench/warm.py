"""Cases of the warm path: the environment is there and nothing changed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from tests.bench.cases import Plan, Row, Side, Skipped
from tests.bench.processes import output, seconds
from tests.bench.sizes import FOUR_REQUEST
from tests.bench.world import World

_ENSURE = "from venvkit import ensure_env; ensure_env({spec!r}, host_python={host!r})"
# What the first call of a process may not import.
HEAVY = (
    "packaging", "msgspec", "click", "rich", "filelock", "importlib.metadata", "subprocess", "inspect", "asyncio",
)  # fmt: skip
_LOADED = "; import sys; print(*[name for name in {heavy!r} if name in sys.modules])"
_RESIDENT = "; print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmRSS')))"
_COUNT = 300


def same_process(world: World) -> Iterator[Plan]:
    """`ensure_env` again, in a process that has called it before."""
    agent, host = world.agent(), world.host(100)
    spec = world.spec("warm", FOUR_REQUEST)
    agent.ask("ensure", spec=spec, host_python=host)
    events = agent.ask("audit", spec=spec, host_python=host)
    odd = [
        event
        for event in events
        if event[0] not in ("open", "os.listdir", "fcntl.flock") or (event[0] == "open" and _writes(event))
    ]
    yield Plan(
        sides=(
            Side("a stat", lambda: float(agent.ask("stat", path=spec, count=_COUNT))),
            Side("ensure_env again", lambda: float(agent.ask("ensure", spec=spec, count=_COUNT, host_python=host))),
        ),
        rows=(Row("warm ensure_env, same process", "ensure_env again", ("a stat",), "at most", 100e-6),),
        facts=(f"audit events: {len(events)}, of them processes, sockets or writes: {len(odd)} {odd or ''}".strip(),),
    )


def _writes(event: list[str]) -> bool:
    return bool(set(str(event[2] or "r")) & set("wax+"))


def fresh_process(world: World) -> Iterator[Plan]:
    """The first call of a process, import included."""
    spec, host, env = _ready(world)
    code = _ENSURE.format(spec=spec, host=host)
    loaded = output([world.python, "-c", code + _LOADED.format(heavy=HEAVY)], env).split()
    yield Plan(
        sides=(
            Side("python -c pass", lambda: seconds([world.python, "-c", "pass"], env)),
            Side("first ensure_env", lambda: seconds([world.python, "-c", code], env)),
        ),
        rows=(Row("warm ensure_env, fresh process", "first ensure_env", ("python -c pass",), "times", 3.0),),
        facts=(f"of {', '.join(HEAVY)} it imports: {', '.join(loaded) or 'none'}",),
    )


def command(world: World) -> Iterator[Plan]:
    """`venvkit build MODEL` with nothing to do, as a whole process."""
    spec, host, env = _ready(world)
    build = [world.command, "build", spec, "--host-python", host]
    yield Plan(
        sides=(
            Side("python -c pass", lambda: seconds([world.python, "-c", "pass"], env)),
            Side("python -c 'import click'", lambda: seconds([world.python, "-c", "import click"], env)),
            Side("venvkit build", lambda: seconds(build, env)),
        ),
        rows=(Row("venvkit build, nothing to do", "venvkit build", ("python -c 'import click'",), "times", 2.0),),
    )


def memory(world: World) -> Iterator[Plan]:
    """The resident memory of a process after a warm call."""
    spec, host, env = _ready(world)
    code = _ENSURE.format(spec=spec, host=host) + _RESIDENT
    yield Plan(
        sides=(
            Side("a bare interpreter", lambda: _resident(world, "pass" + _RESIDENT, env)),
            Side("after ensure_env", lambda: _resident(world, code, env)),
        ),
        rows=(Row("memory of a warm process", "after ensure_env", ("a bare interpreter",), "beyond", 12e6),),
        unit="B",
    )


def _resident(world: World, code: str, env: dict[str, str]) -> float:
    return float(output([world.python, "-c", code], env)) * 1024


def second_model(world: World) -> Iterator[Plan]:
    """A model whose plan is that of another one: beyond the warm call of the first."""
    agent, host, numbers = world.agent(), world.host(100), count()
    first = world.spec("first", FOUR_REQUEST)
    agent.ask("ensure", spec=first, host_python=host)
    if agent.ask("built", spec=world.spec("another", FOUR_REQUEST), host_python=host):
        raise RuntimeError("the second model's environment was built, not shared")

    def second() -> float:
        spec = world.spec(f"second-{next(numbers)}", FOUR_REQUEST)
        return float(agent.ask("ensure", spec=spec, host_python=host))

    env = world.environ()

    def fresh() -> float:
        spec = world.spec(f"second-{next(numbers)}", FOUR_REQUEST)
        return seconds([world.python, "-c", _ENSURE.format(spec=spec, host=host)], env)

    code = _ENSURE.format(spec=first, host=host)
    yield Plan(
        sides=(
            Side("the first model, warm", lambda: float(agent.ask("ensure", spec=first, host_python=host))),
            Side("the second model", second),
            Side("the first model, a process", lambda: seconds([world.python, "-c", code], env)),
            Side("the second model, a process", fresh),
        ),
        rows=(
            Row(
                "second model, equal plan, same process",
                "the second model",
                ("the first model, warm",),
                "beyond",
                10e-3,
            ),
            Row("... as a process of its own", "the second model, a process", ("the first model, a process",), "shown"),
        ),
    )


def _ready(world: World) -> tuple[str, str, dict[str, str]]:
    """Build an environment, and return its spec, its host and the environment to ask for it in."""
    spec, host, env = world.spec("warm", FOUR_REQUEST), world.host(100), world.environ()
    seconds([world.command, "build", spec, "--host-python", host], env)
    return spec, host, env


def incumbent(world: World) -> Iterator[Plan]:
    """Nothing to do, against Xinference doing nothing: whole processes on the same host, the same packages there."""
    if not world.incumbent:
        raise Skipped("no host with Xinference: name its interpreter with --incumbent, or make one with --network")
    home = world.fresh("homes")
    env = world.environ(home)
    packages = ["transformers>=4.53.3", "accelerate>=0.28.0", "single-1==1.0"]
    theirs = str(world.fresh("runs") / "v4" / "model" / "transformers" / "3.11")
    spec = world.spec("incumbent", packages, index_url=world.index.url)
    ask = {"path": theirs, "packages": packages, "index_url": world.index.url}
    manager = [world.incumbent, "-c", _MANAGER.format(**{name: repr(value) for name, value in ask.items()})]
    worker = [world.incumbent, "-c", _WORKER.format(**{name: repr(value) for name, value in ask.items()})]
    build = [world.command, "build", spec, "--host-python", world.incumbent]
    for argv in (build, manager, worker):
        seconds(argv, env)
    yield Plan(
        sides=(
            Side("venvkit build", lambda: seconds(build, env)),
            Side("xoscar's manager", lambda: seconds(manager, env)),
            Side("Xinference's worker", lambda: seconds(worker, env)),
        ),
        rows=(
            Row("venvkit build, nothing to do", "venvkit build", ("xoscar's manager",), "times faster", 20.0),
            Row("venvkit build, nothing to do", "venvkit build", ("Xinference's worker",), "times faster", 20.0),
        ),
        facts=(
            "xoscar's manager: create_env and install_packages(skip_installed=True), nothing else imported",
            "Xinference's worker: its own two steps before a launch, which find its marker of an equal setup",
        ),
    )


_MANAGER = """\
import sys
from pathlib import Path
from xoscar.virtualenv import get_virtual_env_manager
manager = get_virtual_env_manager("uv", Path({path}))
manager.create_env(python_path=Path(sys.executable))
manager.install_packages({packages}, index_url={index_url}, skip_installed=True, engine="transformers")
"""
_WORKER = """\
import sys
from xinference.core.worker import WorkerActor
from xinference.model.core import VirtualEnvSettings
manager = WorkerActor._create_virtual_env_manager(True, None, {path})
settings = VirtualEnvSettings(packages={packages}, index_url={index_url}, inherit_pip_config=False)
WorkerActor._prepare_virtual_env(manager, settings, None, "transformers", model_name="incumbent")
"""
