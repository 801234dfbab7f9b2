"""What uv is asked in, and what must not come of it: ties overlooked, refusals, an end by a signal, threads."""

from __future__ import annotations

import http.server
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.hosts import Host
from tests.wheelhouse import HttpIndex, Wheelhouse, _Handler
from venvkit import ModelSpec, ensure_env, plan_env
from venvkit.base.process import Runner
from venvkit.errors import MachineError, UsageError
from venvkit.events import Event, Warned
from venvkit.launch.planning import Planned
from venvkit.spec.levers import Levers
from venvkit.tools.uv.client import failure

NewIndex = Callable[..., HttpIndex]


@pytest.fixture(autouse=True)
def _own_cache(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of the indexes are the same in every test."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))


@pytest.fixture
def new_index(home: Path, tmp_path: Path) -> Iterator[NewIndex]:
    """Start an index of its own that has the wheels `name==version`."""
    started: list[HttpIndex] = []

    def start(*wheels: str, **options: object) -> HttpIndex:
        house = Wheelhouse(tmp_path / f"index-{len(started)}")
        house.path.mkdir()
        for wheel in wheels:
            name, _, version = wheel.partition("==")
            house.add(name, version)
        started.append(HttpIndex(house, **options).start())  # type: ignore[arg-type]
        return started[-1]

    yield start
    for index in started:
        index.stop()


def chosen(planned: Planned) -> list[str]:
    return [f"{item.name}=={item.version}" for item in planned.plan.install]


def configure_uv(monkeypatch: pytest.MonkeyPatch, path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    monkeypatch.delenv("UV_NO_CONFIG")
    monkeypatch.setenv("UV_CONFIG_FILE", str(path))


# -- threads --------------------------------------------------------------------------------------------------


def test_threads_that_look_for_uv_at_once_find_it_all() -> None:
    """The first question of a process, many times over: the table that it fills is emptied before each."""
    code = """
        import sys, sysconfig, threading
        from venvkit.tools.uv import client as uv
        from venvkit.base.process import Runner
        sys.setswitchinterval(1e-6)
        runner, failed = Runner(), []
        uv.find_uv(runner, {})
        def look(start):
            start.wait()
            try:
                uv.find_uv(runner, {})
            except Exception as error:
                failed.append(repr(error))
        for _ in range(150):
            uv._places.clear() if hasattr(uv, "_places") else uv._bundled.cache_clear()
            sysconfig._CONFIG_VARS, sysconfig._CONFIG_VARS_INITIALIZED = None, False
            start = threading.Barrier(4)
            threads = [threading.Thread(target=look, args=(start,)) for _ in range(4)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
        print(failed[:1])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


# -- ties -----------------------------------------------------------------------------------------------------


@pytest.fixture
def tied(new_index: NewIndex) -> ModelSpec:
    """A spec whose package lies in two indexes, the newer one in that which it must not come from."""
    own, common = new_index("tool==1.0"), new_index("tool==9.0", "free==1.0")
    return ModelSpec("m", ("tool", "free"), index_url=common.url, levers=Levers(sources=(("tool", own.url),)))


@pytest.mark.parametrize(("name", "value"), [("UV_NO_SOURCES", "1"), ("UV_NO_SOURCES_PACKAGE", "tool")])
def test_no_variable_unties_a_package_from_its_index(
    tied: ModelSpec, host: Host, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert chosen(plan_env(tied, host_python=host.python)) == ["free==1.0", "tool==1.0"]
    ran = ensure_env(tied, host_python=host.python).run(
        ["python", "-c", "import tool; print(tool.__version__)"], capture=True
    )
    assert ran.stdout.strip() == "1.0"


@pytest.mark.parametrize(
    "text",
    ["no-sources = true", 'no-sources-package = ["Tool"]', "[pip]\nno-sources = true",
     '[pip]\nno-sources-package = ["tool"]'],
)  # fmt: skip
def test_a_file_of_uvs_that_unties_a_package_is_refused_by_name(
    tied: ModelSpec, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    path = tmp_path / "uv.toml"
    configure_uv(monkeypatch, path, text)
    with pytest.raises(UsageError, match="tool") as caught:
        plan_env(tied, host_python=host.python)
    assert (caught.value.code, caught.value.where) == ("uv-no-sources", str(path))


def test_a_file_of_uvs_that_unties_others_stops_nothing(
    tied: ModelSpec, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_uv(monkeypatch, tmp_path / "uv.toml", 'no-sources-package = ["other"]')
    assert chosen(plan_env(tied, host_python=host.python)) == ["free==1.0", "tool==1.0"]


# -- refusals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["", "me:pw@"])
@pytest.mark.parametrize("configured", [False, True])
@pytest.mark.parametrize("strategy", [None, "first-index"])
def test_a_public_index_that_says_403_lacks_the_project_whatever_the_strategy(
    new_index: NewIndex, host: Host, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    strategy: str | None, configured: bool, user: str,
) -> None:  # fmt: skip
    main, store = new_index("tool==9.0"), new_index(fail_with=403)
    (home / "venvkit").mkdir(parents=True)
    (home / "venvkit" / "engines.toml").write_text(f'public_indexes = ["{store.url}"]\n')
    if configured:
        monkeypatch.delenv("UV_NO_CONFIG")
        for name in ("XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"):
            monkeypatch.setenv(name, str(tmp_path / "nothing"))
    extra = store.url.replace("://", f"://{user}")
    spec = ModelSpec("m", ("tool",), index_url=main.url, extra_index_urls=(extra,), index_strategy=strategy)
    seen: list[Event] = []
    assert chosen(plan_env(spec, host_python=host.python, observer=seen.append)) == ["tool==9.0"]
    assert [event for event in seen if isinstance(event, Warned)] == []
    assert store.requests


def test_a_public_index_that_says_403_leaves_the_others_in_their_order(
    new_index: NewIndex, host: Host, home: Path
) -> None:
    main, store, own = new_index("tool==9.0"), new_index(fail_with=403), new_index("tool==1.0")
    (home / "venvkit").mkdir(parents=True)
    (home / "venvkit" / "engines.toml").write_text(f'public_indexes = ["{store.url}"]\n')
    spec = ModelSpec("m", ("tool",), index_url=main.url, extra_index_urls=(store.url, own.url))
    assert chosen(plan_env(spec, host_python=host.python)) == ["tool==1.0"]
    ensure_env(spec, host_python=host.python)
    assert "/simple/tool/" not in main.requests


# -- metadata -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["UV_DEFAULT_INDEX", "UV_INDEX", "file"])
def test_our_own_reads_use_the_user_of_a_named_index(
    new_index: NewIndex, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    index = new_index(user="me:s3cret/pw")
    index.wheelhouse.add("tool", "1.0", requires=["base"])
    index.wheelhouse.add("base", "1.0")
    bare = index.url.replace("me:s3cret/pw@", "")
    if place == "file":
        configure_uv(monkeypatch, tmp_path / "uv.toml", f'[[index]]\nname = "our-own"\nurl = "{bare}"\n')
    else:
        monkeypatch.setenv(place, f"our-own={bare}")
    monkeypatch.setenv("UV_INDEX_OUR_OWN_USERNAME", "me")
    monkeypatch.setenv("UV_INDEX_OUR_OWN_PASSWORD", "s3cret/pw")
    seen: list[Event] = []
    planned = plan_env(ModelSpec("m", ("tool",)), host_python=host.python, observer=seen.append)
    read = {item.name: item.description and item.description.requires for item in planned.plan.install}
    assert read == {"base": (), "tool": ("base",)}
    assert not any(isinstance(event, Warned) for event in seen)


class _ForUvAlone(_Handler):
    """Knows uv by a password that only uv can ask for (of a keyring, say); here, by how it calls itself."""

    def do_GET(self) -> None:
        if self.headers["User-Agent"].startswith("uv/"):
            self._answer(body=True)
        else:
            self._send(403, b"who are you", body=True)

    def do_HEAD(self) -> None:
        self.do_GET()


def test_a_wheel_whose_metadata_is_refused_is_warned_of(wheelhouse: Wheelhouse, host: Host) -> None:
    wheelhouse.add("tool", "1.0")
    index = HttpIndex(wheelhouse)
    index._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_ForUvAlone, index))
    threading.Thread(target=index._server.serve_forever, args=(0.01,), daemon=True).start()
    seen: list[Event] = []
    try:
        planned = plan_env(
            ModelSpec("m", ("tool",), index_url=index.url), host_python=host.python, observer=seen.append
        )
    finally:
        index.stop()
    assert chosen(planned) == ["tool==1.0"]
    (warned,) = [event for event in seen if isinstance(event, Warned)]
    assert (warned.code, "tool==1.0" in warned.message) == ("metadata-unread", True)


# -- signals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "remedy"), [(signal.SIGKILL, "memory"), (signal.SIGSEGV, "look who ended it, and try again")]
)
def test_a_uv_that_a_signal_ended_is_told_as_such(number: signal.Signals, remedy: str) -> None:
    done = Runner().run(["/bin/sh", "-c", f"echo failed to fetch something >&2; kill -{int(number)} $$"])
    error = failure("uv", done)
    assert isinstance(error, MachineError)
    assert (error.message, error.code, error.exit_code) == (f"uv was ended by signal {int(number)}", "uv-killed", 7)
    assert remedy in error.remedy
