"""Death at every named point, each alone: what worked works, what was asked for comes, and nothing is left.

Who unpacks the wheels makes no difference to most points; ten of them are met with the real uv as well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.faults.crashing import dies
from tests.faults.world import World, assert_whole, imported
from venvkit.base import crash
from venvkit.events import ignore
from venvkit.launch.examine import Examiner
from venvkit.settings import load_settings
from venvkit.store.change.remove import remove_entry
from venvkit.store.change.rollback import rollback
from venvkit.store.collect.gc import collect
from venvkit.store.collect.rules import Wish
from venvkit.store.look.inventory import find_entries

BUILD = (
    "request-locked", "planned", "build-number", "build-lease", "build-created", "build-hook", "build-installed",
    "build-verified", "receipt-written", "receipt-replaced", "build-sealed", "obtained", "config-written",
    "config-replaced", "pointer-written", "pointer-replaced", "mark-written", "mark-replaced", "shell-attempt",
    "shell-made", "pointed", "index-written", "index-replaced", "recorded",
)  # fmt: skip
UPGRADE = (
    "build-created", "build-installed", "build-sealed", "obtained", "mark-written", "mark-replaced", "shell-mark",
    "shell-scripts", "pointer-written", "pointer-replaced", "shell-pointed", "pointed", "index-written", "recorded",
)  # fmt: skip
ROLLBACK = ("shell-mark", "pointer-replaced", "shell-pointed")
REMOVE = ("shell-aside", "shell-removed", "environment-aside", "environment-removed")
REPAIR = (
    "request-locked", "planned", "build-installed", "receipt-replaced", "obtained", "mark-replaced", "shell-pointed",
    "recorded", "repaired", "condemned",
)  # fmt: skip
GC = (
    "tree-aside", "gc-swept", "shell-aside", "gc-shells", "environment-aside", "environment-removed",
    "gc-environments", "gc-index",
)  # fmt: skip


REAL = {
    "built": ("build-created", "build-installed", "receipt-replaced", "shell-made"),
    "changed": ("build-installed", "mark-replaced", "pointer-written"),
    "rolled back": ("shell-mark",),
    "repaired": ("build-installed", "repaired"),
    "removed": ("environment-aside",),
    "collected": ("environment-removed",),
}


def test_no_point_is_forgotten() -> None:
    assert {*BUILD, *UPGRADE, *ROLLBACK, *REMOVE, *REPAIR, *GC, "shell-foreign"} == set(crash.POINTS)


@pytest.mark.parametrize("point", BUILD)
def test_while_a_model_is_built(quick_world: World, point: str) -> None:
    built(quick_world, point)


@pytest.mark.parametrize("point", UPGRADE)
def test_while_a_model_is_changed(quick_world: World, point: str) -> None:
    changed(quick_world, point)


@pytest.mark.parametrize("point", ROLLBACK)
def test_while_a_model_is_rolled_back(quick_world: World, point: str) -> None:
    rolled_back(quick_world, point)


@pytest.mark.parametrize("point", REPAIR)
def test_while_a_model_is_repaired(quick_world: World, point: str) -> None:
    repaired(quick_world, point)


@pytest.mark.parametrize("point", REMOVE)
def test_while_a_model_is_removed(quick_world: World, point: str) -> None:
    removed(quick_world, point)


@pytest.mark.parametrize("point", GC)
def test_while_garbage_is_collected(quick_world: World, point: str) -> None:
    collected(quick_world, point)


@pytest.mark.parametrize(("work", "point"), [(work, point) for work, points in REAL.items() for point in points])
def test_with_the_real_uv(world: World, work: str, point: str) -> None:
    {
        "built": built, "changed": changed, "rolled back": rolled_back, "repaired": repaired, "removed": removed,
        "collected": collected,
    }[work](world, point)  # fmt: skip


def built(world: World, point: str) -> None:
    assert dies(point, world.ensure)
    assert_whole(world)


def changed(world: World, point: str) -> None:
    world.ensure("1.0")
    assert dies(point, lambda: world.ensure("2.0"))
    assert imported(world.shell / "bin" / "python") in ("1.0", "2.0")
    collect(world.layout, Wish())
    assert imported(world.shell / "bin" / "python") in ("1.0", "2.0"), "a collection took what the shell points to"
    assert imported(world.ensure("1.0").python) == "1.0"
    assert_whole(world, "2.0")


def rolled_back(world: World, point: str) -> None:
    world.ensure("1.0")
    world.ensure("2.0")
    assert dies(point, lambda: rollback(world.layout, world.shell))
    assert imported(world.shell / "bin" / "python") in ("1.0", "2.0")
    answer = imported(world.ensure("2.0").python)
    assert answer in ("1.0", "2.0")
    assert imported(world.shell / "bin" / "python") == answer
    collect(world.layout, Wish())
    assert imported(world.ensure("2.0").python) == answer


def repaired(world: World, point: str) -> None:
    env = world.ensure("1.0")
    (deep,) = env.path.glob("lib/*/site-packages/tool/part0.py")
    deep.unlink()
    deep.write_text("edited = True\n")

    def check() -> None:
        examiner = Examiner(world.layout, load_settings(), threading.Event())
        (verdict,) = examiner.repair(find_entries(world.layout, "m"), ignore)
        assert verdict.ok, verdict

    assert dies(point, check)
    in_force = world.ensure("1.0")
    assert not in_force.built, "a repair that died has lost the environment"
    assert imported(in_force.python) == "1.0"
    check()
    again = world.ensure("1.0")
    assert not again.built
    assert again.path != env.path
    assert_whole(world)


def removed(world: World, point: str) -> None:
    world.ensure("1.0")
    assert dies(point, lambda: remove_entry(world.layout, find_entries(world.layout, "m")[0]))
    assert_whole(world)


def collected(world: World, point: str) -> None:
    world.ensure("1.0")
    world.ensure("2.0")
    dead = world.layout.envs / f"{'0' * 16}-1"
    dead.mkdir()
    everything = Wish(older_than=0.0, keep_last=1)
    assert dies(
        point, _swept_twice(world, everything) if point == "tree-aside" else lambda: collect(world.layout, everything)
    )
    assert_whole(world)


def _swept_twice(world: World, wish: Wish) -> Callable[[], object]:
    """A build sweeps its own key's rubble by another way than a collection does."""
    from venvkit.store.env.build import sweep_rubble

    return lambda: sweep_rubble(world.layout, "0" * 64)


def test_while_what_is_not_ours_is_moved_aside(quick_world: World) -> None:
    world = quick_world
    world.shell.mkdir(parents=True)
    (world.shell / "precious").write_text("made by a user")
    assert dies("shell-foreign", world.ensure)
    assert [path.read_text() for path in world.layout.foreign.rglob("precious")] == ["made by a user"]
    assert_whole(world)
    assert list(world.layout.foreign.rglob("precious"))
