"""An `Environment` owns a lease: what it keeps away, when it ends, and what starts by it."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse
from venvkit import Environment, ensure_env
from venvkit.errors import BusyError, MachineError
from venvkit.store.change.remove import remove_entry
from venvkit.store.collect.gc import collect
from venvkit.store.collect.rules import Wish
from venvkit.store.layout import Layout
from venvkit.store.look.inventory import find_entries

PREFIX = ["-c", "import sys; print(sys.prefix)"]
EVERYTHING = Wish(older_than=0.0, keep_last=1)


@pytest.fixture
def spec(host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch) -> Path:
    wheelhouse.add("tool", "1.0")
    wheelhouse.add("tool", "2.0")
    monkeypatch.setenv("VENVKIT_HOST_PYTHON", host.python)
    # A host that has an interpreter of each name on PATH: what falls through is seen.
    monkeypatch.setenv("PATH", f"{host.prefix}/bin:{os.environ['PATH']}")
    return write_spec("m", ["tool==1.0"])


@pytest.fixture
def env(spec: Path) -> Iterator[Environment]:
    with ensure_env(spec) as env:
        yield env


def removal(home: Path) -> subprocess.CompletedProcess[str]:
    """Run `venvkit remove m` in a process of its own."""
    return subprocess.run([sys.executable, "-m", "venvkit", "remove", "m"], capture_output=True, text=True, check=False)


def test_another_process_cannot_remove_it(home: Path, env: Environment) -> None:
    done = removal(home)
    assert (done.returncode, f"pid {os.getpid()}" in done.stderr) == (6, True), done.stderr
    collect(Layout(home), EVERYTHING)
    assert env.run(["python", *PREFIX], capture=True).stdout.strip() == str(env.path)
    env.release()
    assert removal(home).returncode == 0
    assert not env.path.exists()


def test_this_process_is_told_to_release_it(home: Path, env: Environment) -> None:
    (entry,) = find_entries(Layout(home), "m")
    with pytest.raises(BusyError, match="this process") as caught:
        remove_entry(Layout(home), entry)
    assert "release()" in caught.value.remedy
    env.release()
    env.release()
    assert remove_entry(Layout(home), entry)


def test_the_budget_of_another_build_leaves_it(
    home: Path, env: Environment, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VENVKIT_MAX_SIZE", "1")
    with ensure_env(write_spec("other", ["tool==2.0"])):
        assert env.python.exists()
        assert env.run(["python", *PREFIX], capture=True).stdout.strip() == str(env.path)


def test_the_end_of_the_object_and_of_a_block_release_it(home: Path, spec: Path) -> None:
    ensure_env(spec)
    (entry,) = find_entries(Layout(home), "m")
    with ensure_env(spec), pytest.raises(BusyError):
        remove_entry(Layout(home), entry)
    held = ensure_env(spec)
    with pytest.raises(BusyError):
        remove_entry(Layout(home), entry)
    del held
    assert remove_entry(Layout(home), entry)


def test_many_handles_have_one_descriptor(env: Environment, spec: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    many = [ensure_env(spec) for _ in range(1500)]
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    assert len({item.path for item in many}) == 1


@pytest.mark.parametrize("program", ["python", "python3", f"python3.{sys.version_info[1]}"])
def test_what_is_gone_is_not_replaced_by_the_host(env: Environment, host: Host, program: str) -> None:
    assert env.run([program, *PREFIX], capture=True).stdout.strip() == str(env.path)
    shutil.rmtree(env.path)
    for start in (env.run, env.popen):
        with pytest.raises(MachineError, match="gone") as caught:
            start([program, *PREFIX])
        assert caught.value.code == "environment-gone"


def test_an_interpreter_that_it_lacks_is_not_the_hosts(env: Environment, host: Host) -> None:
    (Path(host.prefix) / "bin" / "python9.9").symlink_to(host.python)
    with pytest.raises(MachineError) as caught:
        env.run(["python9.9", *PREFIX])
    assert caught.value.code == "no-program"


def test_a_released_handle_leases_for_each_command(home: Path, env: Environment) -> None:
    env.release()
    lease = Path(env._facts["lease"])
    lease.unlink()
    child = env.popen(["python", "-c", "input()"], stdin=-1)
    assert lease.exists(), "a deleted lease file is made again"
    assert removal(home).returncode == 6
    child.communicate(b"\n")
    assert removal(home).returncode == 0


def test_a_child_has_a_lease_of_its_own(home: Path, env: Environment) -> None:
    # A program that takes none itself.
    child = env.popen(["sleep", "30"])
    env.release()
    assert removal(home).returncode == 6, "the child's lease ended with its parent's"
    child.kill()
    child.wait()
    assert removal(home).returncode == 0


def test_it_is_pickled_without_its_lease(home: Path, env: Environment) -> None:
    text = pickle.dumps(env)
    with pickle.loads(text) as again, copy.copy(again) as third:
        assert (again.path, third.python, again.built) == (env.path, env.python, env.built)
        env.release()
        again.release()
        assert removal(home).returncode == 6
    assert removal(home).returncode == 0
    with pytest.raises(MachineError) as caught:
        pickle.loads(text)
    assert caught.value.code == "environment-gone"
    host = ensure_env(home, enable=False)
    assert pickle.loads(pickle.dumps(host)).python == host.python


def _hold(env: Environment, up: object, go: object) -> None:
    assert env.run(["python", *PREFIX], capture=True).stdout.strip() == str(env.path)
    up.set()  # type: ignore[attr-defined]
    go.wait()  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_another_process_that_gets_it_has_a_lease(home: Path, env: Environment, method: str) -> None:
    context = multiprocessing.get_context(method)
    up, go = context.Event(), context.Event()
    worker = context.Process(target=_hold, args=(env, up, go))
    worker.start()
    assert up.wait(30)
    env.release()
    assert removal(home).returncode == 6
    go.set()
    worker.join()
    assert worker.exitcode == 0
    assert removal(home).returncode == 0


def test_a_worker_that_does_not_use_it_has_none(home: Path, env: Environment) -> None:
    pid = os.fork()
    if pid == 0:
        time.sleep(30)
        os._exit(0)
    env.release()
    done = removal(home)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert done.returncode == 0, done.stderr


def test_a_worker_is_told_when_it_is_gone(home: Path, env: Environment) -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            env.release()
            shutil.rmtree(env.path)
            env.python  # noqa: B018 - released: no lease is needed for the path
            env.run(["python", *PREFIX])
        except MachineError as error:
            os.write(writer, error.code.encode())
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reader, 100) == b"environment-gone"
    os.close(reader)
    os.close(writer)
