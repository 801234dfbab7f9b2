"""A real Xinference, started for the purpose, as a source of models: started, waited for, asked, and built from.

VENVKIT_TEST_HOST names the interpreter of an environment that has Xinference; without it the one of the catalogue's
harness is used, which takes some minutes to be built, once.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.catalogue.hosts import get_host
from tests.integrations.beside import end
from tests.wheelhouse import Wheelhouse
from venvkit.catalogue.server import Server
from venvkit.errors import SourceError
from venvkit.events import Event, Waiting, ignore
from venvkit.settings import load_settings

pytestmark = pytest.mark.integration

NAME = "venvkit-tiny"
PASSWORD = "only-for-this-test-1"
PAGES = "/v1/model_registrations"


@dataclass
class Xinference:
    """A running server of this test, with an administrator and an API key of its own."""

    python: str
    url: str
    process: subprocess.Popen[bytes]
    log: Path
    token: str = ""
    key: str = ""
    waited: list[Event] = field(default_factory=list)
    first_error: SourceError | None = None

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def call(self, method: str, path: str, body: object = None) -> object:
        """Ask it something as its administrator."""
        headers = {"Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {self.token}"} if self.token else {}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", content, headers, method=method)
        # It listens on this machine: whatever proxy is configured leads elsewhere.
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=60) as answer:
            return json.load(answer)

    def register(self, name: str, packages: list[str], wheelhouse: Wheelhouse) -> None:
        """Register a custom model of the type `flexible`."""
        block = {"packages": packages, "find_links": wheelhouse.url, "inherit_pip_config": False}
        launcher = "xinference.model.flexible.launchers.transformers"
        model = {"model_name": name, "model_uri": str(self.log.parent), "launcher": launcher, "virtualenv": block}
        self.call("POST", f"{PAGES}/flexible", {"model": json.dumps(model), "persist": True})

    def environ(self) -> dict[str, str]:
        return {"XINFERENCE_ENDPOINT": self.url, "VENVKIT_API_KEY": self.key}


@pytest.fixture(scope="module")
def xinference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Xinference]:
    try:
        python = get_host(os.environ.get("VENVKIT_TEST_HOST"))
    except (subprocess.CalledProcessError, OSError) as error:
        pytest.skip(f"no host with Xinference can be installed here: {error}")
    program = Path(python).parent / "xinference-local"
    if not program.exists():
        pytest.skip(f"no Xinference beside {python}")
    folder = tmp_path_factory.mktemp("xinference")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("XINFERENCE_", "VENVKIT_", "PYTHON", "VIRTUAL_ENV"))
    }
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(program), "--host", "127.0.0.1", "--port", str(port)],
            env={**environ, "HOME": str(folder), "XINFERENCE_HOME": str(folder / "home")},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    server = Xinference(python, f"http://127.0.0.1:{port}", process, log)
    try:
        come_up(server)
        yield server
    finally:
        end(process)


def come_up(server: Xinference) -> None:
    """Wait for the server in the way under test, and make an administrator and a key."""
    environ = {
        "XINFERENCE_ENDPOINT": server.url,
        "XINFERENCE_HEALTH_CHECK_FAILURE_THRESHOLD": "300",
        "XINFERENCE_HEALTH_CHECK_INTERVAL": "1",
    }
    try:
        Server(load_settings(environ), environ, cancel=None, observer=server.waited.append).named(NAME)
    except SourceError as error:
        server.first_error = error
    assert server.process.poll() is None, server.said()[-4000:]
    found = re.search(r"Setup token: (\S+)", server.said())
    assert found, server.said()[-4000:]
    account = {"username": "admin", "password": PASSWORD}
    server.call("POST", "/v1/admin/setup", {"setup_token": found[1], **account})
    login = server.call("POST", "/token", account)
    assert isinstance(login, dict)
    server.token = login["access_token"]
    made = server.call("POST", "/v1/admin/keys", {"name": "venvkit"})
    assert isinstance(made, dict)
    server.key = made["key"]


@pytest.fixture
def tiny(xinference: Xinference, wheelhouse: Wheelhouse) -> Iterator[str]:
    """A custom model of the server that wants a package of this test."""
    wheelhouse.add("tiny", "1.0")
    wheelhouse.add("tiny", "2.0")
    xinference.register(NAME, ["tiny==1.0"], wheelhouse)
    yield NAME
    xinference.call("DELETE", f"{PAGES}/flexible/{NAME}")


def venvkit(*args: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "venvkit", *args],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def source(server: Xinference, **environ: str) -> Server:
    given = {**server.environ(), **environ}
    return Server(load_settings(given), given, cancel=None, observer=ignore)


def test_a_server_that_is_just_starting_is_waited_for(xinference: Xinference) -> None:
    # It was asked in the moment of its start, and without a key: the refusal shows that it was up by then.
    assert xinference.first_error is not None
    assert xinference.first_error.code == "server-refused"
    assert "VENVKIT_API_KEY" in xinference.first_error.remedy
    assert [event for event in xinference.waited if isinstance(event, Waiting)]


def test_a_model_of_the_server_is_built_by_its_name_and_runs(
    xinference: Xinference, tiny: str, home: Path, wheelhouse: Wheelhouse
) -> None:
    same = ["--from-server", "--host-python", xinference.python]
    done = venvkit("build", tiny, *same, "--json", environ=xinference.environ())
    assert done.returncode == 0, done.stdout + done.stderr
    data = json.loads(done.stdout)["data"]
    assert (data["model"], data["built"]) == (tiny, True)
    code = "import tiny, xinference; print(tiny.__version__)"
    run = venvkit("run", tiny, *same, "--", "python", "-c", code, environ=xinference.environ())
    assert (run.returncode, run.stdout) == (0, "1.0\n"), run.stderr
    direct = subprocess.run([data["interpreter"], "-c", code], capture_output=True, text=True, check=True)
    assert direct.stdout == "1.0\n"
    again = venvkit("build", tiny, *same, "--json", environ=xinference.environ())
    assert json.loads(again.stdout)["data"]["built"] is False
    # What is registered anew under the name counts, although nothing on this machine has changed.
    xinference.call("DELETE", f"{PAGES}/flexible/{tiny}")
    xinference.register(tiny, ["tiny==2.0"], wheelhouse)
    run = venvkit("run", tiny, *same, "--", "python", "-c", code, environ=xinference.environ())
    assert (run.returncode, run.stdout) == (0, "2.0\n"), run.stderr
    kept = [path for path in home.rglob("*") if path.is_file()]
    assert len(kept) > 10
    assert [path for path in kept if xinference.key.encode() in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("key", "name", "status", "code"),
    [
        ("", NAME, 4, "server-refused"),
        ("xf-1234567890abcdef", NAME, 4, "server-refused"),
        (None, "venvkit_tiny", 2, "model-unknown"),
    ],
)
def test_refusals(
    xinference: Xinference, tiny: str, home: Path, key: str | None, name: str, status: int, code: str
) -> None:
    environ = xinference.environ() | ({} if key is None else {"VENVKIT_API_KEY": key})
    done = venvkit("plan", name, "--from-server", "--host-python", xinference.python, "--json", environ=environ)
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (status, code), done.stdout
    assert (tiny if name != tiny else "VENVKIT_API_KEY") in error["remedy"]
    assert not home.exists()


def test_an_access_token_opens_it_too(xinference: Xinference, tiny: str) -> None:
    (model,) = source(xinference, VENVKIT_API_KEY=xinference.token).named(tiny).models
    assert model.origin == f"{xinference.url}{PAGES}/flexible/{tiny}"


def test_everything_that_it_lists_loads_and_is_the_same_by_its_name(xinference: Xinference, tiny: str) -> None:
    server = source(xinference)
    started = time.monotonic()
    listing = server.all()
    took = time.monotonic() - started
    assert listing.faults == ()
    types = {model.type for model in listing.models}
    assert types >= {"llm", "embedding", "rerank", "image", "audio", "video", "flexible"}
    assert len(listing.models) > 300
    blocks = {(model.type, model.name): model.block for model in listing.models}
    for model in listing.models:
        assert server.load(model).packages
    # Also those that the server lists and has no page for.
    some = [*listing.models[::40], *(model for model in listing.models if model.type == "audio")]
    for model in some:
        (one,) = source(xinference).named(model.name, type=model.type).models
        assert one.block == blocks[model.type, model.name], model.origin
    print(f"{len(listing.models)} models of {len(types)} types listed in {took:.1f} s")
