"""Cases of the host: its snapshot, and planning over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.bench.cases import Plan, Row, Side
from tests.bench.processes import seconds
from tests.bench.sizes import FOUR_REQUEST
from tests.bench.world import World

SIZES = (100, 300, 1000, 3000)
_SATISFIED = tuple(f"host-{number}>=0.5" for number in range(10, 15))


def snapshot(world: World, size: int = 1000, *, growth: bool = False) -> Iterator[Plan]:
    """Taking the snapshot of a host, without and with an earlier one."""
    agent, host, cache = world.agent(), world.host(size), str(world.fresh("runs"))
    env = world.environ()

    def take(how: str) -> Callable[[], float]:
        return lambda: float(agent.ask("snapshot", python=host, cache=cache, how=how))

    bare = "the host's python -c pass"
    rows = (
        Row(f"host snapshot, cold, {size}", "snapshot, cold", (bare,), "at most", 0.15),
        Row(f"host snapshot, unchanged, {size}", "snapshot, unchanged", (bare,), "at most", 3e-3),
        Row("... in a process that has it already", "snapshot, known", (bare,), "at most", 3e-3),
    )
    yield Plan(
        sides=(
            Side(bare, lambda: seconds([host, "-c", "pass"], env)),
            Side("snapshot, cold", take("cold")),
            Side("snapshot, unchanged", take("kept")),
            Side("snapshot, known", take("known")),
        ),
        rows=() if growth else rows,
        point={"distributions": size},
    )


def planning(world: World) -> Iterator[Plan]:
    """Planning beyond uv's own dry runs."""
    for what, request in (("satisfied", _SATISFIED), ("four wheels", FOUR_REQUEST)):
        yield plan_of(world, what, 1000, request)


def plan_of(world: World, what: str, size: int, request: tuple[str, ...], *, growth: bool = False) -> Plan:
    """Planning a request in a server's process, and uv's dry runs of it by hand: the same files, the same mirror."""
    agent, host = world.agent(), world.host(size)
    spec = world.spec(f"plan-{what.replace(' ', '-')}-{size}", request)
    agent.ask("plan", spec=spec, host_python=host)
    keep = world.fresh("kept")
    asked = agent.ask("asked", spec=spec, keep=str(keep), host_python=host)
    dry = [item for item in asked["processes"] if "--dry-run" in item["argv"]]
    for item in dry:
        item["env"].pop("RUST_LOG", None)  # nobody has uv log by hand
    others = [" ".join(item["argv"][1:3]) for item in asked["processes"] if item not in dry]

    def by_hand() -> float:
        return sum(seconds(item["argv"], item["env"]) for item in dry)

    mine, theirs = "plan_env", "uv's dry runs by hand"
    rows = (Row(f"planning beyond uv, {size}, {what}", mine, (theirs,), "part beyond", 0.15),)
    return Plan(
        sides=(Side(theirs, by_hand), Side(mine, lambda: float(agent.ask("plan", spec=spec, host_python=host)))),
        rows=() if growth else rows,
        point={"distributions": size, "requirements": len(request)},
        facts=(
            f"{asked['install']} installed, {asked['inherit']} inherited; {len(dry)} dry runs, "
            f"other uv processes: {', '.join(others) or 'none'}",
        ),
    )


def growth_of_hosts(world: World) -> Iterator[Plan]:
    """How cost grows with the host: snapshot and plan."""
    for size in SIZES:
        yield from snapshot(world, size, growth=True)
    for size in SIZES:
        yield plan_of(world, "four wheels", size, FOUR_REQUEST, growth=True)


def growth_of_requests(world: World) -> Iterator[Plan]:
    """How cost grows with the request."""
    for count in (1, 10, 100):
        yield plan_of(world, f"{count} wheels", 300, tuple(f"single-{n}==1.0" for n in range(count)), growth=True)
