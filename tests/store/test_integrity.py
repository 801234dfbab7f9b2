"""Hand edits: `check` notices them all, and what touches the surface is noticed by a plain `ensure_env` too."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.world import World, imported
from tests.hosts import uv
from venvkit import Environment
from venvkit.base.process import Runner
from venvkit.events import Event, Warned
from venvkit.formats.receipt import RECEIPT
from venvkit.host.snapshot import take_snapshot
from venvkit.proof.check import Finding, check_receipt
from venvkit.store.collect.gc import collect
from venvkit.store.collect.rules import Wish
from venvkit.store.look.inventory import entries


def site_packages(env: Environment) -> Path:
    return next((env.path / "lib").glob("python*/site-packages"))


def findings(world: World) -> tuple[Finding, ...]:
    host = take_snapshot(world.host.python, runner=Runner(), cache_dir=None, environ={})
    (entry,) = entries(world.layout)
    if entry.receipt is None or entry.environment is None:
        return (Finding("spoilt", entry.problem),)
    return check_receipt(entry.environment, entry.receipt, host)


def add_package(world: World, env: Environment) -> None:
    uv("pip", "install", "-q", "--no-index", "--find-links", world.host.wheelhouse.url, "--python", env.python, "extra")


def remove_package(world: World, env: Environment) -> None:
    uv("pip", "uninstall", "-q", "--python", env.python, "tool")


def upgrade_package(world: World, env: Environment) -> None:
    house = world.host.wheelhouse.url
    uv("pip", "install", "-q", "--no-deps", "--no-index", "--find-links", house, "--python", env.python, "tool==2.0")


def delete_file(world: World, env: Environment) -> None:
    (site_packages(env) / "tool" / "deep.py").unlink()


def delete_dist_info(world: World, env: Environment) -> None:
    shutil.rmtree(site_packages(env) / "tool-1.0.dist-info")


def edit_pyvenv(world: World, env: Environment) -> None:
    with (env.path / "pyvenv.cfg").open("a") as file:
        file.write("include-system-site-packages = true\n")


def break_interpreter(world: World, env: Environment) -> None:
    env.python.unlink()
    env.python.symlink_to("/no/such/python")


def truncate_receipt(world: World, env: Environment) -> None:
    receipt = env.path / RECEIPT
    receipt.write_bytes(receipt.read_bytes()[:200])


def empty_bin(world: World, env: Environment) -> None:
    for path in (env.path / "bin").iterdir():
        path.unlink()


Edit = Callable[[World, Environment], None]
SURFACE: tuple[Edit, ...] = (
    add_package, remove_package, upgrade_package, delete_dist_info, edit_pyvenv, break_interpreter, truncate_receipt,
    empty_bin,
)  # fmt: skip


@pytest.mark.parametrize("edit", [*SURFACE, delete_file])
def test_check_notices(world: World, edit: Edit) -> None:
    env = world.ensure()
    assert findings(world) == ()
    edit(world, env)
    assert findings(world)


@pytest.mark.parametrize("edit", SURFACE)
def test_ensure_env_notices_and_builds_the_next_number(world: World, edit: Edit) -> None:
    env = world.ensure()
    edit(world, env)
    events: list[Event] = []
    again = world.ensure(observer=events.append)
    assert again.built
    assert again.key == env.key
    assert (env.path.name[-2:], again.path.name[-2:]) == ("-1", "-2")
    assert [event.code for event in events if isinstance(event, Warned)] == ["rebuilt"]
    assert imported(again.python) == "1.0"
    assert findings(world) == ()
    collect(world.layout, Wish())
    assert not env.path.exists()
    assert not world.ensure().built


def test_a_receipt_from_another_environment(world: World) -> None:
    env = world.ensure("1.0")
    other = world.ensure("2.0")
    world.ensure("1.0")
    shutil.copyfile(other.path / RECEIPT, env.path / RECEIPT)
    assert next(finding.kind for finding in findings(world)) == "spoilt"
    again = world.ensure("1.0")
    assert again.built
    assert imported(again.python) == "1.0"


def test_a_moved_store_is_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.ensure()
    moved = world.home.with_name("elsewhere")
    world.home.rename(moved)
    monkeypatch.setenv("XINFERENCE_HOME", str(moved))
    world.home = moved
    assert findings(world)
    again = world.ensure()
    assert again.built
    assert again.path.is_relative_to(moved)
    assert imported(again.python) == "1.0"


@pytest.mark.parametrize("shelled", [False, True])
def test_byte_code_of_a_first_import_is_no_edit(world: World, shelled: bool) -> None:
    env = world.ensure()
    assert env.shell is not None
    # `tool_data` is a single-file module: its byte-code goes to site-packages/__pycache__.
    python = env.shell / "bin" / "python" if shelled else env.python
    assert imported(python) == "1.0"
    assert list((site_packages(env) / "__pycache__").glob("tool_data.*"))
    assert findings(world) == ()
    assert not world.ensure().built


def test_a_host_distribution_that_is_relied_upon_changes(real_world: World) -> None:
    world = real_world
    env = world.ensure()
    assert env.receipt is not None
    assert [item.name for item in env.receipt.relied] == ["base"]
    world.host.install("base==1.1")
    assert [finding.kind for finding in findings(world)] == ["host-changed"]
    events: list[Event] = []
    again = world.ensure(observer=events.append)
    assert again.built
    assert again.key != env.key
    (said,) = [event.message for event in events if isinstance(event, Warned)]
    assert "base of the host went from 1.0 to 1.1" in said
    assert not world.ensure().built


def test_a_host_distribution_that_is_not_relied_upon_changes(real_world: World) -> None:
    world = real_world
    env = world.ensure()
    world.host.install("extra")
    again = world.ensure()
    assert not again.built
    assert again.path == env.path


def test_an_unknown_schema_is_left_alone_and_listed(world: World) -> None:
    env = world.ensure()
    receipt = env.path / RECEIPT
    receipt.write_bytes(receipt.read_bytes().replace(b'"schema":1', b'"schema":99', 1))
    (entry,) = entries(world.layout)
    assert entry.state == "unknown-schema"
    again = world.ensure()
    assert again.built
    report = collect(world.layout, Wish(keep_last=1, older_than=0.0, max_size=0))
    assert env.path.exists()
    assert env.path in [item.path for item in report.left]


def test_what_stands_in_the_shell_is_not_trusted(world: World) -> None:
    env = world.ensure()
    assert env.shell is not None
    pointer = next(env.shell.glob("lib/*/site-packages/zzzz_venvkit.pth"))
    pointer.write_text("/tmp\n")
    assert not world.ensure().built
    assert imported(env.shell / "bin" / "python") == "1.0"
    (env.shell / "bin" / "python").unlink()
    pointer.unlink()
    assert not world.ensure().built
    done = subprocess.run([env.shell / "bin" / "tool-run"], capture_output=True, text=True, check=False)
    assert "main" in done.stderr, "its script is there and runs"
    assert imported(env.shell / "bin" / "python") == "1.0"
