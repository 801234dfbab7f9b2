"""The contract of `--json`: one envelope on standard output for every command, also when it fails."""

from __future__ import annotations

import platform
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke, Process, Start, document
from tests.hosts import Host
from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit.cli.outcome import Outcome
from venvkit.cli.outcome import document as rendered
from venvkit.settings import VARIABLES

PLACE = [
    "model",
    "engine",
    "python_version",
    "path",
    "key",
    "state",
    "size_bytes",
    "in_use",
    "last_used",
    "rolled_back",
]
PLAN = [
    "python", "host", "install", "inherit", "shadow", "held", "repaired", "broken", "relaxed", "absent", "hidden",
    "warnings", "key", "unreadable", "download_bytes",
]  # fmt: skip
VERSION = platform.python_version()


def test_plan(invoke: Invoke, spec: Path, host: Host, wheelhouse: Wheelhouse, home: Path) -> None:
    done = invoke("plan", spec, "--json")
    assert done.exit_code == 0
    data = document(done.stdout)["data"]
    wheel = wheelhouse.path / "tool-2.0-py3-none-any.whl"
    assert list(data) == PLAN
    assert len(data.pop("key")) == 64
    assert data == {
        "python": VERSION,
        "host": host.python,
        "install": [
            {
                "name": "tool",
                "version": "2.0",
                "url": wheel.as_uri(),
                "reason": ["virtualenv.packages[0]: tool"],
                "size_bytes": wheel.stat().st_size,
                "builds": False,
            }
        ],
        "inherit": [
            {
                "name": "base",
                "version": "1.0",
                "reason": ["virtualenv.packages[0]: tool", "tool==2.0 requires base>=1"],
            }
        ],
        "shadow": [],
        "held": [],
        "repaired": [],
        "broken": [],
        "relaxed": [],
        "absent": [],
        "hidden": [],
        "warnings": [],
        "unreadable": [],
        "download_bytes": wheel.stat().st_size,
    }
    assert not home.exists()


def test_a_plan_that_breaks_something_is_no_failure(
    invoke: Invoke, spec: Path, host: Host, wheelhouse: Wheelhouse
) -> None:
    wheelhouse.add("base", "3.0")
    wheelhouse.add("server", "1.0", requires=["base<2"])
    host.install("server")
    (host.site_packages / "~alf-1.0.dist-info").mkdir()
    done = invoke("plan", spec, "-p", "base>=3", "--orphans", "report", "--json")
    assert done.exit_code == 0
    data = document(done.stdout)["data"]
    assert data["broken"] == [{"distribution": "server==1.0", "requirement": "base<2", "found": "3.0"}]
    assert data["shadow"] == [{"name": "base", "host_version": "1.0", "version": "3.0"}]
    assert [list(item) for item in data["unreadable"]] == [["path", "why"]]
    assert "~alf" in data["unreadable"][0]["path"]


def test_what_the_planner_adjusted(invoke: Invoke, spec: Path, host: Host, wheelhouse: Wheelhouse) -> None:
    for version in ("1.5", "3.0"):
        wheelhouse.add("base", version)
    wheelhouse.add("server", "1.0", requires=["base<2"])
    wheelhouse.add("helper", "1.0", requires=["base<2"])
    wheelhouse.add("helper", "2.0", requires=["base>=3"])
    host.install("server")
    held = document(invoke("plan", spec, "-p", "base", "--upgrade", "--json").stdout)["data"]
    assert held["held"] == [{"distribution": "server==1.0", "requirement": "base<2"}]
    host.uninstall("server")
    host.install("helper==1.0")
    repaired = document(invoke("plan", spec, "-p", "base>=3", "--json").stdout)["data"]
    (helper,) = repaired["repaired"]
    assert list(helper) == ["name", "host_version", "version", "because"]
    assert (helper["name"], helper["host_version"], helper["version"]) == ("helper", "1.0", "2.0")
    assert helper["because"].startswith("helper==1.0 requires base<2")
    relaxed = document(invoke("plan", spec, "-p", "#system_base#", "--constraint", "base>=3", "--json").stdout)
    assert relaxed["data"]["relaxed"] == [{"requirement": "base==1.0", "host_version": "1.0", "version": "3.0"}]


def test_build_list_show_check_remove(invoke: Invoke, spec: Path, host: Host, home: Path) -> None:
    store = home / "virtualenv"
    built = document(invoke("build", spec, "--json").stdout)["data"]
    assert list(built) == [
        *PLACE[:-1],
        "environment",
        "interpreter",
        "built",
        "rolled_back",
        "plan",
        "conflicts",
        "findings",
    ]
    assert built["conflicts"] == []
    place = {name: built[name] for name in PLACE}
    assert {name: place[name] for name in PLACE if name not in ("key", "size_bytes", "last_used")} == {
        "model": "hello",
        "engine": "default",
        "python_version": VERSION,
        "path": str(store / "v4" / "hello" / "default" / VERSION),
        "state": "ready",
        "in_use": False,
        "rolled_back": False,
    }
    assert place["size_bytes"] > 0
    environment = store / "envs" / f"{place['key'][:16]}-1"
    assert (built["environment"], built["interpreter"]) == (str(environment), str(environment / "bin" / "python"))
    assert built["built"] is True
    planned = document(invoke("plan", spec, "--json").stdout)["data"]
    assert list(built["plan"]) == PLAN
    assert built["plan"] == planned

    again = document(invoke("build", spec, "--json").stdout)["data"]
    assert again == {**built, "built": False}

    assert document(invoke("list", "--json").stdout)["data"] == {"environments": [place]}
    assert document(invoke("list", "hello", "--json").stdout)["data"] == {"environments": [place]}

    shown = document(invoke("show", "hello", "--json").stdout)["data"]
    assert list(shown) == [
        *PLACE, "environment", "interpreter", "host", "created", "venvkit", "uv", "problem", "used_by", "plan",
        "conflicts", "proved", "findings",
    ]  # fmt: skip
    assert {name: shown[name] for name in PLACE} == place
    assert shown["plan"] == built["plan"]
    assert (shown["host"], shown["used_by"], shown["problem"]) == (host.python, [], "")

    verdict = {
        "model": "hello",
        "engine": "default",
        "python_version": VERSION,
        "ok": True,
        "findings": [],
        "rolled_back": False,
    }
    assert document(invoke("check", "hello", "--json").stdout)["data"] == {"environments": [verdict]}

    removed = document(invoke("remove", "hello", "--json").stdout)["data"]
    assert removed["freed_bytes"] > place["size_bytes"]
    assert list(removed) == ["removed", "freed_bytes"]
    (gone,) = removed["removed"]
    assert gone == {**place, "environment_removed": True, "freed_bytes": removed["freed_bytes"]}
    assert document(invoke("list", "--json").stdout)["data"] == {"environments": []}


def test_build_with_environments_switched_off(invoke: Invoke, spec: Path, host: Host, home: Path) -> None:
    done = invoke("build", spec, "--disable", "--json")
    data = document(done.stdout)["data"]
    assert (data["state"], data["key"], data["built"], data["plan"]) == ("host", "", False, None)
    assert (data["interpreter"], data["environment"]) == (host.python, str(host.prefix))
    assert not home.exists()


def test_check_with_findings_lists_them_and_fails(invoke: Invoke, spec: Path) -> None:
    built = document(invoke("build", spec, "--json").stdout)["data"]
    next(Path(built["environment"]).rglob("tool.py")).write_text("__version__ = 'other'\n", encoding="utf-8")
    done = invoke("check", "hello", "--json")
    assert done.exit_code == 3
    found = document(done.stdout)
    assert found["error"]["code"] == "proof-failed"
    assert found["data"]["environments"] == [
        {
            "model": "hello",
            "engine": "default",
            "python_version": VERSION,
            "ok": False,
            "findings": [
                {
                    "kind": "file-changed",
                    "message": "tool==2.0: tool.py was changed",
                    "distribution": "tool==2.0",
                    "expected": "tool.py",
                    "found": "was changed",
                    "missing": [],
                    "needed_by": [],
                    "remedy": "",
                    "grave": True,
                }
            ],
            "rolled_back": False,
        }
    ]


def test_every_command_speaks_of_the_same_findings(
    invoke: Invoke, spec: Path, host: Host, wheelhouse: Wheelhouse
) -> None:
    wheelhouse.add("base", "3.0")
    wheelhouse.add("server", "1.0", requires=["base<2"])
    host.install("server")
    asked = ("hello", "-p", "base>=3", "--orphans", "report")
    planned = document(invoke("plan", spec, *asked[1:], "--explain", "--json").stdout)["data"]
    built = document(invoke("build", spec, *asked[1:], "--json").stdout)["data"]
    shown = document(invoke("show", "hello", "--json").stdout)["data"]
    (found,) = built["findings"]
    assert (found["kind"], found["distribution"], found["grave"]) == ("violation", "server==1.0", False)
    assert (found["expected"], found["found"]) == ("base<2", "3.0")
    assert planned["findings"] == shown["findings"] == [found]
    assert "findings" not in document(invoke("plan", spec, *asked[1:], "--json").stdout)["data"]


def test_config(invoke: Invoke, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XINFERENCE_CSG_TOKEN", "very-secret-token")
    monkeypatch.setenv("XINFERENCE_CSG_ENDPOINT", "https://me:pass@hub.example/")
    monkeypatch.setenv("XINFERENCE_BATCH_SIZE", "many")
    done = invoke("config", "--json")
    assert done.exit_code == 0
    listed = {item["name"]: item for item in document(done.stdout)["data"]["variables"]}
    assert list(listed) == [variable.name for variable in VARIABLES]
    assert all(
        list(item) == ["name", "value", "default", "origin", "acts", "meaning", "fault"] for item in listed.values()
    )
    shown = listed["XINFERENCE_HOME"]
    assert (shown["value"], shown["origin"], shown["acts"]) == (str(home), "environment", True)
    assert (listed["VENVKIT_MAX_BUILDS"]["value"], listed["VENVKIT_MAX_BUILDS"]["origin"]) == ("2", "default")
    assert listed["XINFERENCE_CSG_TOKEN"]["value"] == "****"
    assert listed["XINFERENCE_CSG_ENDPOINT"]["value"] == "https://****@hub.example/"
    assert "a whole number" in listed["XINFERENCE_BATCH_SIZE"]["fault"]


COMMANDS = ("build", "plan", "models", "engines", "lint", "list", "show", "check", "remove", "config")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_usage_error_has_the_envelope_too(process: Process, command: str) -> None:
    done = process(command, "--no-such-option", "--json")
    assert done.returncode == 2
    assert done.stderr == ""
    found = document(done.stdout)
    assert (found["command"], found["data"], found["error"]["code"]) == (command, {}, "usage")
    assert "--no-such-option" in found["error"]["message"]
    assert found["error"]["where"] == f"venvkit {command}"
    assert found["error"]["remedy"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_malformed_variable_stops_every_command(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, spec: Path
) -> None:
    monkeypatch.setenv("XINFERENCE_ENABLE_VIRTUAL_ENV", "maybe")
    needed = {"build": spec, "plan": spec, "lint": spec, "show": "hello", "check": "hello", "remove": "hello"}
    model = [needed[command]] if command in needed else []
    done = invoke(command, *model, "--json")
    assert done.exit_code == 2
    error = document(done.stdout)["error"]
    assert (error["code"], error["where"]) == ("setting-invalid", "XINFERENCE_ENABLE_VIRTUAL_ENV")
    assert "maybe" in error["message"]


@pytest.mark.parametrize(
    ("args", "status", "code"),
    [
        (["bulid"], 2, "usage"),
        ([], 2, "usage"),
        (["build"], 2, "usage"),
        (["build", "no-such.json"], 2, "spec-not-found"),
        (["build", "SPEC", "--engine", "vlllm"], 2, None),
        (["build", "SPEC", "--var", "novalue"], 2, "usage"),
        (["build", "SPEC", "--var", "=x"], 2, "usage"),
        (["build", "SPEC", "--orphans", "whatever"], 2, "usage"),
        (["build", "SPEC", "-p", "-r /etc/passwd"], 2, None),
        (["build", "SPEC", "--host-python", "/no/such/python"], 2, "interpreter-missing"),
        (["plan", "SPEC", "-p", "tool==9"], 3, "no-solution"),
        (["build", "SPEC", "-p", "tool==9"], 3, "no-solution"),
        (["list", "nobody"], 2, "model-not-built"),
        (["show", "nobody"], 2, "model-not-built"),
        (["show", "SPEC"], 2, "model-not-built"),
        (["show", "SPEC", "--isolated"], 2, "model-not-built"),
        (["check", "nobody"], 2, "model-not-built"),
        (["check"], 2, "model-missing"),
        (["check", "nobody", "--all"], 2, "model-missing"),
        (["remove", "nobody"], 2, "model-not-built"),
        (["remove"], 2, "model-missing"),
    ],
)
def test_failures(invoke: Invoke, spec: Path, home: Path, args: list[str], status: int, code: str | None) -> None:
    done = invoke(*[spec if arg == "SPEC" else arg for arg in args], "--json")
    found = document(done.stdout)
    assert done.exit_code == status, done.stdout
    assert (found["command"], found["data"]) == (args[0] if args else "", {})
    assert found["error"]["code"] == code or code is None
    assert found["error"]["message"]
    assert found["error"]["remedy"]
    assert not home.exists()


def test_an_unexpected_fault_is_told_without_its_traceback(
    invoke: Invoke, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fall(*args: object, **options: object) -> None:
        raise LookupError("https://me:pass@index.example/ is not there")

    monkeypatch.setattr("venvkit.cli.commands.build.ensure_env", fall)
    done = invoke("build", spec, "--json")
    assert done.exit_code == 1
    error = document(done.stdout)["error"]
    assert error["code"] == "unexpected"
    assert error["message"] == "LookupError: https://****@index.example/ is not there"
    assert Path(__file__).name in error["where"]
    assert "--traceback" in error["remedy"]
    assert "Traceback" not in done.stderr
    told = invoke("--traceback", "build", spec, "--json")
    assert document(told.stdout)["error"] == error
    assert "Traceback" in told.stderr
    assert "def fall" not in told.stdout
    assert "me:pass" not in told.stderr


def test_a_refusing_index(invoke: Invoke, spec: Path, index: HttpIndex) -> None:
    index.fail_with = 403
    index.user = "me:secret-word"
    done = invoke("build", spec, "--index-url", index.url, "-p", "other", "--json")
    assert done.exit_code == 4
    assert document(done.stdout)["error"]["code"].startswith("source-")
    assert "secret-word" not in done.output


def test_a_secret_value_in_a_message_is_masked(invoke: Invoke, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XINFERENCE_CSG_TOKEN", "very-secret-token")
    done = invoke("show", "very-secret-token", "--json")
    assert document(done.stdout)["error"]["message"] == "no environment of '****' is in the store"
    plain = invoke("show", "very-secret-token")
    assert "****" in plain.stderr
    assert "very-secret-token" not in plain.output


def test_a_mask_stays_within_its_string() -> None:
    class Two:
        def data(self) -> object:
            return {"first": "https://index.example", "second": "me@example"}

        def blocks(self) -> Iterator[object]:
            yield from ()

    text = rendered("plan", Outcome(Two()))  # type: ignore[arg-type]
    assert document(text + "\n")["data"] == {"first": "https://index.example", "second": "me@example"}


@pytest.fixture
def silent_index() -> Iterator[str]:
    """An index that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/simple"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_has_the_envelope_and_leaves_nothing(
    start: Start, spec: Path, home: Path, silent_index: str, number: signal.Signals
) -> None:
    child = start("build", spec, "-p", "other", "--index-url", silent_index, "--json")
    _wait_for(child, "resolving")
    child.send_signal(number)
    sent = time.monotonic()
    out, err = child.communicate(timeout=20)
    assert time.monotonic() - sent < 4
    assert child.returncode == 130, err
    assert document(out)["error"]["code"] == "cancelled"
    assert not home.exists()


def _wait_for(child: subprocess.Popen[str], word: str) -> None:
    assert child.stderr is not None
    for line in child.stderr:
        if word in line:
            time.sleep(0.3)
            return
    raise AssertionError(f"{word!r} was never said")
