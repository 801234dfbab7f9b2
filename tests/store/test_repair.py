"""`check --repair`: what is not proved is built anew from the call that it was built for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.faults.world import World, imported
from venvkit import ModelSpec, ensure_env
from venvkit.cli.app import cli
from venvkit.store.collect.gc import collect
from venvkit.store.collect.rules import Wish


@pytest.fixture
def world(real_world: World) -> World:
    """Builds by the real uv, and wheels that come and go."""
    return real_world


def checked(*args: str) -> tuple[int, list[dict[str, object]]]:
    done = CliRunner().invoke(cli, ["check", *args, "--json"])
    return done.exit_code, json.loads(done.stdout)["data"]


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


def test_what_it_was_built_for_is_gone(world: World) -> None:
    env = world.ensure()
    spoil(env.python)
    world.spec.unlink()
    _, (verdict,) = checked("m", "--repair")
    assert "not known any more" in verdict["findings"][-1]["message"]  # type: ignore[index]


def test_secrets_are_not_recorded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.ensure(index_url="http://me:top-secret@127.0.0.1:9/simple", offline=True)
    assert not [path for path in world.home.rglob("*") if path.is_file() and b"top-secret" in path.read_bytes()]
