"""A model whose spec nobody knows any more: the environment in force is used, and that is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.faults.world import World, imported
from tests.store.conftest import common as common
from tests.store.conftest import quick_world as quick_world
from venvkit import Store, ensure_env
from venvkit.cli.app import cli
from venvkit.errors import UsageError, VenvkitError
from venvkit.events import Event, Warned


@pytest.fixture
def world(quick_world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("VENVKIT_HOST_PYTHON", quick_world.host.python)
    return quick_world


def forgotten(world: World, *versions: str, **choices: object) -> None:
    """Build versions of the model one after another, and lose its spec."""
    for version in versions:
        world.ensure(version, **choices)
    world.spec.unlink()


def test_the_environment_in_force_is_used(world: World) -> None:
    forgotten(world, "1.0", "2.0")
    events: list[Event] = []
    env = ensure_env("m", observer=events.append)
    assert imported(env.python) == "2.0"
    assert not env.built
    (told,) = (event for event in events if isinstance(event, Warned))
    assert told.code == "spec-unknown"
    assert Store().list("m").entries[0].in_use, "it is leased"
    env.release()
    Store().rollback("m")
    assert imported(ensure_env("m").python) == "1.0"


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda world: None, "spec-missing"),
        (lambda world: Path(Store().find("m").environment or "", "pyvenv.cfg").write_text("x"), "environment-spoilt"),
        (lambda world: Store().remove("m"), "model-unknown"),
    ],
)
def test_what_cannot_be_answered_is_refused(spoil: Callable[[World], object], code: str, world: World) -> None:
    forgotten(world, "1.0")
    spoil(world)
    options = {"packages": ["tool==2.0"]} if code == "spec-missing" else {}
    with pytest.raises(VenvkitError) as refused:
        ensure_env("m", **options)  # type: ignore[arg-type]
    assert refused.value.code == code
    assert not list(world.layout.requests.glob("*.json")) or code != "model-unknown"


def test_several_are_told_apart(world: World) -> None:
    world.ensure("1.0", engine="vllm")
    forgotten(world, "2.0")
    with pytest.raises(UsageError) as refused:
        ensure_env("m")
    assert refused.value.code == "model-ambiguous"
    env = ensure_env("m", engine="vllm")
    assert (env.engine, imported(env.python)) == ("vllm", "1.0")


@pytest.mark.parametrize("command", [["build", "m", "--json"], ["run", "m", "--", "python", "-c", "import tool"]])
def test_the_commands_say_so(command: list[str], world: World) -> None:
    forgotten(world, "1.0")
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    assert "no spec of m is known" in done.stderr
    if command[0] == "build":
        assert json.loads(done.stdout)["data"]["built"] is False
