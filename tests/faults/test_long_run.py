"""A model that runs while its environment is upgraded, rolled back and collected around it."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.faults.world import World, assert_whole
from venvkit.store.change.rollback import rollback
from venvkit.store.collect.gc import collect
from venvkit.store.collect.rules import Wish

# For each number that it is told: import a module that was not imported before, here and in a child that starts now
# with all descriptors closed, and say which environment each came from.
MODEL = """
import importlib, json, subprocess, sys
import tool
CHILD = '''
import importlib, json, sys
import tool
found = importlib.import_module(f"tool.part{sys.argv[1]}")
print(json.dumps([tool.__version__, found.version, found.__file__]))
'''
print("up", flush=True)
for line in sys.stdin:
    number = line.strip()
    found = importlib.import_module(f"tool.part{number}")
    child = subprocess.run([sys.executable, "-c", CHILD, number], close_fds=True, capture_output=True, text=True)
    print(json.dumps([[tool.__version__, found.version, found.__file__], json.loads(child.stdout)]), flush=True)
"""


def rounds(world: World, count: int) -> None:
    env = world.ensure("1.0")
    assert env.shell is not None
    with subprocess.Popen([env.shell / "bin" / "python", "-c", MODEL], stdin=-1, stdout=-1, text=True) as model:
        assert model.stdin is not None and model.stdout is not None
        assert model.stdout.readline() == "up\n"
        for number in range(count):
            world.ensure("2.0", upgrade=True)
            if number % 2:
                rollback(world.layout, world.shell)
            collect(world.layout, Wish(keep_last=1, older_than=0.0, max_size=0))
            model.stdin.write(f"{number}\n")
            model.stdin.flush()
            for tool, part, path in json.loads(model.stdout.readline()):
                assert (tool, part) == ("1.0", "1.0"), f"round {number}: a mix"
                assert path.startswith(f"{env.path}/"), "not of the environment that the model started in"
        model.stdin.close()
    assert model.returncode == 0
    assert_whole(world, "1.0")


def test_a_running_model_keeps_its_environment(world: World) -> None:
    rounds(world, 4)


@pytest.mark.bench
def test_a_running_model_keeps_its_environment_through_twenty_changes(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    rounds(world, 20)
    with capsys.disabled():
        print("\n20 of 20 changes around a running model, no mix, never collected")
