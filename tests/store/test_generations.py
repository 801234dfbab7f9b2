"""What a shell remembers, and going back."""

from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner

from tests.conftest import WriteSpec
from tests.faults.world import World, imported
from venvkit import ensure_env
from venvkit.cli.app import cli
from venvkit.errors import ProofError, UsageError
from venvkit.formats.entry import read_entry
from venvkit.launch.warm import answered_by
from venvkit.store.change.rollback import rollback
from venvkit.store.collect.gc import collect
from venvkit.store.collect.rules import Wish
from venvkit.store.look.history import history


@pytest.fixture
def world(real_world: World) -> World:
    """Builds by the real uv, and wheels that come and go."""
    return real_world


def asked(world: World, **choices: object) -> str:
    """Ask without naming a version, and return which one answers."""
    return imported(ensure_env(world.spec, host_python=world.host.python, **choices).python)


def upgraded(world: World, *versions: str) -> None:
    """Publish versions one by one, and have the model upgraded to each."""
    (world.host.wheelhouse.path / "base-1.1-py3-none-any.whl").unlink(missing_ok=True)
    wheels = {path.name.split("-")[1]: path for path in world.host.wheelhouse.made if path.name.startswith("tool-")}
    for path in wheels.values():
        path.rename(path.with_suffix(".away"))
    for number, version in enumerate(versions):
        wheels[version].with_suffix(".away").rename(wheels[version])
        assert asked(world, upgrade=number > 0) == version


def test_a_shell_remembers_all_that_are_there_and_keeps_three(world: World) -> None:
    upgraded(world, "1.0", "2.0", "3.0", "4.0")
    assert len(history(world.layout, world.shell)) == 4
    collect(world.layout, Wish())
    past = history(world.layout, world.shell)
    assert [item.installed for item in past] == [("tool==4.0",), ("tool==3.0",), ("tool==2.0",)]
    assert [item.current for item in past] == [True, False, False]
    assert all(item.problem == "" and item.since for item in past)


def test_a_rollback_is_the_answer_until_an_upgrade(world: World) -> None:
    upgraded(world, "1.0", "2.0")
    former, now = rollback(world.layout, world.shell)
    assert former != now
    assert asked(world) == "1.0"
    (entry,) = (read_entry(str(path)) for path in world.layout.requests.glob("*.json"))
    assert entry is not None
    assert answered_by(entry) is not None, "the second launch after a rollback is warm"
    assert imported(world.shell / "bin" / "python") == "1.0"
    world.host.install("extra")
    assert asked(world, upgrade=True) == "2.0"
    assert asked(world) == "2.0"


def test_a_changed_request_ends_a_rollback(world: World) -> None:
    upgraded(world, "1.0", "2.0")
    rollback(world.layout, world.shell)
    assert asked(world, packages=["tool>=2"]) == "2.0"
    assert imported(world.shell / "bin" / "python") == "2.0"


def test_back_step_by_step_and_forth_by_name(world: World) -> None:
    upgraded(world, "1.0", "2.0", "3.0")
    names = {item.installed[0]: item.id for item in history(world.layout, world.shell)}
    assert rollback(world.layout, world.shell)[1] == names["tool==2.0"]
    assert rollback(world.layout, world.shell)[1] == names["tool==1.0"]
    with pytest.raises(UsageError) as caught:
        rollback(world.layout, world.shell)
    assert caught.value.code == "no-generation"
    rollback(world.layout, world.shell, names["tool==3.0"][:9])
    assert asked(world) == "3.0"
    assert len(history(world.layout, world.shell)) == 3


def test_no_way_back_to_what_is_spoilt_or_leans_on_what_is_gone(world: World) -> None:
    upgraded(world, "1.0", "2.0", "3.0")
    newest, middle, oldest = history(world.layout, world.shell)
    (middle.path / "pyvenv.cfg").write_text("home = /nowhere\n")
    with pytest.raises(ProofError) as caught:
        rollback(world.layout, world.shell)
    assert caught.value.code == "generation-spoilt"
    world.host.uninstall("base")
    with pytest.raises(ProofError, match=r"base==1\.0"):
        rollback(world.layout, world.shell, oldest.id)
    assert world.shell.joinpath("bin", "python").exists()
    assert [item.current for item in history(world.layout, world.shell)] == [True, False, False]
    assert newest.current


def test_a_failed_upgrade_leaves_the_working_one_in_force(world: World, write_spec: WriteSpec) -> None:
    world.spec = write_spec("m", ["tool"], verify=["tool_data"])
    upgraded(world, "1.0")
    before = sorted(world.layout.envs.iterdir())
    # It resolves and installs, and lacks the module that the spec wants tried.
    broken = world.host.wheelhouse.add("tool", "9.0", files={"tool/__init__.py": ""})
    with pytest.raises(ProofError) as caught:
        asked(world, upgrade=True)
    assert caught.value.code == "import-failed"
    broken.unlink()
    assert sorted(world.layout.envs.iterdir()) == before
    assert imported(world.shell / "bin" / "python") == "1.0"
    assert asked(world) == "1.0"


def test_the_commands(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    upgraded(world, "1.0", "2.0")
    told = CliRunner().invoke(cli, ["history", "m", "--json"])
    (model,) = json.loads(told.stdout)["data"]["environments"]
    assert [item["current"] for item in model["generations"]] == [True, False]
    text = CliRunner().invoke(cli, ["history", "m"])
    assert "in force" in text.stdout
    back = CliRunner().invoke(cli, ["rollback", "m", "--to", model["generations"][1]["id"], "--json"])
    assert json.loads(back.stdout)["data"]["environment"] == model["generations"][1]["id"]
    assert asked(world) == "1.0"
    none = CliRunner().invoke(cli, ["rollback", "m", "--json"])
    assert (none.exit_code, json.loads(none.stdout)["error"]["code"]) == (2, "no-generation")
    shutil.rmtree(model["generations"][0]["path"])
    left = CliRunner().invoke(cli, ["history", "m", "--json"])
    assert len(json.loads(left.stdout)["data"]["environments"][0]["generations"]) == 1


def test_a_rollback_answers_only_what_it_satisfies(world: World, write_spec: WriteSpec) -> None:
    upgraded(world, "1.0", "2.0")
    newest = world.ensure("2.0")
    constrained = {"constraints": ["tool>=2"]}
    assert asked(world, **constrained) == "2.0"
    rollback(world.layout, world.shell)
    assert asked(world) == "1.0"
    assert asked(world, **constrained) == "2.0"
    again = world.ensure("2.0")
    assert (again.path, again.rolled_back) == (newest.path, "")
    assert imported(world.shell / "bin" / "python") == "2.0"
    assert asked(world) == "1.0", "the next launch of the request that was rolled back"


def test_a_rollback_lasts_when_the_newer_environment_is_collected(world: World) -> None:
    upgraded(world, "1.0", "2.0")
    former, now = rollback(world.layout, world.shell)
    collect(world.layout, Wish(keep_last=1))
    assert not (world.layout.envs / former).exists()
    env = ensure_env(world.spec, host_python=world.host.python)
    assert (env.path.name, env.built) == (now, False)


def test_what_was_rolled_back_is_told(world: World) -> None:
    build = ["build", str(world.spec), "--host-python", world.host.python]
    upgraded(world, "1.0", "2.0")
    rollback(world.layout, world.shell)
    for args in (build, ["list"], ["show", "m"], ["check", "m"]):
        assert "rolled back" in CliRunner().invoke(cli, args).stdout, args
    data = json.loads(CliRunner().invoke(cli, [*build, "--json"]).stdout)["data"]
    assert data["rolled_back"] is True
    rollback(world.layout, world.shell, history(world.layout, world.shell)[0].id)
    for args in (build, ["list"], ["show", "m"], ["check", "m"]):
        assert "rolled back" not in CliRunner().invoke(cli, args).stdout, args
    assert asked(world) == "2.0"
