"""Cases of a large store."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.cases import Plan, Row, Side
from tests.bench.processes import seconds
from tests.bench.world import World

SIZES = (10, 100, 1000)
_REQUEST = tuple(f"single-{number}==1.0" for number in range(10))


def large_store(world: World, size: int = 1000, *, growth: bool = False) -> Iterator[Plan]:
    """Listing a store and deciding what may go, beyond the start of the command itself."""
    agent, host = world.agent(), world.host(100)
    seed = world.fresh("homes")
    spec = world.spec("seed", _REQUEST)
    source = world.agent(seed).ask("where", spec=spec, host_python=host)
    home = world.fresh("homes")
    agent.ask("clone", home=str(home), source=source, count=size)
    env = world.environ(home)
    start = "venvkit --version"
    sides = (
        Side(start, lambda: seconds([world.command, "--version"], env)),
        Side("venvkit list", lambda: seconds([world.command, "list"], env)),
        Side("venvkit gc --dry-run", lambda: seconds([world.command, "gc", "--dry-run"], env)),
    )
    rows = (
        Row(f"list, {size} environments", "venvkit list", (start,), "beyond", 0.5),
        Row(f"gc --dry-run, {size} environments", "venvkit gc --dry-run", (start,), "beyond", 2.0),
    )
    yield Plan(sides, () if growth else rows, point={"environments": size})


def growth_of_stores(world: World) -> Iterator[Plan]:
    """How cost grows with the store."""
    for size in SIZES:
        yield from large_store(world, size, growth=True)
