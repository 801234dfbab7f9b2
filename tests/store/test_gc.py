"""Collection: what nobody wants goes, what is leased, wanted or kept stays, and bytes are counted as the disk does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.conftest import WriteSpec
from tests.faults.world import World, imported, leftovers
from venvkit import Environment, ensure_env
from venvkit.cli.app import cli
from venvkit.events import Event, Warned
from venvkit.formats.mark import MARK
from venvkit.store.change.remove import remove_entry
from venvkit.store.collect.gc import collect
from venvkit.store.collect.rules import Wish
from venvkit.store.disk.usage import measure
from venvkit.store.lock.lease import Lease, holders, in_use, last_use
from venvkit.store.look.history import history
from venvkit.store.look.inventory import find_entries

SLEEP = "import tool, sys; print('up', flush=True); sys.stdin.read()"


@contextmanager
def running(python: Path, code: str = SLEEP) -> Iterator[subprocess.Popen[str]]:
    """A process from an environment, up and at work, that nothing but its interpreter leases."""
    process = subprocess.Popen([python, "-c", code], stdin=-1, stdout=-1, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        assert process.stdout.readline() == "up\n"
        yield process
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def kinds(report: object) -> list[tuple[str, str]]:
    return [(item.kind, item.path.name) for item in report.removed]  # type: ignore[attr-defined]


def aged(path: Path, days: float) -> None:
    then = time.time() - days * 86400
    os.utime(path, (then, then))


def age(world: World, env: Environment, days: float) -> None:
    """Make a model look as if it was last used some days ago."""
    assert env.shell is not None
    aged(world.layout.lease(env.path.name), days)
    aged(env.shell / MARK, days)


def test_plain_takes_what_no_generation_wants(world: World) -> None:
    envs = [world.ensure(version) for version in ("1.0", "2.0", "3.0", "4.0")]
    assert kinds(collect(world.layout, Wish(dry_run=True))) == [("environment", envs[0].path.name)]
    assert envs[0].path.exists()
    report = collect(world.layout, Wish())
    assert kinds(report) == [("environment", envs[0].path.name)]
    assert [env.path.exists() for env in envs] == [False, True, True, True]
    assert kinds(collect(world.layout, Wish(keep_last=1, keep=(envs[1].path.name,)))) == [
        ("environment", envs[2].path.name)
    ]
    assert imported(world.ensure("4.0").python) == "4.0"
    assert leftovers(world.layout) == []
    assert [item.installed for item in history(world.layout, world.shell)] == [("tool==4.0",), ("tool==2.0",)]


@pytest.mark.parametrize("shelled", [False, True])
def test_what_runs_is_left_and_its_pid_named(world: World, shelled: bool) -> None:
    env = world.ensure("1.0")
    assert env.shell is not None
    with running(env.shell / "bin" / "python" if shelled else env.python) as process:
        world.ensure("2.0")
        report = collect(world.layout, Wish(keep_last=1, older_than=0.0, max_size=0))
        assert [(item.path, item.pids) for item in report.left if item.path == env.path] == [(env.path, (process.pid,))]
        assert env.path.exists()
    assert kinds(collect(world.layout, Wish(keep_last=1)))[0] == ("environment", env.path.name)


def test_remove_is_refused_while_it_runs_and_by_which_pid(world: World) -> None:
    env = world.ensure()
    with running(env.python) as process:
        result = CliRunner().invoke(cli, ["remove", "m", "--json"])
        assert result.exit_code == 6
        assert str(process.pid) in json.loads(result.stdout)["error"]["message"]
        assert imported(env.python) == "1.0"
    assert CliRunner().invoke(cli, ["remove", "m", "--json"]).exit_code == 0
    assert not env.path.exists()


def test_a_lease_lasts_when_a_process_closes_all_its_descriptors(world: World) -> None:
    env = world.ensure()
    code = "import os, sys, tool; os.closerange(3, 1000); print('up', flush=True); sys.stdin.read()"
    with running(env.python, code) as process:
        lease = world.layout.lease(env.path.name)
        assert in_use(lease)
        assert holders(lease) == (process.pid,)
    assert not in_use(lease)


def test_a_lease_outlives_the_parent_and_goes_to_grandchildren(world: World) -> None:
    env = world.ensure()
    # The middle process ends at once; its child starts with all descriptors closed and only then says that it is up.
    child = "import sys, tool; print('up', flush=True); sys.stdin.read()"
    middle = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}], close_fds=True)"
    lease = world.layout.lease(env.path.name)
    with running(env.python, middle) as process:
        process.wait()
        assert in_use(lease)
        assert process.pid not in holders(lease)
    _until(lambda: not in_use(lease))


def _until(true: object, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_start_at_the_instant_of_a_question_is_leased_all_the_same(world: World) -> None:
    env = world.ensure()
    lease = world.layout.lease(env.path.name)
    with running(sys.executable, _ASKS.format(lease=str(lease))):  # type: ignore[arg-type]
        for _ in range(10):
            with running(env.python):
                assert holders(lease)
                _until(lambda: in_use(lease), 1.0)


_ASKS = f"""
import sys, threading
sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})
from pathlib import Path
from venvkit.store.lock.lease import in_use
def ask():
    while True:
        in_use(Path({{lease!r}}))
threading.Thread(target=ask, daemon=True).start()
print('up', flush=True)
sys.stdin.read()
"""


def test_use_is_noted_at_most_hourly(world: World) -> None:
    env = world.ensure()
    lease = world.layout.lease(env.path.name)
    aged(lease, 0.03)
    before = last_use(lease)
    imported(env.python)
    assert last_use(lease) == before, "within the hour nothing is written"
    aged(lease, 2)
    imported(env.python)
    assert last_use(lease) > time.time() - 60


def test_older_than_drops_models_by_last_use(world: World, write_spec: WriteSpec) -> None:
    links = world.host.wheelhouse.url
    old = world.ensure("1.0")
    young = ensure_env(write_spec("young", ["tool==2.0"], find_links=links), host_python=world.host.python)
    age(world, old, 40)
    age(world, young, 10)
    report = collect(world.layout, Wish(older_than=30 * 86400))
    assert kinds(report) == [("shell", world.shell.name), ("environment", old.path.name)]
    assert not world.shell.exists()
    assert not world.shell.parent.parent.exists()
    assert imported(young.python) == "2.0"
    age(world, young, 40)
    assert collect(world.layout, Wish(older_than=30 * 86400, keep=("young",))).removed == ()
    assert world.ensure("1.0").built


def test_the_budget_takes_generations_first_then_the_least_recently_used(world: World, write_spec: WriteSpec) -> None:
    links = world.host.wheelhouse.url
    first = world.ensure("1.0")
    second = world.ensure("2.0")
    other = ensure_env(write_spec("other", ["tool==3.0"], find_links=links), host_python=world.host.python)
    age(world, first, 1)
    age(world, second, 9)
    age(world, other, 5)
    usage = measure([first.path, second.path, other.path])
    most = usage.size([second.path, other.path])
    assert kinds(collect(world.layout, Wish(max_size=most))) == [("environment", first.path.name)]
    removed = kinds(collect(world.layout, Wish(max_size=usage.size([other.path]))))
    assert removed == [("shell", world.shell.name), ("environment", second.path.name)]
    assert imported(other.python) == "3.0"


def test_bytes_count_when_the_last_link_goes(
    real_world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = real_world
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache-of-uv"))
    monkeypatch.setenv("UV_LINK_MODE", "hardlink")
    data = "x = '" + "a" * 400_000 + "'\n"
    world.host.wheelhouse.add("big", "1.0", files={"big.py": data})
    env = world.ensure("1.0", constraints=[])
    env = ensure_env(world.spec, host_python=world.host.python, packages=["big"])
    big = next(env.path.glob("lib/*/site-packages/big.py"))
    assert big.stat().st_nlink == 2, "linked from uv's cache"
    (entry,) = find_entries(world.layout, "m")
    usage = measure([env.path])
    assert usage.size([env.path]) > 400_000 > usage.freed([env.path])
    env.release()
    remove_entry(world.layout, entry)
    assert not big.exists()


def test_a_budget_is_held_after_builds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = world.ensure("1.0")
    size = measure([first.path]).size([first.path])
    monkeypatch.setenv("VENVKIT_MAX_SIZE", str(int(size * 1.5)))
    second = world.ensure("2.0")
    assert not first.path.exists()
    assert imported(second.python) == "2.0"
    monkeypatch.setenv("VENVKIT_MAX_SIZE", "1K")
    events: list[Event] = []
    third = world.ensure("3.0", observer=events.append)
    assert imported(third.python) == "3.0", "what was just built is never the one that goes"
    assert "max-size" in [event.code for event in events if isinstance(event, Warned)]


def test_what_dead_processes_left_is_swept_and_what_is_at_work_stays(world: World) -> None:
    env = world.ensure()
    layout = world.layout
    rubble = layout.envs / f"{'a' * 16}-3"
    (rubble / "lib").mkdir(parents=True)
    for path in (
        layout.envs / ".venvkit-old-1-0-x",
        world.shell.parent / ".venvkit-new-3.9.9",
        layout.requests / ".venvkit-new-x.json.abc",
    ):
        path.mkdir()
    stranger = layout.envs / "my-own-folder"
    stranger.mkdir()
    layout.lease("gone-1").touch()
    with Lease(layout.lease(rubble.name)):
        collect(layout, Wish())
        assert rubble.exists(), "a lease is held on it: somebody builds"
    collect(layout, Wish())
    assert leftovers(layout) == [str(stranger.relative_to(layout.root))]
    assert imported(env.python) == "1.0"
    assert not world.ensure().built


def test_foreign_things_go_only_when_asked(world: World) -> None:
    world.shell.mkdir(parents=True)
    (world.shell / "precious").write_text("x")
    world.ensure()
    collect(world.layout, Wish(older_than=0.0))
    assert list(world.layout.foreign.rglob("precious"))
    result = CliRunner().invoke(cli, ["gc", "--foreign", "--json"])
    assert [item["kind"] for item in json.loads(result.stdout)["data"]["removed"]] == ["foreign"]
    assert not world.layout.foreign.exists()


def test_the_command(world: World) -> None:
    for version in ("1.0", "2.0"):
        world.ensure(version)
    dry = CliRunner().invoke(cli, ["gc", "--keep-last", "1", "--dry-run"])
    assert "would go" in dry.stdout
    done = CliRunner().invoke(cli, ["gc", "--keep-last", "1", "--cache", "--json"])
    data = json.loads(done.stdout)["data"]
    assert [item["kind"] for item in data["removed"]] == ["environment"]
    assert data["freed_bytes"] > 0
    for bad in (["--older-than", "soon"], ["--max-size", "much"], ["--keep-last", "0"]):
        assert CliRunner().invoke(cli, ["gc", *bad]).exit_code == 2
    assert json.loads(CliRunner().invoke(cli, ["gc", "--older-than", "0d", "--json"]).stdout)["data"]["size_bytes"] == 0


def test_an_empty_home_is_left_empty(home: Path) -> None:
    assert collect_nothing(home) == 0
    assert not home.exists()


def collect_nothing(home: Path) -> int:
    return CliRunner().invoke(cli, ["gc"]).exit_code
