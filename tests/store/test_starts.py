"""The start of an environment's interpreter beside a collection, and what it tells of its use."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.faults.world import World
from venvkit import Environment
from venvkit.store.lock.lease import exclusive, in_use, last_use


@pytest.fixture
def env(quick_world: World) -> Environment:
    return quick_world.ensure()


@pytest.fixture
def lease(quick_world: World, env: Environment) -> Path:
    return quick_world.layout.lease(env.path.name)


def started(env: Environment) -> subprocess.Popen[str]:
    """Start the interpreter, which lives until its standard input ends."""
    code = "import tool; print('up', flush=True); input()"
    return subprocess.Popen([env.python, "-c", code], stdin=-1, stdout=-1, stderr=-1, text=True)


def test_a_start_waits_for_a_question_and_is_leased_then(env: Environment, lease: Path) -> None:
    with exclusive(lease) as alone:
        assert alone
        child = started(env)
        time.sleep(0.5)  # a reading of a store of a thousand shells
        assert child.poll() is None
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    assert in_use(lease), "it runs without a lease"
    child.communicate("\n")
    assert not in_use(lease)


def test_a_start_whose_environment_goes_meanwhile_says_so(env: Environment, lease: Path) -> None:
    with exclusive(lease) as alone:
        assert alone
        child = started(env)
        time.sleep(0.5)
        env.path.rename(env.path.with_name("aside"))
        lease.unlink()
    out, err = child.communicate("\n")
    assert (child.returncode, out) == (7, "")
    assert "was removed while this process started" in err


def test_a_deleted_lease_file_is_made_again(env: Environment, lease: Path) -> None:
    lease.unlink()
    child = started(env)
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    assert in_use(lease)
    child.communicate("\n")


def test_the_start_and_the_end_of_a_process_are_use(env: Environment, lease: Path) -> None:
    os.utime(lease, (1e9, 1e9))
    child = started(env)
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    assert time.time() - last_use(lease) < 60
    os.utime(lease, (1e9, 1e9))  # it ran for years
    child.communicate("\n")
    assert time.time() - last_use(lease) < 60


def test_a_lease_file_that_somebody_emptied_still_leases(env: Environment, lease: Path) -> None:
    lease.write_bytes(b"")
    child = started(env)
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    assert in_use(lease)
    child.communicate("\n")
