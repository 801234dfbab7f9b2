"""Cases of a cold build, whole processes, against the same done by hand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench.cases import Plan, Row, Side, Skipped
from tests.bench.processes import output, seconds
from tests.bench.sizes import FOUR_REQUEST, MANY
from tests.bench.world import UV, World

_FACTOR = 1.15
_REAL_FOUR = ("transformers==4.57.1", "accelerate>=1.1", "sentence-transformers>=5.2")
# A host that has older ones of all three; the rest of its distributions fit both.
_REAL_OLD = ("transformers==4.50.0", "accelerate==0.34.2", "sentence-transformers==5.0.0")


def four_wheels(world: World) -> Iterator[Plan]:
    """Four wheels onto a host that has older ones, from a warm cache; the index's pages fresh in it, then not."""
    host = world.host(100)
    yield _four(world, host, FOUR_REQUEST, world.environ(world.fresh("homes")), "four wheels")
    far = world.environ(world.fresh("homes")) | {"UV_DEFAULT_INDEX": world.far_index.url}
    yield _four(world, host, FOUR_REQUEST, far, "four wheels, pages asked again")


def four_wheels_network(world: World) -> Iterator[Plan]:
    """The same with the real ones, from the real index."""
    if not world.network:
        raise Skipped("asks the real index: --network")
    place = world.work / "hosts" / "real-old"
    python = place / "bin" / "python"
    env = world.environ(world.fresh("homes"), real_index=True)
    if not (place / "made").exists():
        world.bare_venv(place)
        output(
            [UV, "pip", "install", "-q", "--torch-backend", "cpu", "--python", str(python), *_REAL_OLD, "torch"], env
        )
        (place / "made").touch()
    yield _four(world, str(python), _REAL_FOUR, env, "four wheels, real")


def _four(world: World, host: str, request: tuple[str, ...], env: dict[str, str], what: str) -> Plan:
    """By hand: a dry run that sees the host, a venv, an install of exactly what the dry run names."""
    home, hand, plans = Path(env["XINFERENCE_HOME"]), world.fresh("by-hand"), _plans(env)
    hand.mkdir(parents=True)
    spec = world.spec(what.replace(" ", "-").replace(",", ""), request)
    build = [world.command, "build", spec, "--host-python", host]
    seconds(build, env)
    wanted, pins = hand / "request.txt", hand / "pins.txt"
    wanted.write_text("\n".join(request) + "\n", encoding="utf-8")
    dry = [UV, "pip", "install", "--dry-run", "--python", host, "-r", str(wanted)]
    found = [line for line in output([*dry, "--quiet", "--output-format", "json"], env).splitlines() if line]
    pins.write_text("\n".join(_pins("\n".join(found))) + "\n", encoding="utf-8")
    count = len(pins.read_text(encoding="utf-8").split())
    venv, python = str(hand / "venv"), str(hand / "venv" / "bin" / "python")
    install = [UV, "pip", "install", "-q", "--no-deps", "--python", python, "-r", str(pins)]
    sides = (
        Side("uv's dry run", lambda: seconds(dry, env)),
        Side("uv venv", lambda: seconds([UV, "venv", "-q", "--python", host, venv], env), _gone(venv)),
        Side("uv pip install --no-deps", lambda: seconds(install, env)),
        Side("venvkit build, cold", lambda: seconds(build, env), _gone(home, plans)),
        Side("venvkit build, planned a moment ago", lambda: seconds(build, env), _gone(home)),
    )
    names = tuple(side.name for side in sides[:3])
    rows = (
        Row(f"cold build, {what}", "venvkit build, cold", names, "times", _FACTOR),
        Row("... planned a moment ago", "venvkit build, planned a moment ago", names, "times", _FACTOR),
    )
    return Plan(sides, rows, facts=(f"{what}: {count}; the host's snapshot and mirror are there",))


def _pins(text: str) -> list[str]:
    """Return what a dry run names, as pins."""
    return [
        f"{item['name']}=={item['version']}" for item in json.loads(text)["changes"] if item["action"] == "installed"
    ]


def many(world: World) -> Iterator[Plan]:
    """104 distributions, 39,800 files, with nothing inherited."""
    pins = [f"many-{number}==1.0" for number in range(MANY)]
    yield _many(world, world.host(100), pins, world.environ(world.fresh("homes")), "104 distributions")


def many_network(world: World) -> Iterator[Plan]:
    """The same with the real distributions of a server, from the real index."""
    if not world.network or not world.incumbent:
        raise Skipped("asks the real index for what a host with Xinference has: --network and --incumbent")
    env = world.environ(world.fresh("homes"), real_index=True)
    frozen = output([UV, "pip", "freeze", "--python", world.incumbent], env).split()
    pins = [pin for pin in frozen if not pin.startswith(("torch==", "torchvision=="))]
    pins = [pin for pin in pins if not pin.startswith(("accelerate==", "peft==", "sentence-transformers==", "timm=="))]
    yield _many(world, world.host(100), pins, env, f"{len(pins)} real distributions")


def _many(world: World, host: str, pins: list[str], env: dict[str, str], what: str) -> Plan:
    home, hand, plans = Path(env["XINFERENCE_HOME"]), world.fresh("by-hand"), _plans(env)
    hand.mkdir(parents=True)
    spec = world.spec(what.replace(" ", "-"), pins)
    build = [world.command, "build", spec, "--host-python", host, "--no-skip-installed"]
    seconds(build, env)
    listed = hand / "pins.txt"
    listed.write_text("\n".join(pins) + "\n", encoding="utf-8")
    venv, python = str(hand / "venv"), str(hand / "venv" / "bin" / "python")
    install = [UV, "pip", "install", "-q", "--python", python, "-r", str(listed)]
    sides = (
        Side("uv venv", lambda: seconds([UV, "venv", "-q", "--python", host, venv], env), _gone(venv)),
        Side("uv pip install -r", lambda: seconds(install, env)),
        Side("venvkit build, cold", lambda: seconds(build, env), _gone(home, plans)),
    )
    rows = (Row(f"cold build, {what}", "venvkit build, cold", ("uv venv", "uv pip install -r"), "times", _FACTOR),)
    return Plan(sides, rows)


def _plans(env: dict[str, str]) -> Path:
    """Return where plans are kept for a moment: a cold build has none."""
    return Path(env["XDG_CACHE_HOME"], "venvkit", "plans")


def _gone(*paths: str | Path) -> Callable[[], None]:
    def remove() -> None:
        for path in paths:
            shutil.rmtree(path, ignore_errors=True)

    return remove
