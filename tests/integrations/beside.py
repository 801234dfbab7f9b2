"""An interpreter that has a real Xinference and this venvkit, and a server that is started with it."""

from __future__ import annotations

import contextlib
import importlib.metadata as metadata
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.catalogue.hosts import get_host, look
from tests.wheelhouse import Wheelhouse

ROOT = Path(__file__).resolve().parents[2]
LAUNCHER = "xinference.model.flexible.launchers.transformers"
_START_S = 240.0


def xinference_host() -> str:
    """Return an interpreter that has Xinference, see tests/catalogue/hosts.py; skip the test where there is none."""
    try:
        python = get_host(os.environ.get("VENVKIT_TEST_HOST"))
    except (subprocess.CalledProcessError, OSError) as error:
        pytest.skip(f"skipped because no host with Xinference can be installed here: {error}")
    if not (Path(python).parent / "xinference-local").exists():
        pytest.skip(f"skipped because there is no Xinference beside {python}")
    return python


def make_beside(folder: Path, host: str) -> Path:
    """Make a venv that shows everything of `host`, and venvkit with what it needs and the host lacks."""
    subprocess.run([host, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = next((folder / "lib").glob("python*/site-packages"))
    behind = next((Path(host).parent.parent / "lib").glob("python*/site-packages"))
    (site / "beside.pth").write_text(f"import site; site.addsitedir({str(behind)!r})\n{ROOT}\n")
    for name in missing(set(look(host).distributions)):
        _link(site, metadata.distribution(name))
    python = folder / "bin" / "python"
    scripts = {"venvkit": "from venvkit.__main__ import main\nmain()\n"}
    for name in ("xinference-local", "xinference-supervisor", "xinference-worker"):
        scripts[name] = (Path(host).parent / name).read_text(encoding="utf-8").partition("\n")[2]
    for name, text in scripts.items():
        (folder / "bin" / name).write_text(f"#!{python}\n{text}", encoding="utf-8")
        (folder / "bin" / name).chmod(0o755)
    return python


def missing(present: set[str]) -> list[str]:
    """Return the distributions that venvkit needs and that are not among `present`, with what those need."""
    found: dict[str, None] = {}
    todo = list(metadata.requires("venvkit") or ())
    while todo:
        requirement = Requirement(todo.pop())
        name = canonicalize_name(requirement.name)
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if applies and name not in present and name not in found:
            found[name] = None
            todo += metadata.requires(name) or ()
    return list(found)


def _link(site: Path, distribution: metadata.Distribution) -> None:
    for top in {file.parts[0] for file in distribution.files or () if ".." not in file.parts}:
        target = Path(str(distribution.locate_file(top)))
        if not (site / top).exists() and target.exists() and top != "__pycache__":
            (site / top).symlink_to(target)


@dataclass
class Server:
    """A server of a test, without authentication, on loopback."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def call(self, method: str, path: str, body: object = None, *, timeout: float = 300) -> Any:
        """Ask it something; a refusal is an `HTTPError`, its text in `reason`."""
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}{path}", content, {"Content-Type": "application/json"}, method=method
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(request, timeout=timeout) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            error.msg = error.read().decode("utf-8", "replace")
            raise
        return json.loads(text) if text else None

    def register(self, name: str, packages: list[str], wheelhouse: Wheelhouse, **block: object) -> None:
        """Register a model of the type `flexible` that answers what it is asked."""
        virtualenv = {"packages": packages, "find_links": wheelhouse.url, **block}
        model = {
            "model_name": name,
            "model_uri": str(self.log.parent),
            "launcher": LAUNCHER,
            "launcher_args": json.dumps({"task": "mock"}),
            "virtualenv": virtualenv,
        }
        self.call("POST", "/v1/model_registrations/flexible", {"model": json.dumps(model), "persist": True})

    def launch(self, name: str, **options: object) -> float:
        """Launch a model under its name; return the seconds."""
        began = time.monotonic()
        self.call("POST", "/v1/models", {"model_name": name, "model_uid": name, "model_type": "flexible", **options})
        return time.monotonic() - began

    def ask(self, name: str) -> Any:
        return self.call("POST", "/v1/flexible/infers", {"model": name, "args": [], "question": "who"})

    def stop_model(self, name: str) -> None:
        self.call("DELETE", f"/v1/models/{name}")

    def environments(self) -> dict[str, dict[str, Any]]:
        """Return what the server lists, by the model's name."""
        return {item["model_name"]: item for item in self.call("GET", "/v1/virtualenvs")["list"]}

    def packages(self, name: str) -> dict[str, str]:
        """Return what the server lists as installed for a model: version by name."""
        item = self.environments()[name]
        asked = {key: item[key] for key in ("model_name", "model_engine", "python_version")}
        query = urllib.parse.urlencode({**asked, "worker_ip": item["actor_ip_address"]})
        found = self.call("GET", f"/v1/virtualenvs/packages?{query}")
        return {package["name"]: package["version"] for package in found["packages"]}

    def remove(self, name: str) -> Any:
        return self.call("DELETE", f"/v1/virtualenvs?{urllib.parse.urlencode({'model_name': name})}")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def clean_environ(folder: Path, **more: str) -> dict[str, str]:
    """Return variables for a server whose home, caches and configuration lie in `folder`."""
    prefixes = ("XINFERENCE_", "VENVKIT_", "PYTHON", "VIRTUAL_ENV", "PIP_", "UV_", "CONDA_", "PYTEST_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    empty = folder / "no-index"
    empty.mkdir(exist_ok=True)
    own = {
        "HOME": str(folder),
        "XINFERENCE_HOME": str(folder / "home"),
        "XINFERENCE_AUTH_ADVANCED": "0",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "UV_CACHE_DIR": str(folder / "uv-cache"),
        "PIP_CONFIG_FILE": os.devnull,
        "UV_DEFAULT_INDEX": empty.as_uri(),
    }
    return {**environ, **own, **more}


@contextlib.contextmanager
def running(argv: list[str], folder: Path, environ: Mapping[str, str]) -> Iterator[Server]:
    """Start a server and wait until it answers; end it and all that it started."""
    port = free_port()
    number = len(list(folder.glob("log*")))
    log = folder / f"log{number}"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*argv, "--host", "127.0.0.1", "--port", str(port)],
            env=dict(environ),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    server = Server(f"http://127.0.0.1:{port}", process, log)
    try:
        deadline = time.monotonic() + _START_S
        while True:
            with contextlib.suppress(OSError):
                server.call("GET", "/v1/models", timeout=10)
                break
            assert process.poll() is None, server.said()[-4000:]
            assert time.monotonic() < deadline, server.said()[-4000:]
            time.sleep(0.5)
        yield server
    finally:
        end(process)


def end(process: subprocess.Popen[bytes], *numbers: signal.Signals) -> None:
    """End a process group; by default politely at first."""
    for number in numbers or (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            process.poll()
            try:
                os.killpg(process.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.1)
    raise AssertionError(f"processes of the group {process.pid} are left")


def mappings() -> Iterator[tuple[int, str]]:
    """Yield the pid of each process, and what it has mapped: the lease of the environment that it runs from too."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            yield int(process.name), (process / "maps").read_text(encoding="utf-8", errors="replace")
