"""`plan --all`, `build --all` and `build` with several models: their pages, their documents, and Ctrl-C."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, Invoke, Process, Start, document
from tests.fleet.shelf import Shelf, fill, make_shelf
from tests.hosts import Host, make_host
from tests.wheelhouse import HttpIndex, Wheelhouse

LAUNCH = [
    "model", "type", "variant", "engine", "origin", "status", "request", "key", "installs", "inherits",
    "download_bytes", "compiles", "reason", "error", "warnings", "made", "cached", "stored",
]  # fmt: skip
TOTALS = [
    "specs", "launches", "requests", "environments", "download_bytes", "compiles", "cached", "oldest", "statuses",
    "stored", "elsewhere", "unfinished",
]  # fmt: skip
BUILT = [
    "model", "engine", "state", "path", "key", "environment", "interpreter", "built", "seconds", "error", "warnings",
]  # fmt: skip


@pytest.fixture
def shelf(tmp_path: Path, wheelhouse: Wheelhouse, host: Host, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    return make_shelf(tmp_path / "shelf", wheelhouse, host, monkeypatch)


@pytest.fixture
def whole(shelf: Shelf, home: Path, host: Host) -> Shelf:
    return fill(shelf, home, host)


def test_the_document_of_a_planned_fleet(invoke: Invoke, whole: Shelf, host: Host, home: Path) -> None:
    done = invoke("plan", "--all", "--specs", whole.folder, "--json")
    assert done.exit_code == 0
    data = document(done.stdout)["data"]
    assert list(data) == ["host", "python_version", "totals", "launches", "plans", "faults"]
    assert data["host"] == host.python
    assert all(list(launch) == LAUNCH for launch in data["launches"])
    assert list(data["totals"]) == TOTALS
    assert data["totals"]["statuses"] == {"planned": 6, "faulty": 2, "no-solution": 2, "broken": 1}
    assert data["totals"]["elsewhere"] == {"mlx": 1}
    assert len(data["plans"]) == data["totals"]["environments"] == 4
    by_key = {plan["key"]: plan for plan in data["plans"]}
    by_model = {launch["model"]: launch for launch in data["launches"]}
    assert [list(plan) for plan in data["plans"]] == [["key", "install", "inherit", "broken", "download_bytes"]] * 4
    assert by_key[by_model["plain"]["key"]]["inherit"] == [{"name": "base", "version": "1.0"}]
    assert by_model["plain"]["stored"] == {"state": "new", "environment": "", "changes": [], "note": ""}
    impossible = by_model["impossible"]
    assert (impossible["error"]["code"], impossible["stored"]) == ("no-solution", None)
    assert impossible["error"]["details"]
    assert data["faults"][0].startswith(str(whole.folder / "broken.json"))
    assert not (home / "virtualenv").exists()


def test_the_page_of_a_planned_fleet(process: Process, whole: Shelf) -> None:
    done = process("plan", "--all", "--specs", whole.folder)
    assert done.returncode == 0, done.stderr
    page = done.stdout
    planned, _, rest = page.partition("\n\n")
    assert planned.splitlines()[0] == "planned: 3 environments"
    (line,) = [line for line in planned.splitlines() if "engines +2" in line]
    assert line.split()[:6] == ["engines", "+2", "embedding", "transformers", "+1", "1"]
    assert "planned with something broken: 1 environment" in rest
    assert "server==1.0 requires base<2, found 3.0" in rest
    assert "no solution: 2 launches" in rest
    assert "impossible +1" in rest
    assert "Because only tool==2.0 is available and you require tool>=9" in rest
    assert "faulty spec, or not to be launched so: 2 launches" in rest
    assert "broken.json" in rest
    sums = rest[rest.index("in all\n") :]
    assert "launches           10; not for this platform: 1 of mlx" in sums
    assert "distinct requests  5\n" in sums
    assert "6 planned, 2 faulty, 2 no-solution, 1 broken" in sums
    assert "planning 5 of 5" in done.stderr
    full = process("plan", "--all", "--specs", whole.folder, "--explain", "-q")
    assert "engines, plain, custom" in full.stdout
    assert "5 answered by earlier runs, the oldest" in full.stdout
    assert full.stderr == ""


def test_what_a_new_host_would_change(
    invoke: Invoke, shelf: Shelf, tmp_path: Path, wheelhouse: Wheelhouse, host: Host
) -> None:
    shelf.put("some.json", ("plain", ["tool"]), ("twin", ["tool"]))
    asked = ("--specs", shelf.folder)
    assert invoke("build", "plain", "twin", *asked).exit_code == 0
    same = invoke("plan", "--all", *asked, "-q")
    assert "in the store       2 built" in same.stdout
    wheelhouse.add("base", "1.5")
    other = make_host(tmp_path / "other", wheelhouse)
    other.install("base==1.5")
    preview = invoke("plan", "--all", *asked, "--host-python", other.python, "-q")
    assert preview.exit_code == 0
    assert "in the store, and would be built anew: 2" in preview.stdout
    assert "plain +1" in preview.stdout
    assert "base 1.0 -> 1.5" in preview.stdout
    assert "in the store       2 rebuild" in preview.stdout
    host.install("base==1.5")
    upgraded = document(invoke("plan", "--all", *asked, "--json").stdout)["data"]
    assert [launch["stored"]["state"] for launch in upgraded["launches"]] == ["rebuild", "rebuild"]
    assert upgraded["launches"][0]["stored"]["changes"] == [
        {"name": "base", "before": "1.0", "after": "1.5", "how_before": "inherited", "how_after": "inherited"}
    ]


def test_build_all_ends_with_the_gravest_failure(invoke: Invoke, whole: Shelf, index: HttpIndex, home: Path) -> None:
    done = invoke("build", "--all", "--specs", whole.folder, "--json")
    found = document(done.stdout)
    assert done.exit_code == 3
    assert found["error"]["code"] == "no-solution"
    assert found["error"]["message"].startswith("4 of 11 models have no environment; the gravest: ")
    data = found["data"]
    assert list(data) == ["environments", "passed_over", "faults", "totals"]
    assert data["faults"][0].startswith(str(whole.folder / "broken.json"))
    assert all(list(one) == BUILT for one in data["environments"])
    assert data["totals"]["environments"] == 4
    assert all(os.access(one["interpreter"], os.X_OK) for one in data["environments"] if one["state"] != "failed")
    index.stop()
    whole.put("away.json", ("away", ["elsewhere"]), index_url=index.url)
    page = invoke("build", "--all", "--specs", whole.folder)
    assert page.exit_code == 4
    assert "was there already" in page.stdout
    assert "source-unreachable" in page.stdout
    assert "-r /etc/passwd" in page.stdout
    assert "error[source-unreachable]: 5 of 12 models" in page.stderr
    some = invoke("build", "--all", "--specs", whole.folder, "--type", "embedding", "--json")
    assert (some.exit_code, document(some.stdout)["data"]["totals"]["states"]) == (2, {"ready": 2})
    assert document(some.stdout)["error"]["code"] == "spec-unread"


def test_several_models_are_built_as_each_alone(invoke: Invoke, shelf: Shelf) -> None:
    one = shelf.put("one.json", ("one", ["tool"]))
    shelf.put("two.json", ("two", ["extra"]))
    done = invoke("build", one, "two", "nobody", "--specs", shelf.folder, "--json")
    assert done.exit_code == 2
    states = {item["model"]: item["state"] for item in document(done.stdout)["data"]["environments"]}
    assert states == {"one": "built", "two": "built", "nobody": "failed"}
    alone = invoke("build", "two", "--specs", shelf.folder, "--json")
    assert document(alone.stdout)["data"]["built"] is False
    off = document(invoke("build", one, "two", "--specs", shelf.folder, "--disable", "--json").stdout)["data"]
    assert {item["state"] for item in off["environments"]} == {"host"}


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["plan"], "usage"),
        (["plan", "x.json", "--all"], "usage"),
        (["plan", "x.json", "--jobs", "2"], "usage"),
        (["plan", "x.json", "--refresh"], "usage"),
        (["plan", "x.json", "--sources", "--explain"], "usage"),
        (["plan", "--all", "--sources"], "usage"),
        (["plan", "--all", "--jobs", "0"], "usage"),
        (["plan", "--all", "--variant", "2"], "options-unused"),
        (["plan", "--all", "--engine", "vlllm"], "engine-unknown"),
        (["plan", "--all", "--type", "picture"], "fleet-empty"),
        (["plan", "--all", "--host-python", "/no/such/python"], "interpreter-missing"),
        (["plan", "--all", "--specs", "/no/such/folder"], "specs-not-found"),
        (["plan", "--all", "-p", "-r x"], None),
        (["build"], "usage"),
        (["build", "x.json", "--all"], "usage"),
        (["build", "x.json", "--jobs", "2"], "usage"),
        (["build", "--all", "--variant", "2"], "options-unused"),
    ],
)
def test_what_cannot_be_asked(invoke: Invoke, shelf: Shelf, home: Path, args: list[str], code: str | None) -> None:
    shelf.put("plain.json", ("plain", ["tool"]))
    more = ["--specs", shelf.folder] if "--all" in args and "--specs" not in args else []
    done = invoke(*args, *more, "--json")
    found = document(done.stdout)
    assert done.exit_code == 2, done.stdout
    assert found["data"] == {}
    assert found["error"]["code"] == code or code is None
    assert not home.exists()


def test_the_sources_of_all_are_refused_in_their_own_words(invoke: Invoke) -> None:
    assert "--sources is for one model" in invoke("plan", "--all", "--sources").stderr


@pytest.mark.parametrize("command", ["plan", "build"])
def test_a_file_that_cannot_be_read_hides_no_typing_error(invoke: Invoke, shelf: Shelf, command: str) -> None:
    shelf.put("plain.json", ("plain", ["tool"]))
    (shelf.folder / "cut.json").write_text('{"model_name": "b", "virtualenv"', encoding="utf-8")
    done = invoke(command, "--all", "--specs", shelf.folder, "--type", "embeding", "--json")
    error = document(done.stdout)["error"]
    assert (done.exit_code, error["code"]) == (2, "fleet-empty")
    assert "cut.json" in error["details"][0]


def test_a_file_that_cannot_be_read_is_told_by_a_build_of_all(invoke: Invoke, shelf: Shelf) -> None:
    shelf.put("plain.json", ("plain", ["tool"]))
    (shelf.folder / "cut.json").write_text('{"model_name": "b", "virtualenv"', encoding="utf-8")
    done = invoke("build", "--all", "--specs", shelf.folder)
    assert done.exit_code == 2
    assert "files that could not be read" in done.stdout
    assert "error[spec-unread]: 1 file could not be read" in done.stderr


def test_a_switched_off_fleet_is_planned_with_a_warning(invoke: Invoke, shelf: Shelf) -> None:
    shelf.put("plain.json", ("plain", ["tool"]))
    done = invoke("plan", "--all", "--specs", shelf.folder, "--disable", "-q")
    assert done.exit_code == 0
    assert done.stderr.startswith("warning: environments are switched off")


def of_ours(marker: str) -> list[str]:
    """The command lines of processes whose environment names `marker`."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if marker in (place / "environ").read_bytes().decode("utf-8", "replace"):
                found.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at /proc")
@pytest.mark.parametrize("command", ["plan", "build"])
def test_ctrl_c_ends_it_at_once_and_the_next_run_goes_on(
    start: Start, process: Process, shelf: Shelf, index: HttpIndex, home: Path, command: str
) -> None:
    shelf.put("plain.json", ("plain", ["tool"]))
    shelf.wheelhouse.add("slow", "1.0")
    shelf.put("slow.json", ("slow", ["slow"]), index_url=index.url)
    index.hang_on = "/slow/"
    args = (command, "--all", "--specs", shelf.folder, "--jobs", "1", "--json")
    marker = f"XINFERENCE_HOME={home}"
    child = start(*args)
    deadline = time.monotonic() + 40
    while not any("/slow/" in path for path in index.requests):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert any("dry-run" in line for line in of_ours(marker))
    child.send_signal(signal.SIGINT)
    sent = time.monotonic()
    out, err = child.communicate(timeout=20)
    assert time.monotonic() - sent < 4
    assert child.returncode == 130, err
    assert of_ours(marker) == []
    found = document(out)
    assert (found["error"]["code"], found["data"]["totals"]["unfinished"]) == ("cancelled", 1)
    finished = found["data"]["launches" if command == "plan" else "environments"]
    assert [item["model"] for item in finished] == ["plain"]
    index.hang_on = ""
    again = document(process(*args).stdout)["data"]
    if command == "plan":
        assert {item["model"]: item["cached"] for item in again["launches"]} == {"plain": True, "slow": False}
    else:
        assert {item["model"]: item["state"] for item in again["environments"]} == {"plain": "ready", "slow": "built"}


@pytest.mark.parametrize("columns", [80, 100, 160])
def test_a_terminal_has_room_for_it(whole: Shelf, columns: int) -> None:
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-m", "venvkit", "plan", "--all", "--specs", str(whole.folder), "--explain"]
    environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "40", "NO_COLOR": "1"}
    with subprocess.Popen(argv, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, env=environ) as child:
        os.close(theirs)
        received = b""
        try:
            while chunk := os.read(ours, 65536):
                received += chunk
        except OSError:  # the other end is closed
            pass
    os.close(ours)
    drawn = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", received.decode())
    assert child.returncode == 0
    assert "━" in drawn
    assert "5/5" in drawn
    page = drawn[drawn.rindex("planned: 3 environments") :].replace("\r", "").splitlines()
    tables = page[: page.index("files that could not be read")]
    assert max(map(len, tables)) <= columns
    assert any("download" in line for line in tables)
