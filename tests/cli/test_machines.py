"""Machines that fail: closed standard streams, requests to end, and a system that refuses, for any command."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit.store.layout import Layout
from venvkit.store.lock.flock import hold

COMMANDS = ["list", "gc", "config", "remove nope", "--help"]
STATUSES = {"remove nope": 2}


def shell(command: str) -> subprocess.CompletedProcess[str]:
    """Run the command line by a shell, which closes streams."""
    line = f'exec "{sys.executable}" -m venvkit {command}'
    return subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("command", COMMANDS)
def test_closed_input_and_error_change_nothing(home: Path, command: str) -> None:
    for closed in ("<&-", "2>&-", "<&- 2>&-"):
        done = shell(f"{command} {closed}")
        assert done.returncode == STATUSES.get(command, 0), done
        if command != "--help":
            document = shell(f"{command} --json {closed}")
            assert document.returncode == STATUSES.get(command, 0)
            assert json.loads(document.stdout)["command"] == command.split()[0]
            assert document.stdout.count("\n") == 1


@pytest.mark.parametrize("form", ["", " --json"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_result_that_cannot_be_written_is_told(home: Path, command: str, form: str) -> None:
    done = shell(f"{command}{form if command != '--help' else ''} >&-")
    assert done.returncode == STATUSES.get(command, 7), done
    assert done.stderr.startswith("error["), done.stderr
    assert "Traceback" not in done.stderr
    assert "ignored" not in done.stderr
    assert shell(f"{command} >&- 2>&- <&-").returncode == STATUSES.get(command, 7)


def test_no_file_takes_the_place_of_a_closed_stream(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse.add("tool", "1.0")
    monkeypatch.setenv("VENVKIT_HOST_PYTHON", host.python)
    spec = write_spec("m", ["tool"])
    assert shell(f"build {spec} <&- >&- 2>&-").returncode == 7, "built; its result cannot be written"
    text = [path for path in Layout(home).locks.iterdir() if path.read_bytes() not in (b"", b"\n")]
    assert text == []
    done = shell(f"build {spec} --json <&- 2>&-")
    assert done.returncode == 0
    assert json.loads(done.stdout)["data"]["built"] is False


@pytest.mark.parametrize("name", ["SIGHUP", "SIGQUIT", "SIGTERM", "SIGINT"])
@pytest.mark.parametrize("command", ["gc", "build"])
def test_a_request_to_end_is_answered(
    home: Path, host: Host, index: HttpIndex, wheelhouse: Wheelhouse, write_spec: WriteSpec, name: str, command: str
) -> None:
    """`gc` waits for a lock, `build` for an index, which does not answer."""
    wheelhouse.add("tool", "1.0")
    index.hang_on = "/simple/tool/"
    spec = write_spec("m", ["tool"], index_url=index.url, find_links=[])
    arguments = {"gc": ["gc"], "build": ["build", str(spec), "--host-python", host.python]}[command]
    layout = Layout(home)
    layout.locks.mkdir(parents=True)
    with hold(layout.gc_lock, what="it"):
        child = subprocess.Popen(
            [sys.executable, "-m", "venvkit", *arguments, "--json"], stdout=-1, stderr=-1, text=True
        )
        until = time.monotonic() + 30
        while command == "build" and not any("/tool/" in path for path in index.requests):
            assert time.monotonic() < until
            time.sleep(0.05)
        time.sleep(1.0 if command == "gc" else 0.1)
        child.send_signal(getattr(signal, name))
        out, err = child.communicate(timeout=30)
    index.hang_on = ""
    assert (child.returncode, out.count("\n")) == (130, 1), err
    assert json.loads(out)["error"]["code"] == "cancelled"
    assert "Traceback" not in err
    assert not list(layout.root.glob("envs/*"))


@pytest.mark.parametrize("command", ["list", "gc", "check --all", "remove --all"])
def test_a_system_that_refuses_is_no_fault_of_ours(home: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every access below the store fails as a bad disk has it fail."""
    monkeypatch.setenv("XINFERENCE_HOME", str(home))
    (home / "virtualenv" / "v4" / "m" / "default" / "3.11.7").mkdir(parents=True)
    code = f"""
import errno, os, sys
def broken(real):
    def call(path, *args, **options):
        if isinstance(path, (str, os.PathLike)) and "/virtualenv" in os.fspath(path):
            raise OSError(errno.EIO, "Input/output error", os.fspath(path))
        return real(path, *args, **options)
    return call
from venvkit.cli.app import cli
import venvkit.cli.options.select, venvkit.store.collect.gc
for name in ("stat", "lstat", "open", "scandir", "listdir", "mkdir"):
    setattr(os, name, broken(getattr(os, name)))
cli.main({[*command.split(), "--json"]!r}, "venvkit")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    document = json.loads(done.stdout)
    assert done.returncode in (0, 7), done.stdout
    assert document["ok"] or document["error"]["code"] == "disk"


def test_statuses_are_known_though_our_parent_ignored_them(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse.add("tool", "1.0")
    spec = write_spec("m", ["tool"])
    monkeypatch.setenv("VENVKIT_HOST_PYTHON", host.python)
    ignoring = (
        "import signal, os, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    argv = [sys.executable, "-m", "venvkit", "run", str(spec), "--", "python", "-c", "import tool; raise SystemExit(9)"]
    assert subprocess.call([sys.executable, "-c", ignoring, *argv]) == 9
