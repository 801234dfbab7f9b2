"""The commands that read and change the store, and the command line as a whole."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import ROOT, Invoke, Process, Start, document
from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse
from venvkit.cli.app import COMMANDS


@contextlib.contextmanager
def running(interpreter: str) -> Iterator[int]:
    """Run a process of an environment for the block; yields its pid."""
    argv = [interpreter, "-c", "print('up', flush=True); import time; time.sleep(60)"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        yield child.pid
        child.kill()


@pytest.fixture
def busy(spec: Path, invoke: Invoke) -> Iterator[dict[str, Any]]:
    """A built environment that a process runs from."""
    built: dict[str, Any] = document(invoke("build", spec, "--json").stdout)["data"]
    with running(built["interpreter"]) as pid:
        yield {**built, "pid": pid}


def test_what_is_in_use_is_told_and_stays(
    busy: dict[str, Any], invoke: Invoke, write_spec: WriteSpec, wheelhouse: Wheelhouse
) -> None:
    shown = document(invoke("show", "hello", "--json").stdout)["data"]
    assert (shown["in_use"], shown["used_by"]) == (True, [busy["pid"]])
    assert re.search(rf"^in use +by pid {busy['pid']}$", invoke("show", "hello").stdout, re.MULTILINE)
    assert "in use" in invoke("list").stdout
    done = invoke("remove", "hello", "--json")
    found = document(done.stdout)
    assert (done.exit_code, found["data"], found["error"]["code"]) == (6, {"removed": [], "freed_bytes": 0}, "in-use")
    assert str(busy["pid"]) in found["error"]["message"]
    wheelhouse.add("other", "1.0")
    assert invoke("build", write_spec("second", ["other"])).exit_code == 0
    everything = invoke("remove", "--all", "--json")
    found = document(everything.stdout)
    assert everything.exit_code == 6
    assert [item["model"] for item in found["data"]["removed"]] == ["second"]
    assert [item["model"] for item in document(invoke("list", "--json").stdout)["data"]["environments"]] == ["hello"]


def test_all_that_is_in_use_is_named(
    busy: dict[str, Any], invoke: Invoke, write_spec: WriteSpec, wheelhouse: Wheelhouse
) -> None:
    wheelhouse.add("other", "1.0")
    second = document(invoke("build", write_spec("second", ["other"]), "--json").stdout)["data"]
    with running(second["interpreter"]) as pid:
        done = invoke("remove", "--all", "--json")
    found = document(done.stdout)
    assert (done.exit_code, found["data"], found["error"]["code"]) == (6, {"removed": [], "freed_bytes": 0}, "in-use")
    first, other = found["error"]["details"]
    assert (busy["path"] in first, str(busy["pid"]) in first) == (True, True)
    assert (second["path"] in other, str(pid) in other) == (True, True)


def test_a_model_whose_environment_another_one_keeps_busy(
    busy: dict[str, Any], invoke: Invoke, write_spec: WriteSpec
) -> None:
    assert invoke("build", write_spec("twin", ["tool"])).exit_code == 0
    found = document(invoke("remove", "--all", "--json").stdout)
    assert [(item["model"], item["environment_removed"]) for item in found["data"]["removed"]] == [("hello", False)]
    assert "twin is in use" in found["error"]["message"]


def test_a_shared_environment_outlives_one_of_its_models(invoke: Invoke, spec: Path, write_spec: WriteSpec) -> None:
    twin = write_spec("twin", ["tool"])
    first = document(invoke("build", spec, "--json").stdout)["data"]
    second = document(invoke("build", twin, "--json").stdout)["data"]
    assert (second["environment"], second["built"]) == (first["environment"], False)
    removed = invoke("remove", spec)
    assert "its environment is still used" in removed.stdout
    assert Path(first["environment"]).is_dir()
    assert re.search(r"removed twin .*, [\d.]+ k?B freed", invoke("remove", "twin").stdout)
    assert not Path(first["environment"]).exists()


def test_engines_are_told_apart(invoke: Invoke, spec: Path, write_spec: WriteSpec) -> None:
    model = write_spec("multi", ["tool", "base ; #engine# == 'one' or #engine# == 'two'"])
    for engine in ("one", "two"):
        assert invoke("build", model, "--engine", engine).exit_code == 0
    listed = document(invoke("list", "multi", "--json").stdout)["data"]["environments"]
    assert [item["engine"] for item in listed] == ["one", "two"]
    assert [
        item["engine"] for item in document(invoke("list", "--engine", "TWO", "--json").stdout)["data"]["environments"]
    ] == ["two"]
    for model_name in ("multi", model):
        unclear = document(invoke("show", model_name, "--json").stdout)["error"]
        assert unclear["code"] == "model-ambiguous"
        assert "one on Python" in unclear["message"]
        assert document(invoke("show", model_name, "--engine", "one", "--json").stdout)["data"]["engine"] == "one"
    assert document(invoke("show", "multi", "--engine", "one", "--python", "2.7", "--json").stdout)["error"][
        "code"
    ] == ("model-not-built")
    assert invoke("remove", "multi", "--engine", "one").exit_code == 0
    verdicts = document(invoke("check", "--all", "--json").stdout)["data"]["environments"]
    assert [(item["model"], item["engine"], item["ok"]) for item in verdicts] == [("multi", "two", True)]


def test_show_finds_what_answers_exactly_these_options(invoke: Invoke, spec: Path) -> None:
    invoke("build", spec, "--isolated")
    shown = document(invoke("show", spec, "--isolated", "--json").stdout)["data"]
    assert (shown["host"], [item["name"] for item in shown["plan"]["install"]]) == ("", ["base", "tool"])
    assert re.search(r"^host +not visible$", invoke("show", spec, "--isolated").stdout, re.MULTILINE)
    invoke("build", spec)
    # The shell leads to another environment now: what it answered before is no more what a launch gets.
    assert document(invoke("show", spec, "--isolated", "--json").stdout)["error"]["code"] == "model-not-built"
    shutil.rmtree(document(invoke("show", spec, "--json").stdout)["data"]["path"])
    assert document(invoke("show", spec, "--json").stdout)["error"]["code"] == "model-not-built"


def test_check_looks_at_the_host_as_it_is_now(invoke: Invoke, spec: Path, host: Host, write_spec: WriteSpec) -> None:
    invoke("build", spec)
    invoke("build", write_spec("alone", ["base"]), "--isolated")
    host.uninstall("base")
    done = invoke("check", "--all", "--json")
    assert done.exit_code == 3
    alone, hello = document(done.stdout)["data"]["environments"]
    assert (alone["model"], alone["ok"]) == ("alone", True)
    assert {item["kind"] for item in hello["findings"]} == {"host-changed", "violation"}
    host.prefix.rename(host.prefix.with_name("gone"))
    gone = document(invoke("check", "hello", "--json").stdout)["data"]["environments"][0]
    assert [item["kind"] for item in gone["findings"]] == ["host-changed"]
    assert host.python in gone["findings"][0]["message"]


def test_all_leaves_alone_what_is_not_ours(invoke: Invoke, home: Path) -> None:
    foreign = home / "virtualenv" / "v4" / "theirs" / "default" / "3.11.7"
    foreign.mkdir(parents=True)
    assert document(invoke("check", "--all", "--json").stdout)["data"] == {"environments": []}
    assert document(invoke("remove", "--all", "--json").stdout)["data"] == {"removed": [], "freed_bytes": 0}
    assert foreign.is_dir()
    named = invoke("check", "theirs", "--json")
    assert (named.exit_code, document(named.stdout)["data"]["environments"][0]["findings"][0]["kind"]) == (3, "spoilt")
    assert document(invoke("show", "theirs", "--json").stdout)["data"]["state"] == "foreign"


def test_help_names_every_command_and_imports_none(home: Path) -> None:
    code = (
        "import sys\n"
        "from venvkit.cli.app import cli\n"
        "try:\n    cli.main(['--help'])\n"
        "finally:\n"
        "    print([n for n in sys.modules if n.startswith(('venvkit.cli.', 'rich', 'msgspec', 'packaging'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    *text, modules = done.stdout.splitlines()
    assert modules == "['venvkit.cli.session', 'venvkit.cli.signals', 'venvkit.cli.app']"
    shown = "\n".join(text)
    assert all(re.search(rf"^  {name} ", shown, re.MULTILINE) for name in COMMANDS)


def test_nothing_that_draws_is_imported_for_a_pipe(home: Path) -> None:
    code = (
        "import sys\n"
        "from venvkit.cli.app import cli\n"
        "try:\n    cli.main(['list'])\n"
        "finally:\n    print([n for n in sys.modules if n.split('.')[0] in ('rich', 'httpx', 'uv', 'virtualenv')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_has_help(invoke: Invoke, command: str) -> None:
    done = invoke(command, "--help")
    assert done.exit_code == 0
    assert done.stdout.startswith(f"Usage: venvkit {command} ")
    assert ("--json" in done.stdout) is (command not in ("run", "xinference"))


def test_version_and_bare_call(process: Process, home: Path) -> None:
    done = process("--version")
    assert re.fullmatch(r"venvkit \d+\.\d+\.\d+\n", done.stdout)
    bare = process()
    assert (bare.returncode, bare.stderr) == (0, "")
    assert "Commands:" in bare.stdout


def test_an_unknown_command_is_answered_with_the_nearest(invoke: Invoke) -> None:
    done = invoke("biuld", "x.json")
    assert done.exit_code == 2
    assert "did you mean 'build'?" in done.stderr


def test_a_second_interrupt_does_not_wait(start: Start, spec: Path, home: Path, tmp_path: Path) -> None:
    """The first asks; where nothing listens, the second ends the command at once."""
    code = (
        "import sys, time, venvkit.api\n"
        "def deaf(*args, **options):\n"
        "    print('up', flush=True, file=sys.stderr)\n"
        "    time.sleep(30)\n"
        "venvkit.api.ensure_env = deaf\n"
        "from venvkit.cli.app import cli\n"
        "cli.main(['build', 'x.json', '--json'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr is not None
        assert child.stderr.readline() == "up\n"
        child.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert child.poll() is None
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=5)
    assert child.returncode == 130, err
    assert document(out)["error"]["code"] == "cancelled"
    assert "Traceback" not in err
