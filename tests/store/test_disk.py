"""A disk that is full or refuses: one clear error, nothing of the attempt left, the former environment in force."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.faults.test_crash_points import BUILD
from tests.faults.world import World, assert_whole, imported, leftovers
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse
from venvkit import ensure_env
from venvkit.base import crash
from venvkit.base.process import Runner
from venvkit.errors import MachineError
from venvkit.plan.values import Description, Installed, Plan
from venvkit.store.collect.gc import collect
from venvkit.store.collect.rules import Wish
from venvkit.store.disk.space import check_space, near_cache
from venvkit.store.layout import Layout
from venvkit.store.look.history import history
from venvkit.tools.uv.client import find_uv

SMALL = 8 * 1024 * 1024


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 8 MB of its own."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this user may not mount a filesystem")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


_FIRST_ONLY = ("shell-attempt", "shell-made", "config-written", "config-replaced")


def refuses(code: int, point: str) -> Callable[[str], None]:
    """Return what makes the system refuse at a crash point, once, instead of killing there."""
    met = []

    def at(reached: str) -> None:
        if reached == point and not met:
            met.append(point)
            raise OSError(code, os.strerror(code), "/the/place")

    return at


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES])
def test_what_the_system_refuses_is_one_clear_error(world: World, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    world.ensure("1.0")
    monkeypatch.setattr(crash, "at", refuses(code, "receipt-written"))
    with pytest.raises(MachineError) as caught:
        world.ensure("2.0")
    assert caught.value.code == ("disk-space" if code == errno.ENOSPC else "disk")
    assert os.strerror(code) in caught.value.message
    assert (caught.value.where, caught.value.exit_code) == ("/the/place", 7)
    assert caught.value.remedy


# Where a shell is made for the first time there is no former environment.
@pytest.mark.parametrize("point", [name for name in BUILD if name not in _FIRST_ONLY])
def test_a_full_disk_at_any_write_leaves_the_former_in_force(
    world: World, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.ensure("1.0")
    before = sorted(path.name for path in world.layout.envs.iterdir())
    monkeypatch.setattr(crash, "at", refuses(errno.ENOSPC, point))
    with pytest.raises(MachineError):
        world.ensure("2.0")
    monkeypatch.undo()
    monkeypatch.setenv("XINFERENCE_HOME", str(world.home))
    assert imported(world.shell / "bin" / "python") == "1.0"
    assert sorted(path.name for path in world.layout.envs.iterdir()) == before
    assert [item.installed for item in history(world.layout, world.shell)] == [("tool==1.0",)]
    collect(world.layout, Wish())
    assert leftovers(world.layout) == []


def test_a_full_filesystem(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XINFERENCE_HOME", str(small / "home"))
    monkeypatch.setenv("UV_CACHE_DIR", str(small / "cache"))
    noise = "".join(f"# {os.urandom(30).hex()}\n" for _ in range(40_000))
    for version, extra in (("1.0", ""), ("2.0", noise)):
        text = f"version = {version!r}\n"
        files = {"tool/__init__.py": f"__version__ = {version!r}\n", "tool_data.py": text + extra}
        wheelhouse.add("tool", version, files=files)
    world = World(small / "home", host, write_spec("m", ["tool"]))
    world.ensure("1.0")
    before = sorted(path.name for path in world.layout.envs.iterdir())
    filler = small / "filler"
    with filler.open("wb") as file:
        file.write(b"\0" * (SMALL - _used(small) - 2_000_000))
    with pytest.raises(MachineError) as caught:
        world.ensure("2.0")
    assert caught.value.code == "disk-space", caught.value
    assert sorted(path.name for path in world.layout.envs.iterdir()) == before
    assert imported(world.ensure("1.0").python) == "1.0"
    filler.unlink()
    assert imported(world.ensure("2.0").python) == "2.0"
    assert_whole(world, "1.0")


def _used(place: Path) -> int:
    found = os.statvfs(place)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def test_a_plan_that_cannot_fit_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    huge = Installed("torch", "1.0", None, (), Description(requires=(), size=1 << 60))  # type: ignore[arg-type]
    with pytest.raises(MachineError, match="MB are needed") as caught:
        check_space(Plan(install=(huge,), inherit=()), [tmp_path / "envs" / "x-1"])
    assert (caught.value.code, caught.value.where) == ("disk-space", str(tmp_path))
    check_space(Plan(install=(), inherit=()), [tmp_path])


def test_the_cache_moves_to_the_stores_filesystem(home: Path, small: Path) -> None:
    layout = Layout(small)
    layout.prepare()
    environ = {name: value for name, value in os.environ.items() if name != "UV_CACHE_DIR"}
    uv = find_uv(Runner(), environ)
    moved, cache = near_cache(uv, layout)
    assert cache == layout.cache
    assert moved.environ["UV_CACHE_DIR"] == str(layout.cache)
    # What the operator names stays where it is, and so does a cache that is near.
    named = find_uv(Runner(), {**environ, "UV_CACHE_DIR": str(home / "mine")})
    assert near_cache(named, layout)[1] == home / "mine"
    layout_here = Layout(home)
    layout_here.prepare()
    assert near_cache(uv, layout_here)[0] is uv


def test_a_store_that_may_only_be_read_still_answers(
    world: World, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XINFERENCE_HOME", str(small / "home"))
    world.home = small / "home"
    env = world.ensure()
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    again = ensure_env(world.spec, host_python=world.host.python, packages=["tool==1.0"])
    assert not again.built
    assert imported(again.python) == "1.0"
    assert again.run(["python", "-c", "import tool"]).returncode == 0
    with pytest.raises(MachineError) as caught:
        world.ensure("2.0")
    assert caught.value.code == "home-unwritable"
    assert env.path == again.path
