"""One build of one thing: between threads and processes, through waiting, death and cancelling."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.faults.world import ROOT, World, imported, writers
from tests.hosts import Host
from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit import Environment, VenvkitError, ensure_env, ensure_env_async
from venvkit.errors import BusyError, CancelledError
from venvkit.events import Event, PhaseStarted, Waiting
from venvkit.store.change.remove import remove_entry
from venvkit.store.lock.flock import attempt, hold
from venvkit.store.look.inventory import find_entries


@pytest.fixture
def world(real_world: World) -> World:
    """Builds by the real uv, and wheels that come and go."""
    return real_world


def in_threads(count: int, work: Callable[[int], Environment]) -> list[Environment]:
    found: list[Environment] = []
    threads = [threading.Thread(target=lambda n=n: found.append(work(n))) for n in range(count)]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def phases(events: list[Event], phase: str) -> int:
    return sum(isinstance(event, PhaseStarted) and event.phase == phase for event in events)


def until(true: Callable[[], object], seconds: float = 10.0) -> float:
    """Wait for something and return how long it took."""
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < seconds
        time.sleep(0.01)
    return time.monotonic() - started


def test_threads_and_loops_share_one_build(world: World) -> None:
    events: list[Event] = []

    async def loop() -> Environment:
        return await ensure_env_async(
            world.spec, host_python=world.host.python, packages=["tool==1.0"], observer=events.append
        )

    def work(number: int) -> Environment:
        return asyncio.run(loop()) if number % 2 else world.ensure(observer=events.append)

    found = in_threads(8, work)
    assert len({env.path for env in found}) == 1
    assert [env.built for env in found].count(True) == 1
    assert phases(events, "resolve") == phases(events, "install") == 1


def processes(world: World, specs: list[Path], **environ: str) -> list[subprocess.Popen[str]]:
    env = {**os.environ, **environ, "VENVKIT_HOST_PYTHON": world.host.python}
    command = [sys.executable, "-m", "venvkit", "run"]
    code = ["--", "python", "-c", "import tool; print(tool.__version__)"]
    return [
        subprocess.Popen([*command, spec, *code], cwd=ROOT, env=env, text=True, stdout=-1, stderr=-1) for spec in specs
    ]


def ended(started: list[subprocess.Popen[str]]) -> list[str]:
    """Wait for all, and return what each said on its standard error."""
    said = []
    for process in started:
        out, err = process.communicate(timeout=300)
        assert (process.returncode, out) == (0, "4.0\n"), err
        said.append(err)
    return said


def race(world: World, count: int) -> tuple[float, float, float]:
    """Return the seconds of one build, of a race for one cold environment, and of as many warm runs."""
    started = time.monotonic()
    ended(processes(world, [world.spec]))
    one = time.monotonic() - started
    for entry in find_entries(world.layout, "m"):
        remove_entry(world.layout, entry)
    started = time.monotonic()
    said = ended(processes(world, [world.spec] * count))
    cold = time.monotonic() - started
    assert sum("resolving" in text for text in said) == 1
    assert sum("installing" in text for text in said) == 1
    assert len(list(world.layout.envs.iterdir())) == 1
    started = time.monotonic()
    ended(processes(world, [world.spec] * count))
    return one, cold, time.monotonic() - started


def test_processes_share_one_build(world: World) -> None:
    race(world, 6)


@pytest.mark.bench
def test_sixty_four_processes_share_one_build(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    one, cold, warm = race(world, 64)
    with capsys.disabled():
        print(f"\n64 cold: {cold:.2f} s; one build {one:.2f} s + 64 warm {warm:.2f} s; x {cold / (one + warm):.2f}")
    assert cold <= 1.3 * (one + warm)


def test_different_environments_build_at_once(
    world: World, write_spec: WriteSpec, capsys: pytest.CaptureFixture[str]
) -> None:
    house = world.host.wheelhouse
    specs = []
    for number in range(8):
        house.add(f"own{number}", "1.0")
        specs.append(write_spec(f"m{number}", ["tool", f"own{number}"]))
    started = time.monotonic()
    said = ended(processes(world, specs, VENVKIT_MAX_BUILDS="8"))
    with capsys.disabled():
        print(f"\n8 different environments at once: {time.monotonic() - started:.2f} s")
    assert len(list(world.layout.envs.iterdir())) == 8
    assert not [text for text in said if "waiting" in text], "no lock is shared"


def test_slots_bound_the_builds(world: World, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENVKIT_MAX_BUILDS", "1")
    specs = [write_spec(f"m{number}", ["tool", f"own{number}"]) for number in range(3)]
    for number in range(3):
        world.host.wheelhouse.add(f"own{number}", "1.0")
    now, most, guard = [0], [0], threading.Lock()

    def observe(event: Event) -> None:
        if isinstance(event, PhaseStarted) and event.phase in ("create", "seal"):
            with guard:
                now[0] += 1 if event.phase == "create" else -1
                most[0] = max(most[0], now[0])

    in_threads(3, lambda n: ensure_env(specs[n], host_python=world.host.python, observer=observe))
    assert most[0] == 1


@pytest.mark.parametrize("soft", [False, True])
def test_a_lock_has_one_holder_and_tells_who_waits_for_whom(tmp_path: Path, soft: bool) -> None:
    path = tmp_path / "x.lock"
    events: list[Event] = []
    cancel = threading.Event()
    caught: list[BaseException] = []

    def wait() -> None:
        try:
            with hold(path, what="the thing", observer=events.append, cancel=cancel, soft=soft):
                pass
        except CancelledError as error:
            caught.append(error)

    with hold(path, what="the thing", soft=soft):
        with attempt(path, soft=soft) as none:
            assert none is None
        thread = threading.Thread(target=wait)
        thread.start()
        until(lambda: len(events) >= 2)
        cancel.set()
        assert until(lambda: not thread.is_alive()) < 1.0
    assert caught
    first = events[0]
    assert isinstance(first, Waiting)
    assert first.what.startswith("the thing")
    assert soft or f"pid {os.getpid()}" in first.what
    assert 0.9 < first.seconds < 1.6
    with attempt(path, soft=soft) as mine:
        assert mine is not None


def test_soft_locks_build_and_remove(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENVKIT_LOCK", "soft")
    found = in_threads(4, lambda n: world.ensure())
    assert [env.built for env in found].count(True) == 1
    assert imported(found[0].python) == "1.0"
    layout = type(world.layout)(world.home, soft=True)
    (entry,) = find_entries(layout, "m")
    # As on a filesystem without flock, where no interpreter can lease.
    code = "import sys; sys.modules['_venvkit_child'].lease.close(); print('up', flush=True); input()"
    with subprocess.Popen([found[0].python, "-c", code], stdin=-1, stdout=-1) as running:
        assert running.stdin is not None and running.stdout is not None
        assert running.stdout.readline() == b"up\n"
        with pytest.raises(BusyError, match=str(running.pid)):
            remove_entry(layout, entry)
        running.communicate(b"\n")
    assert remove_entry(layout, entry)


@pytest.fixture
def far(
    home: Path, host: Host, wheelhouse: Wheelhouse, index: HttpIndex, write_spec: WriteSpec, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> World:  # fmt: skip
    """A model whose wheels come from an index that can be made to hang."""
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "fresh-cache"))
    wheelhouse.add("tool", "1.0")
    return World(home, host, write_spec("m", ["tool"], index_url=index.url, find_links=[]))


HANGS = {"resolve": "/simple/tool/", "install": ".whl"}


@pytest.mark.parametrize("phase", HANGS)
def test_cancelling_is_over_in_two_seconds_and_leaves_nothing(far: World, index: HttpIndex, phase: str) -> None:
    index.hang_on = HANGS[phase]
    events: list[Event] = []
    cancel = threading.Event()
    caught: list[VenvkitError] = []

    def work() -> None:
        try:
            ensure_env(far.spec, host_python=far.host.python, observer=events.append, cancel=cancel)
        except VenvkitError as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    until(lambda: phases(events, phase) and any(path.endswith(index.hang_on) for path in index.requests))
    cancel.set()
    assert until(lambda: not thread.is_alive()) < 2.0
    index.hang_on = ""
    assert isinstance(caught[0], CancelledError)
    assert not far.home.exists()
    assert writers(far.home) == []


def test_an_observer_that_raises_breaks_nothing(world: World) -> None:
    def observe(event: Event) -> None:
        raise RuntimeError("an observer's own fault")

    assert imported(world.ensure(observer=observe).python) == "1.0"


def test_when_its_builder_dies_a_waiter_takes_over(
    far: World, index: HttpIndex, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The builder alone is killed, in the midst of an installation: its installer goes with it, and the lock."""
    monkeypatch.setenv("VENVKIT_HOST_PYTHON", far.host.python)
    index.hang_on = ".whl"
    builder = far.command("build", str(far.spec), "-q")
    until(lambda: writers(far.home) and any(path.endswith(".whl") for path in index.requests), 30)
    events: list[Event] = []
    found: list[Environment] = []
    waiter = threading.Thread(target=lambda: found.append(ensure_env(far.spec, observer=events.append)))
    waiter.start()
    until(lambda: any(isinstance(event, Waiting) for event in events))
    index.hang_on = ""
    died = time.monotonic()
    os.kill(builder.pid, signal.SIGKILL)
    builder.wait()
    until(lambda: phases(events, "probe"))
    taken = time.monotonic() - died
    waiter.join()
    assert found[0].built
    assert taken < 1.0 + 1.0, "a second after the last writer's end, and the start of our own work"
    with capsys.disabled():
        print(f"\na waiter took over {taken:.2f} s after its builder's death")
    assert writers(far.home) == []


def test_an_installer_dies_with_its_builder(far: World, index: HttpIndex) -> None:
    index.hang_on = ".whl"
    builder = far.command("build", str(far.spec), "-q")
    until(lambda: writers(far.home) and any(path.endswith(".whl") for path in index.requests), 30)
    (installer,) = writers(far.home)
    locks = [str(entry.readlink()) for entry in Path(f"/proc/{installer}/fd").iterdir() if entry.exists()]
    held = [path for path in locks if path.startswith(str(far.layout.locks))]
    assert len(held) == 1, "it holds the environment's lock as long as it lives, and no other"
    with attempt(Path(held[0])) as none:
        assert none is None
    os.kill(builder.pid, signal.SIGKILL)
    builder.wait()
    assert until(lambda: not writers(far.home) and _free(Path(held[0]))) < 1.0
    index.hang_on = ""


def _free(path: Path) -> bool:
    with attempt(path) as mine:
        return mine is not None


def test_a_store_whose_folders_vanish_meanwhile(world: World) -> None:
    """Requests that are refused remove the empty folders that another has just made."""
    stop = threading.Event()

    def refuse() -> None:
        while not stop.is_set():
            world.layout.prepare()
            world.layout.prune_empty()

    thread = threading.Thread(target=refuse)
    thread.start()
    try:
        for version in ("1.0", "2.0"):
            assert imported(world.ensure(version).python) == version
            for entry in find_entries(world.layout, "m"):
                remove_entry(world.layout, entry)
    finally:
        stop.set()
        thread.join()
