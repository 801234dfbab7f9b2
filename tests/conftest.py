"""What every test may use. Each test has a home, a cache and an environment of its own."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.hosts import Host, make_host
from tests.wheelhouse import HttpIndex, Wheelhouse


@pytest.fixture(autouse=True, scope="session")
def _signals_are_heard() -> Iterator[None]:
    """Who starts the tests under nohup, or behind a shell's `&`, has them and all their children ignore signals."""
    numbers = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)
    ignored = [number for number in numbers if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(autouse=True)
def _nothing_leaks() -> Iterator[None]:
    """A test that changes the working directory or the environment for the next one fails."""
    before = (Path.cwd(), dict(os.environ))
    yield
    after = (Path.cwd(), {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"})
    before[1].pop("PYTEST_CURRENT_TEST", None)
    assert after == before


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """XINFERENCE_HOME in a clean environment: no configuration of this machine's pip, uv or server is seen."""
    for name in list(os.environ):
        if name.startswith(("XINFERENCE_", "VENVKIT_", "PIP_", "UV_", "PYTHON", "VIRTUAL_ENV", "CONDA_")):
            monkeypatch.delenv(name)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "uv-cache"))
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    # uv knows no variable for "no index": an empty one instead, so that no test reaches the network by a typing error.
    nothing = tmp_path / "no-index"
    nothing.mkdir()
    monkeypatch.setenv("UV_DEFAULT_INDEX", nothing.as_uri())
    home = tmp_path / "xinference"
    monkeypatch.setenv("XINFERENCE_HOME", str(home))
    return home


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Wheelhouse:
    house = Wheelhouse(tmp_path / "wheels")
    house.path.mkdir()
    return house


@pytest.fixture
def host(home: Path, tmp_path: Path, wheelhouse: Wheelhouse) -> Host:
    return make_host(tmp_path / "host", wheelhouse)


@pytest.fixture
def index(wheelhouse: Wheelhouse) -> Iterator[HttpIndex]:
    server = HttpIndex(wheelhouse).start()
    yield server
    server.stop()


WriteSpec = Callable[..., Path]


@pytest.fixture
def write_spec(tmp_path: Path, wheelhouse: Wheelhouse) -> WriteSpec:
    """Write a spec that takes its packages from the wheelhouse alone."""

    def write(name: str, packages: Sequence[str], **virtualenv: object) -> Path:
        path = tmp_path / "specs" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        block = {"packages": list(packages), "find_links": wheelhouse.url, **virtualenv}
        path.write_text(json.dumps({"model_name": name, "virtualenv": block}), encoding="utf-8")
        return path

    return write
