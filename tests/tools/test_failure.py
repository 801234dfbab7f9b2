"""Failures of uv and pip, each made by a real run: the code follows from the tool's own lines, never from a log."""

from __future__ import annotations

import functools
import http.server
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from tests.conftest import WriteSpec
from tests.hosts import UV, Host
from tests.pips import share_pip
from tests.tools.builds import BROKEN_LOG, add_source
from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit import VenvkitError, ensure_env, plan_env
from venvkit.base.process import Completed, Runner
from venvkit.errors import MachineError, NoSolutionError, SourceError, UsageError
from venvkit.events import Event, Warned
from venvkit.launch.planning import Planned
from venvkit.plan.resolver import Unsolvable
from venvkit.tools.failure import failure

LOGIN = b"<!DOCTYPE html><html><head><title>Log in</title></head><body><form action=/in><input></form></body></html>"


@pytest.fixture(params=["uv", pytest.param("pip", marks=pytest.mark.slow)])
def backend(
    request: pytest.FixtureRequest, home: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> str:  # fmt: skip
    if request.param == "pip":
        share_pip(tmp_path, tmp_path_factory, "mirrors", "hosts")
        monkeypatch.setenv("PIP_NO_INDEX", "1")
    return str(request.param)


Fail = Callable[..., VenvkitError]


@pytest.fixture
def fails(backend: str, bare_host: Host, write_spec: WriteSpec, home: Path) -> Fail:
    """Ask for packages that cannot be had; return the error."""

    def run(*packages: str, build: bool = False, **virtualenv: object) -> VenvkitError:
        do = ensure_env if build else plan_env
        with pytest.raises(VenvkitError) as caught:
            do(write_spec("m", list(packages), **virtualenv), host_python=bare_host.python, backend=backend)
        assert caught.value.remedy, caught.value
        return caught.value

    return run


class Serve:
    """Answers every request in one way."""

    def __init__(self, content: bytes, kind: str, status: int = 200) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                return

            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_HEAD = do_GET

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    servers: list[Serve] = []

    def start(content: bytes, kind: str, status: int = 200) -> str:
        servers.append(Serve(content, kind, status))
        return servers[-1].url

    yield start
    for one in servers:
        one.server.shutdown()
        one.server.server_close()


# -- builds --------------------------------------------------------------------------------------------------------


def test_a_log_that_speaks_of_sources_and_disks_is_still_a_failed_build(fails: Fail, wheelhouse: Wheelhouse) -> None:
    add_source(wheelhouse.path, "loud", BROKEN_LOG)
    error = fails("loud")
    assert isinstance(error, MachineError)
    assert error.code == "build-failed"


def test_the_end_of_a_log_is_shown_and_all_of_it_kept(fails: Fail, wheelhouse: Wheelhouse, tmp_path: Path) -> None:
    add_source(wheelhouse.path, "loud", BROKEN_LOG)
    error = fails("loud")
    shown = "\n".join(error.details)
    assert "the very end" in shown
    assert "line 20 " not in shown
    assert len(error.details) < 40
    (place,) = (line.partition(": ")[2] for line in error.details if line.startswith("the whole output: "))
    log = Path(place)
    assert log.is_relative_to(tmp_path / "cache" / "venvkit" / "logs")
    text = log.read_text()
    assert all(f"line {number} " in text for number in range(40))
    assert "hunter2" not in text + str(error)
    assert (stat.S_IMODE(log.stat().st_mode), stat.S_IMODE(log.parent.stat().st_mode)) == (0o600, 0o700)


def test_the_latest_logs_are_kept(tmp_path: Path) -> None:
    stderr = (
        "error: Failed to build `x`\n  cause: The build backend returned an error\n\n         [stderr]\n         no\n"
    )
    for _ in range(30):
        error = failure("uv", Completed(("uv",), 1, "", stderr, 0.1), logs=str(tmp_path / "logs"))
    kept = {str(path) for path in (tmp_path / "logs").iterdir()}
    assert len(kept) == 20
    assert error.details[-1].removeprefix("the whole output: ") in kept


def test_a_log_that_cannot_be_kept_costs_nothing(fails: Fail, wheelhouse: Wheelhouse, tmp_path: Path) -> None:
    add_source(wheelhouse.path, "loud", BROKEN_LOG)
    (tmp_path / "cache" / "venvkit").mkdir(parents=True, exist_ok=True)
    (tmp_path / "cache" / "venvkit" / "logs").write_text("in the way")
    assert fails("loud").code == "build-failed"


def test_a_module_that_the_host_has_is_the_way_out(fails: Fail, wheelhouse: Wheelhouse) -> None:
    add_source(wheelhouse.path, "needy", "import torch\n")
    error = fails("needy")
    assert error.code == "build-failed"
    assert "install torch into the host" in error.remedy


def test_a_build_against_the_host(host: Host, backend: str, wheelhouse: Wheelhouse, write_spec: WriteSpec) -> None:
    wheel = wheelhouse.add("maker", "1.0")
    host.install(wheel)
    wheel.unlink()
    add_source(wheelhouse.path, "needy", "import maker\n")
    with pytest.raises(MachineError) as caught:
        plan_env(write_spec("m", ["needy"]), host_python=host.python, backend=backend)
    assert "the host has maker" in caught.value.remedy
    assert "no_build_isolation: true" in caught.value.remedy


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("import os\nos.kill(os.getpid(), 9)\n", "memory"),
        ("raise SystemExit('x.c:1:10: fatal error: Python.h: No such file or directory')\n", "Python.h"),
        ("raise SystemExit(\"error: command 'no-such-gcc' failed: No such file or directory\")\n", "no-such-gcc"),
        ("raise SystemExit('something else')\n", "read the end of the build's output"),
    ],
)
def test_a_remedy_guesses_only_where_the_cause_is_known(
    fails: Fail, wheelhouse: Wheelhouse, body: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")  # the width of a terminal is no part of the answer
    add_source(wheelhouse.path, "tool", body)
    error = fails("tool")
    assert error.code == "build-failed"
    assert told in error.remedy


def test_a_build_that_fails_at_the_install(fails: Fail, wheelhouse: Wheelhouse) -> None:
    prepare = (
        "import os\n"
        "def prepare_metadata_for_build_wheel(folder, settings=None):\n"
        "    info = f'{folder}/tool-1.0.dist-info'\n    os.makedirs(info)\n"
        "    open(f'{info}/METADATA', 'w').write('Metadata-Version: 2.1\\nName: tool\\nVersion: 1.0\\n')\n"
        "    open(f'{info}/WHEEL', 'w').write('Wheel-Version: 1.0\\nTag: py3-none-any\\n')\n"
        "    return 'tool-1.0.dist-info'\n"
        "def build_wheel(folder, settings=None, metadata=None):\n"
        "    for n in range(40): print(f'step {n} timed out')\n"
        "    raise RuntimeError('the very end')\n"
    )
    add_source(wheelhouse.path, "tool", prepare)
    error = fails("tool", build=True)
    assert error.code == "build-failed"
    assert any("the very end" in line for line in error.details)


def test_a_build_requirement_that_is_nowhere(fails: Fail, wheelhouse: Wheelhouse) -> None:
    add_source(wheelhouse.path, "tool", "", requires='["no-such-backend"]')
    error = fails("tool")
    assert error.code == "build-failed"
    assert any("no-such-backend" in line for line in error.details)


def test_a_log_cannot_forge_the_tools_own_lines(fails: Fail, wheelhouse: Wheelhouse) -> None:
    forged = "\\nerror: dns error\\n  cause: operation timed out\\r  cause: Hash mismatch for x\\x0cerror: dns error\\n"
    forged += "      [end of output]\\nERROR: HTTP error 403 while\\nhint: An index (x) returned a 403 Forbidden\\n"
    add_source(wheelhouse.path, "tool", f"raise SystemExit('{forged}')\n")
    assert fails("tool").code == "build-failed"


# -- files and requirements ----------------------------------------------------------------------------------------


def test_a_wheel_that_is_none(fails: Fail, wheelhouse: Wheelhouse) -> None:
    path = wheelhouse.path / "aside" / "tool-1.0-py3-none-any.whl"
    path.parent.mkdir()
    path.write_bytes(b"this is no archive")
    error = fails(f"tool @ {path.as_uri()}")
    assert (type(error), error.code, error.exit_code) == (SourceError, "file-invalid", 4)


@pytest.mark.parametrize("content", [b"no archive", b""])
def test_a_source_archive_that_is_none(fails: Fail, wheelhouse: Wheelhouse, content: bytes) -> None:
    (wheelhouse.path / "tool-1.0.tar.gz").write_bytes(content)
    error = fails("tool")
    assert (error.code, error.exit_code) == ("file-invalid", 4)


def test_a_wheel_of_an_index_that_is_none_says_so(host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec) -> None:
    (wheelhouse.path / "tool-1.0-py3-none-any.whl").write_bytes(b"no archive")
    with pytest.raises(NoSolutionError) as caught:
        plan_env(write_spec("m", ["tool"]), host_python=host.python)
    assert any("structure of `tool` (v1.0) was invalid" in line for line in caught.value.details)


def test_a_wheel_of_another_version_than_its_name(fails: Fail, wheelhouse: Wheelhouse) -> None:
    wheelhouse.add("tool", "1.0").rename(wheelhouse.path / "tool-2.0-py3-none-any.whl")
    assert fails("tool", build=True).exit_code in (3, 4)


@pytest.mark.parametrize("digits", [25, 400])
def test_a_huge_version(fails: Fail, wheelhouse: Wheelhouse, digits: int) -> None:
    wheelhouse.add("tool", "1.0")
    error = fails(f"tool=={'9' * digits}")
    assert (error.code, error.exit_code) in {("requirement-invalid", 2), ("no-solution", 3)}


@pytest.mark.parametrize(
    "name", ["tool.whl", "tool-1.0.whl", "tool-1.0-py3-none.whl", "tool-1.0-py3-none-any-x-y-z.whl"]
)
def test_a_wheel_name_that_a_requirement_brings(fails: Fail, wheelhouse: Wheelhouse, name: str) -> None:
    (wheelhouse.path / "aside").mkdir()
    (wheelhouse.path / "aside" / name).write_bytes(b"x")
    wheelhouse.add("top", "1.0", requires=[f"tool @ {(wheelhouse.path / 'aside' / name).as_uri()}"])
    error = fails("top")
    assert (error.code, error.exit_code) == ("requirement-invalid", 2)


def test_a_file_of_another_hash(fails: Fail, wheelhouse: Wheelhouse) -> None:
    wheel = wheelhouse.add("tool", "1.0")
    error = fails(f"tool @ {wheel.as_uri()}#sha256={'0' * 64}", build=True)
    assert (type(error), error.code) == (SourceError, "source-refused")


# -- sources -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [LOGIN, LOGIN.replace(b"<form", b"<a href='/help'>help</a><form")])
def test_a_login_page_in_place_of_an_index(
    fails: Fail, serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch, page: bytes
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX", raising=False)
    error = fails("tool", index_url=f"{serve(page, 'text/html')}/simple", find_links=[])
    assert (type(error), error.code, error.exit_code) == (SourceError, "source-malformed", 4)
    assert "web page" in error.message
    assert any("/simple/tool/" in line for line in error.details)


def test_a_project_without_files_is_no_login(
    fails: Fail, serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX", raising=False)
    page = b"<!DOCTYPE html><html><head><title>Links for tool</title></head><body><h1>Links for tool</h1></body></html>"
    assert fails("tool", index_url=f"{serve(page, 'text/html')}/simple", find_links=[]).code == "no-solution"


def test_an_index_that_answers_with_other_text(
    fails: Fail, serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX", raising=False)
    error = fails("tool", index_url=f"{serve(b'hello', 'text/plain')}/simple", find_links=[])
    assert error.code == "source-malformed"
    error = fails("tool", index_url=f"{serve(b'no', 'application/vnd.pypi.simple.v1+json')}/simple", find_links=[])
    assert error.code == "source-malformed"


def test_a_login_page_in_place_of_a_wheel(host: Host, serve: Callable[..., str], write_spec: WriteSpec) -> None:
    url = f"{serve(LOGIN, 'text/html')}/tool-1.0-py3-none-any.whl"
    with pytest.raises(SourceError) as caught:
        plan_env(write_spec("m", [f"tool @ {url}"]), host_python=host.python)
    assert caught.value.code == "source-malformed"


@pytest.mark.parametrize(
    ("status", "code"), [(401, "source-refused"), (404, "source-unreachable"), (500, "source-unreachable")]
)
def test_an_address_that_does_not_give_the_file(fails: Fail, serve: Callable[..., str], status: int, code: str) -> None:
    error = fails(f"tool @ {serve(b'no', 'text/plain', status)}/tool-1.0-py3-none-any.whl")
    assert (type(error), error.code) == (SourceError, code)


@pytest.mark.parametrize("url", ["git+file:///no-such/place", "git+http://127.0.0.1:9/x.git"])
def test_a_repository_that_is_not_there(fails: Fail, url: str) -> None:
    error = fails(f"tool @ {url}")
    assert (type(error), error.code) == (SourceError, "source-unreachable")


@pytest.mark.parametrize("name", ["certificate", "timed-out", "no-space-left", "connection-failed"])
def test_a_name_decides_nothing(fails: Fail, name: str) -> None:
    error = fails(name)
    assert (type(error).__mro__[1], error.code) == (NoSolutionError, "no-solution")


def test_a_conflict_speaks_of_those_in_it(fails: Fail, wheelhouse: Wheelhouse) -> None:
    wheelhouse.add("base", "1.0")
    wheelhouse.add("base", "2.0")
    wheelhouse.add("tool", "1.0", requires=["base>=2"])
    wheelhouse.add("other", "1.0", requires=["base<2"])
    error = fails("tool", "other")
    assert isinstance(error, NoSolutionError)
    assert all(any(name in line for line in error.details) for name in ("tool", "other", "base"))


def test_the_ranges_of_a_conflict_are_specifiers(fails: Fail, wheelhouse: Wheelhouse, backend: str) -> None:
    for version in ("1.0+cpu", "2.0+cpu"):
        wheelhouse.add("base", version)
    wheelhouse.add("tool", "1.0", requires=["base>2"])
    error = fails("tool")
    assert isinstance(error, Unsolvable)
    if backend == "uv":
        assert any("<=2.0+cpu" in line for line in error.details)
        assert {name for name, _ in error.asks} >= {"base"}
    assert all(SpecifierSet(specifier) for _, specifier in error.asks)


# -- uv alone ------------------------------------------------------------------------------------------------------


def of_uv(*args: str, **env: str) -> VenvkitError:
    return failure("uv", Runner(timeout=60).run([UV, *args], env={**os.environ, "UV_NO_PROGRESS": "1", **env}))


def test_what_uv_is_told_wrongly(home: Path, tmp_path: Path) -> None:
    install = ("pip", "install", "--dry-run", "--no-index", "--python", sys.executable, "tool")
    error = of_uv(*install, UV_HTTP_TIMEOUT="soon")
    assert (isinstance(error, UsageError), error.code) == (True, "setting-invalid")
    assert of_uv(*install, UV_INDEX_STRATEGY="soon").code == "requirement-invalid"
    (tmp_path / "uv.toml").write_text("no-such-option = 1\n")
    assert of_uv(*install, "--config-file", str(tmp_path / "uv.toml")).code == "setting-invalid"
    assert of_uv(*install, UV_CACHE_DIR="/proc/no-such").code == "disk"
    assert of_uv(*install, "--find-links", str(tmp_path / "gone")).code == "source-unreachable"
    assert of_uv(*install, "--no-such-option").code == "uv-failed"
    for name in ("tool.whl", "tool-1.0.whl", "tool-1.0-py3-none.whl", "tool-1.0-py3-none-any-x-y-z.whl"):
        (tmp_path / name).write_bytes(b"x")
        assert of_uv(*install[:-1], f"tool @ {(tmp_path / name).as_uri()}").code == "requirement-invalid"


def test_a_tool_that_is_killed() -> None:
    done = Runner().run(["/bin/sh", "-c", "kill -9 $$"])
    assert (failure("uv", done).code, failure("pip", done).code) == ("uv-killed", "pip-killed")
    assert "memory" in failure("uv", done).remedy


# -- warnings ------------------------------------------------------------------------------------------------------


def planned(spec: Path, host: Host, backend: str) -> tuple[Planned, list[Warned]]:
    events: list[Event] = []
    found = plan_env(spec, host_python=host.python, backend=backend, observer=events.append)
    return found, [event for event in events if isinstance(event, Warned)]


def test_a_yanked_release_is_told_by_the_plan(
    host: Host, backend: str, tmp_path: Path, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX", raising=False)
    house = Wheelhouse(tmp_path / "www" / "lib")
    house.add("lib", "1.1")
    link = '<a href="lib-1.1-py3-none-any.whl" data-yanked="breaks all">lib-1.1-py3-none-any.whl</a>'
    (house.path / "index.html").write_text(f"<!DOCTYPE html><html><body>{link}</body></html>")
    handler = functools.partial(_Quiet, directory=str(tmp_path / "www"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    spec = write_spec("m", ["lib==1.1"], index_url=f"http://127.0.0.1:{server.server_port}", find_links=[])
    first, told = planned(spec, host, backend)
    again, retold = planned(spec, host, backend)
    server.shutdown()
    server.server_close()
    assert [item.version for item in first.plan.install] == ["1.1"]
    assert [warning.code for warning in told] == ["yanked"]
    assert "lib" in told[0].message
    assert "1.1" in told[0].message
    assert told == retold == list(first.plan.warnings) == list(again.plan.warnings)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        return


def test_an_extra_that_is_not_there_is_told(
    host: Host, backend: str, wheelhouse: Wheelhouse, write_spec: WriteSpec
) -> None:
    wheelhouse.add("tool", "1.0", extras=["there"])
    _, told = planned(write_spec("m", ["tool[there,gone]"]), host, backend)
    assert [(warning.code, "gone" in warning.message) for warning in told] == [("extra-unknown", True)]


def test_a_plan_without_anything_odd_warns_of_nothing(
    host: Host, backend: str, wheelhouse: Wheelhouse, index: HttpIndex, write_spec: WriteSpec
) -> None:
    wheelhouse.add("tool", "1.0")
    found, told = planned(write_spec("m", ["tool"]), host, backend)
    assert (told, found.plan.warnings) == ([], ())
