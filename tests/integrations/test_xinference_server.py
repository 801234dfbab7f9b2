"""A real Xinference, started by `venvkit xinference --`: its models, its environments, its deletions, its death.

It takes several minutes: the server and each model's process import torch.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import threading
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integrations.beside import (
    Server,
    clean_environ,
    end,
    make_beside,
    mappings,
    running,
    xinference_host,
)
from tests.wheelhouse import HttpIndex, Wheelhouse

pytestmark = pytest.mark.integration


class World:
    """A folder with an interpreter, wheels, an index and a home; it outlives servers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = make_beside(folder / "venv", xinference_host())
        self.wheels = Wheelhouse(folder / "wheels")
        # Two versions that contradict each other and what the host has.
        for version in ("8.0", "9.0"):
            self.wheels.add("mdurl", version)
        self.wheels.add("left", "1.0", requires=["mdurl==8.0"])
        self.wheels.add("right", "1.0", requires=["mdurl==9.0"])
        self.wheels.add("late", "1.0")
        self.index = HttpIndex(self.wheels)
        self.environ = clean_environ(folder)
        self.virtualenv = folder / "home" / "virtualenv"

    @contextlib.contextmanager
    def serve(self) -> Iterator[Server]:
        program = [str(self.python.parent / "venvkit"), "xinference", "--", "xinference-local"]
        with running(program, self.folder, self.environ) as server:
            yield server

    def place(self, model: str) -> Path:
        return next((self.virtualenv / "v4" / model / "default").glob("*.*.?"))

    def environment(self, model: str) -> Path:
        return Path(json.loads((self.place(model) / "venvkit-shell.json").read_bytes())["environment"])

    def built(self) -> dict[str, int]:
        receipts = (self.virtualenv / "envs").glob("*/venvkit.json")
        return {path.parent.name: path.stat().st_mtime_ns for path in receipts}

    def users(self, model: str) -> list[int]:
        """Return the processes that lease the environment of a model: it may have other users too."""
        lease = self.virtualenv / "locks" / f"{self.environment(model).name}.lease"
        return [pid for pid, mapped in mappings() if str(lease) in mapped]

    def version(self, model: str) -> str:
        argv = [str(self.place(model) / "bin" / "python"), "-c", "import mdurl; print(mdurl.__version__)"]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("served"))
    world.index.start()
    yield world
    world.index.stop()


def test_a_server_and_its_models(world: World) -> None:
    with world.serve() as server:
        server.register("one", ["left"], world.wheels)
        server.register("two", ["right"], world.wheels)
        server.register("three", ["left"], world.wheels)
        server.register("four", ["late"], world.wheels, index_url=world.index.url, find_links=None)
        took = {name: server.launch(name) for name in ("one", "two", "three")}
        print(f"launched in {took}")
        assert [server.ask(name) for name in took] == [{"question": "who"}] * 3
        assert (world.version("one"), world.version("two")) == ("8.0", "9.0")
        assert world.environment("one") == world.environment("three") != world.environment("two")
        assert len(world.users("one")) >= 2, "the processes of two models run from there"
        assert len(world.users("two")) >= 1
        listed = server.environments()
        assert listed.keys() == took.keys()
        assert listed["one"]["path"] == str(world.place("one"))
        assert server.packages("one") == {"left": "1.0", "mdurl": "8.0"}
        _ours(world, {"one", "two", "three"})

        # In use: the server refuses, and the model goes on.
        with pytest.raises(urllib.error.HTTPError, match=r"using it|in use"):
            server.remove("two")
        assert server.ask("two") == {"question": "who"}
        # Stopped, and its environment is shared with a model that runs.
        server.stop_model("three")
        server.remove("three")
        assert server.environments().keys() == {"one", "two"}
        assert server.ask("one") == {"question": "who"}
        assert world.version("one") == "8.0"
        _killed_during_an_installation(world, server)
    built = world.built()
    with world.serve() as server:
        seconds = {name: server.launch(name) for name in ("one", "four")}
        print(f"after a restart launched in {seconds}")
        assert server.ask("one") == {"question": "who"}
        assert server.ask("four") == {"question": "who"}
        assert built.items() <= world.built().items(), "what was there was not built again"
        _ours(world, {"one", "two", "four"})


def _killed_during_an_installation(world: World, server: Server) -> None:
    world.index.hang_on = ".whl"

    def launch() -> None:
        with contextlib.suppress(OSError):
            server.launch("four")

    thread = threading.Thread(target=launch)
    thread.start()
    deadline = time.monotonic() + 120
    while not any(path.endswith(".whl") for path in world.index.requests):
        assert time.monotonic() < deadline, server.said()[-4000:]
        time.sleep(0.1)
    end(server.process, signal.SIGKILL)
    thread.join(60)
    world.index.hang_on = ""


def _ours(world: World, models: set[str]) -> None:
    """venvkit lists the models too, and finds each as it was proved."""
    venvkit = str(world.python.parent / "venvkit")
    for argv in (["list", "--json"], ["check", "--all", "--json"]):
        done = subprocess.run([venvkit, *argv], env=world.environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        data = json.loads(done.stdout)["data"]
        listed = data if isinstance(data, list) else data["environments"]
        assert {item["model"] for item in listed} == models, done.stdout
