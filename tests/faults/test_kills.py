"""SIGKILL from outside at random instants: to a builder alone, or to it and all that it started."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

import pytest

from tests.faults.world import World, assert_whole, imported, kill, writers
from venvkit.errors import VenvkitError
from venvkit.store.change.remove import remove_entry
from venvkit.store.change.rollback import rollback
from venvkit.store.collect.gc import collect
from venvkit.store.collect.rules import Wish
from venvkit.store.look.inventory import find_entries

# Long enough for a build here; a blow that comes after the end counts as a kill all the same.
_LONGEST_S = 0.9
# Read here, because a test sees no variable of ours that it did not set.
SEED = int(os.environ.get("VENVKIT_TEST_SEED", "200"))


def forked(work: Callable[[], object]) -> int:
    """Do `work` in a process of its own, and return its pid."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        try:
            work()
        except VenvkitError:
            pass
        finally:
            os._exit(0)
    return pid


def blows(world: World, count: int, seed: int) -> dict[str, int]:
    """Deal `count` blows and check after each; returns how many fell on each kind of work."""
    chance = random.Random(seed)
    dealt: dict[str, int] = {}
    world.ensure("1.0")
    for number in range(count):
        name, version, work, survives = _next(world, chance)
        pid = forked(work)
        time.sleep(chance.uniform(0.0, _LONGEST_S))
        kill(pid, all_of_it=number % 2 == 0)
        os.waitpid(pid, 0)
        where = f"blow {number} of seed {seed}, on {name}"
        if survives:
            assert imported(world.shell / "bin" / "python") in ("1.0", "2.0"), where
        if name == "rollback":
            # Either answer is right, as long as it is the same everywhere; upgrading ends the rollback.
            answer = imported(world.ensure("2.0").python)
            assert imported(world.shell / "bin" / "python") == answer, where
            world.ensure("2.0", upgrade=True)
        assert imported(world.ensure(version).python) == version, where
        assert writers(world.home) == [], f"{where}: an installer goes on"
        if number % 10 == 9:
            assert_whole(world, version)
        dealt[name] = dealt.get(name, 0) + 1
    assert_whole(world, "1.0")
    return dealt


def _next(world: World, chance: random.Random) -> tuple[str, str, Callable[[], object], bool]:
    """Choose what is struck: its name, the version asked for afterwards, the work, and whether the model survives."""
    layout = world.layout
    version = chance.choice(("1.0", "2.0"))
    name = chance.choice(("build", "build", "change", "change", "remove", "gc", "rollback"))
    if name == "build":
        for entry in find_entries(layout, "m"):
            remove_entry(layout, entry)
        return name, version, lambda: world.ensure(version), False
    if name == "remove":
        return name, version, lambda: remove_entry(layout, find_entries(layout, "m")[0]), False
    if name == "gc":
        return name, version, lambda: collect(layout, Wish(older_than=0.0)), False
    if name == "rollback":
        world.ensure("1.0")
        world.ensure("2.0")
        return name, version, lambda: rollback(layout, world.shell), True
    return name, version, lambda: world.ensure(version, upgrade=True), True


def test_twenty_kills(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    dealt = blows(world, 20, seed=20)
    with capsys.disabled():
        print(f"\n20 of 20 kills survived: {dealt}")


@pytest.mark.bench
def test_two_hundred_kills(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    dealt = blows(world, 200, seed=SEED)
    with capsys.disabled():
        print(f"\n200 of 200 kills survived: {dealt}")
