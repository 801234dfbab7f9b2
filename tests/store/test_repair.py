"""`check --repair`: what is not proved is built anew from the call that it was built for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.faults.world import World, imported
from tests.pips import share_pip
from venvkit import ModelSpec, ensure_env
from venvkit.base import crash
from venvkit.cli.app import cli
from venvkit.events import ignore
from venvkit.launch.repair import repair
from venvkit.store.change.rollback import rollback
from venvkit.store.collect.gc import collect
from venvkit.store.collect.rules import Wish
from venvkit.store.look.inventory import find_entries


@pytest.fixture
def world(real_world: World) -> World:
    """Builds by the real uv, and wheels that come and go."""
    return real_world


def checked(*args: str) -> tuple[int, list[dict[str, object]]]:
    done = CliRunner().invoke(cli, ["check", *args, "--json"])
    return done.exit_code, json.loads(done.stdout)["data"]["environments"]


def spoil(python: Path) -> None:
    """Edit a file deep inside a package: only a check can notice."""
    next(python.parent.parent.glob("lib/*/site-packages/tool/deep.py")).write_text("edited = True\n")


def test_it_builds_the_next_number(world: World) -> None:
    env = world.ensure()
    spoil(env.python)
    assert not world.ensure().built
    assert checked("m")[0] == 3
    status, (verdict,) = checked("--all", "--repair")
    assert (status, verdict["ok"]) == (0, True)
    again = world.ensure()
    assert (again.built, again.path.name) == (False, f"{env.path.name[:-2]}-2")
    assert imported(again.python) == "1.0"
    collect(world.layout, Wish())
    assert not env.path.exists()


def test_a_spec_that_was_a_value(world: World) -> None:
    house = world.host.wheelhouse.url
    env = ensure_env(ModelSpec("v", ("tool==2.0",), find_links=(house,)), host_python=world.host.python)
    (env.path / "venvkit.json").write_text("{")
    status, (verdict,) = checked("v", "--repair")
    assert (status, verdict["ok"]) == (0, True)


def test_what_cannot_be_built_stays_as_it_was(world: World) -> None:
    env = world.ensure()
    spoil(env.python)
    for wheel in world.host.wheelhouse.made:
        wheel.unlink()
    status, (verdict,) = checked("m", "--repair")
    assert status == 3
    kinds = [finding["kind"] for finding in verdict["findings"]]  # type: ignore[attr-defined]
    assert kinds[-1] == "not-repaired"
    assert imported(env.python) == "1.0"
    assert not world.ensure().built


def test_whatever_ends_a_repair_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    env = world.ensure()
    spoil(env.python)
    before = {path: path.stat().st_ino for path in env.path.rglob("*")}

    def at(point: str) -> None:
        if point == "build-installed":
            raise RuntimeError(point)

    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(crash, "at", at)
        repaired(world)
    assert {path: path.stat().st_ino for path in env.path.rglob("*")} == before
    assert [path.name for path in world.layout.envs.iterdir()] == [env.path.name]
    assert imported(world.shell / "bin" / "python") == "1.0"
    assert checked("m", "--repair")[0] == 0


def repaired(world: World) -> None:
    (entry,) = find_entries(world.layout, "m")
    repair(world.layout, entry, ignore)


def test_another_request_of_the_model_is_not_answered(world: World) -> None:
    """Without the call that the environment in force answers there is nothing to build anew."""
    world.ensure("1.0")
    env = world.ensure("2.0")
    for path in world.layout.requests.iterdir():
        if json.loads(path.read_bytes())["facts"]["path"] == str(env.path):
            path.unlink()
    spoil(env.python)
    status, (verdict,) = checked("m", "--repair")
    assert status == 3
    assert "not known any more" in verdict["findings"][-1]["message"]  # type: ignore[index]
    assert imported(world.shell / "bin" / "python") == "2.0"


def test_the_environment_of_a_rollback_is_repaired_and_stays_in_force(world: World) -> None:
    former = world.ensure("1.0")
    loose = {"host_python": world.host.python, "packages": ["tool<3"]}
    any_version = ensure_env(world.spec, **loose)
    any_version.release()
    assert imported(any_version.python) == "2.0"
    rollback(world.layout, world.shell)
    again = ensure_env(world.spec, **loose)
    assert again.path == former.path
    again.release()
    spoil(former.python)
    assert checked("m", "--repair")[0] == 0
    assert imported(world.shell / "bin" / "python") == "1.0"
    env = ensure_env(world.spec, **loose)
    assert (imported(env.python), env.path.name) == ("1.0", f"{former.path.name[:-2]}-2")
    assert imported(world.shell / "bin" / "python") == "1.0"


def test_it_is_built_by_the_tool_that_built_it(
    world: World, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    share_pip(tmp_path, tmp_path_factory)
    monkeypatch.setenv("VENVKIT_BACKEND", "pip")
    env = world.ensure()
    assert env.receipt is not None
    assert env.receipt.uv == ""
    spoil(env.python)
    monkeypatch.setenv("VENVKIT_BACKEND", "uv")
    assert checked("m", "--repair")[0] == 0
    (entry,) = find_entries(world.layout, "m")
    assert entry.receipt is not None
    assert (entry.receipt.id, entry.receipt.uv) == (f"{env.path.name[:-2]}-2", "")
    monkeypatch.setenv("VENVKIT_BACKEND", "pip")
    again = world.ensure()
    assert (again.path, again.built) == (entry.environment, False)


def test_what_it_was_built_for_is_gone(world: World) -> None:
    env = world.ensure()
    spoil(env.python)
    world.spec.unlink()
    _, (verdict,) = checked("m", "--repair")
    assert "not known any more" in verdict["findings"][-1]["message"]  # type: ignore[index]


def test_secrets_are_not_recorded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.ensure(index_url="http://me:top-secret@127.0.0.1:9/simple", offline=True)
    assert not [path for path in world.home.rglob("*") if path.is_file() and b"top-secret" in path.read_bytes()]
