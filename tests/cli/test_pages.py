"""Pages: plain and aligned in a pipe, drawn on a terminal, and masked and harmless on both."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, Invoke, Process, Start, document
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse
from venvkit.cli.page.blocks import Block, Cell, Column, Fields, Line, table
from venvkit.cli.page.plain import plain_text
from venvkit.cli.page.terminal import draw
from venvkit.cli.page.text import clean, counted, size
from venvkit.cli.progress.show import reporting
from venvkit.events import Event, InstallProgress, PhaseStarted, Step, Waiting, Warned


def test_build_ends_with_the_interpreter(process: Process, spec: Path, home: Path) -> None:
    done = process("build", spec)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].endswith(": built")
    assert re.fullmatch(r"installed: 1 distribution, \d+ B", lines[2])
    assert lines[3].split() == ["name", "version", "size", "reason"]
    assert lines[4].split()[:2] == ["tool", "2.0"]
    assert lines[4].endswith("virtualenv.packages[0]: tool")
    assert lines[6:8] == ["inherited: 1 distribution of the host", "  name  version  reason"]
    assert lines[8] == "  base  1.0      tool==2.0 requires base>=1"
    interpreter = lines[-1].removeprefix("interpreter: ")
    assert interpreter.startswith(str(home / "virtualenv" / "envs"))
    assert os.access(interpreter, os.X_OK)
    assert "resolving" in done.stderr
    assert "installing" in done.stderr
    again = process("build", spec, "--quiet")
    first, *between, last = again.stdout.splitlines()
    assert first.endswith(": was there already")
    assert (between, last) == ([""], lines[-1])
    assert again.stderr == ""


def test_a_plan_tells_what_it_replaces_and_breaks(
    invoke: Invoke, spec: Path, host: Host, wheelhouse: Wheelhouse
) -> None:
    consistent = invoke("plan", spec, "-q")
    assert consistent.stdout.splitlines()[-1].startswith("consistent: ")
    wheelhouse.add("base", "3.0")
    wheelhouse.add("server", "1.0", requires=["base<2"])
    host.install("server")
    (host.site_packages / "~alf-1.0.dist-info").mkdir()
    done = invoke("plan", spec, "-p", "base>=3", "--orphans", "report", "-q")
    assert done.exit_code == 0
    assert "replaces 1.0" in done.stdout
    assert re.search(r"^1 finding\n  kind +what +needed by\n", done.stdout, re.MULTILINE)
    assert re.search(r"^  violation  server==1.0 requires base<2, found 3.0 +server==1.0$", done.stdout, re.MULTILINE)
    assert "unreadable on the host: 1" in done.stdout
    assert "consistent" not in done.stdout
    assert done.stderr.startswith("warning: ")
    wheelhouse.add("base", "1.5")
    held = invoke("plan", spec, "-p", "base", "--upgrade", "-q")
    assert "held: bounds of the host that were kept\n  distribution  requires\n  server==1.0   base<2\n" in held.stdout


def test_a_plan_tells_what_it_repairs_and_relaxes(
    invoke: Invoke, spec: Path, host: Host, wheelhouse: Wheelhouse
) -> None:
    wheelhouse.add("base", "3.0")
    wheelhouse.add("helper", "1.0", requires=["base<2"])
    wheelhouse.add("helper", "2.0", requires=["base>=3"])
    host.install("helper==1.0")
    done = invoke("plan", spec, "-p", "#system_base#", "--constraint", "base>=3")
    assert re.search(r"repaired: .*\n .*because\n  helper +1.0 +2.0 +\d+ B +helper==1.0 requires base<2", done.stdout)
    assert re.search(r"relaxed: .*\n  asked .*\n  base==1.0 +1.0 +3.0\n", done.stdout)


def test_nothing_to_install(invoke: Invoke, spec: Path, host: Host) -> None:
    host.install("tool")
    assert "\nto install: nothing\n" in invoke("plan", spec).stdout


def test_a_plan_warns_that_environments_are_off(invoke: Invoke, spec: Path) -> None:
    assert "switched off" in invoke("plan", spec, "--disable", "-q").stderr
    assert "switched off" not in invoke("plan", spec, "-q").stderr


def test_list_show_and_check_as_text(invoke: Invoke, spec: Path, host: Host, home: Path) -> None:
    assert invoke("list").stdout == f"no model has an environment in {home}/virtualenv\n"
    assert invoke("check", "--all").stdout == "there is nothing to check\n"
    assert invoke("remove", "--all").stdout == "nothing was removed\n"
    built = document(invoke("build", spec, "--json").stdout)["data"]
    listed = invoke("list").stdout.splitlines()
    assert listed[0] == f"1 environment in {home}/virtualenv"
    assert listed[1].split() == ["model", "engine", "python", "state", "size", "key"]
    assert listed[2].split()[:4] == ["hello", "default", built["python_version"], "ready"]
    shown = invoke("show", spec).stdout
    for value in (built["path"], built["environment"], built["interpreter"], built["key"], host.python):
        assert re.search(rf"^\w+ +{re.escape(value)}$", shown, re.MULTILINE), value
    assert re.search(r"^in use +no$", shown, re.MULTILINE)
    assert "installed: 1 distribution" in shown
    assert invoke("check", "hello").stdout == f"hello (default, Python {built['python_version']}): proved\n"
    Path(built["environment"], "pyvenv.cfg").write_text("home = /elsewhere\n", encoding="utf-8")
    done = invoke("check", "hello")
    assert done.exit_code == 3
    assert "spoilt" in done.stdout
    assert "error[proof-failed]: 1 environment of 1 not proved" in done.stderr
    spoilt = invoke("show", "hello")
    assert "spoilt, its pyvenv.cfg was edited" in spoilt.stdout.splitlines()[0]
    assert "its pyvenv.cfg was edited" in invoke("list").stdout


def test_config_as_text(invoke: Invoke, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XINFERENCE_BATCH_SIZE", "many")
    text = invoke("config").stdout
    assert re.search(rf"^  XINFERENCE_HOME +{re.escape(str(home))} +environment +Directory ", text, re.MULTILINE)
    assert re.search(r"^  XINFERENCE_BATCH_SIZE +many \(not valid\) +environment +'many'", text, re.MULTILINE)
    assert re.search(r"^  VENVKIT_ENGINES +- +default ", text, re.MULTILINE)


def test_an_error_as_text(process: Process, home: Path) -> None:
    done = process("build", "/no/such/spec.json")
    assert (done.returncode, done.stdout) == (2, "")
    first, *rest = done.stderr.splitlines()
    assert first.startswith("error[spec-not-found]: ")
    assert rest[0] == "  where: /no/such/spec.json"
    assert rest[-1].startswith("  remedy: ")


def test_details_are_shown_line_by_line(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENVKIT_MAX_BUILDS", "0")
    monkeypatch.setenv("VENVKIT_ORPHANS", "no")
    lines = invoke("config").stderr.splitlines()
    assert lines[0] == "error[setting-invalid]: 2 settings are not valid"
    assert [line.split(":")[0] for line in lines[1:]] == ["  VENVKIT_ORPHANS", "  VENVKIT_MAX_BUILDS", "  remedy"]


def test_names_cannot_speak_to_the_terminal(process: Process, home: Path) -> None:
    (home / "virtualenv" / "v4" / "模型\x1b[31m\nred" / "default" / "3.11.7").mkdir(parents=True)
    plain = process("list", env={"PYTHONIOENCODING": "utf-8"})
    assert "模型\\x1b[31m\\nred  default  3.11.7  foreign" in plain.stdout
    narrow = process("list", env={"PYTHONIOENCODING": "ascii"})
    assert narrow.returncode == 0, narrow.stderr
    assert "\\u6a21\\u578b\\x1b" in narrow.stdout
    listed = document(process("list", "--json", env={"PYTHONIOENCODING": "ascii"}).stdout)["data"]["environments"]
    assert [(item["model"], item["state"], item["key"]) for item in listed] == [("模型\x1b[31m\nred", "foreign", "")]


def on_a_terminal(args: list[str | Path], env: dict[str, str]) -> str:
    """Run with standard output and error on a terminal of 100 columns, and return what it received."""
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-m", "venvkit", *map(str, args)]
    environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40", **env}
    with subprocess.Popen(argv, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, env=environ):
        os.close(theirs)
        received = b""
        try:
            while chunk := os.read(ours, 65536):
                received += chunk
        except OSError:  # the other end is closed
            pass
    os.close(ours)
    return received.decode()


def test_a_terminal_gets_tables_and_colours(spec: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    drawn = on_a_terminal(["build", spec], {})
    assert "─" in drawn
    assert "\x1b[36m2.0" in drawn
    assert "resolving" in drawn
    assert drawn.rstrip().splitlines()[-1].startswith("interpreter: ")
    for command in (
        ["list"],
        ["show", "hello"],
        ["check", "hello"],
        ["config"],
        ["plan", spec, "--disable"],
        ["build"],
    ):
        page = on_a_terminal([*command], {"NO_COLOR": "1"})
        assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", page), command
        lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in page.splitlines()]
        assert [line for line in lines if len(line) > 100 and str(home.parent) not in line] == []
    assert "Directory that holds" in on_a_terminal(["config"], {})
    failed = on_a_terminal(["show", "nobody"], {})
    assert "\x1b[31merror[model-not-built]: " in failed


def test_a_pipe_gets_neither(process: Process, spec: Path) -> None:
    for args in (["build", spec], ["list"], ["show", "hello"], ["config"], ["plan", spec], ["show", "nobody"]):
        done = process(*args, env={"FORCE_COLOR": "1", "COLUMNS": "40"})
        assert "\x1b" not in done.stdout + done.stderr
        assert "─" not in done.stdout
    assert max(map(len, process("config").stdout.splitlines())) > 120


def test_a_reader_that_leaves_early(start: Start, home: Path) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    child = start("config", stdout=theirs)
    os.close(theirs)
    _, err = child.communicate(timeout=20)
    assert (child.returncode, err) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_a_full_disk(process: Process, home: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = process("config", stdout=full)
    assert done.returncode == 7
    assert done.stderr.startswith("error[output]: the result cannot be written: No space left")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "-"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_951, "1.0 MB"),
        (2_400_000_000, "2.4 GB"),
        (5 * 10**15, "5000.0 TB"),
    ],
)
def test_sizes(count: int | None, text: str) -> None:
    assert size(count) == text


def test_counts() -> None:
    assert [counted(number, "finding") for number in (0, 1, 2)] == ["0 findings", "1 finding", "2 findings"]


def test_clean_makes_everything_visible() -> None:
    assert clean("a\tb\nc\x1b[0m\x9b\udce9 é") == "a b\\nc\\x1b[0m\\x9b\\udce9 é"


def test_plain_tables_align_wide_characters_and_drop_empty_columns() -> None:
    columns = (Column("name"), Column("none"), Column("count", right=True))
    page = plain_text([Line("top"), table("models", columns, [("模型", "", "1"), ("ab", "", "12345678")])])
    assert page == "top\n\nmodels\n  name     count\n  模型         1\n  ab    12345678\n"


def test_a_drawn_page_holds_what_the_plain_one_does(capsys: pytest.CaptureFixture[str]) -> None:
    path = "/srv/" + "x" * 90
    page: list[Block] = [
        Line("top", "good"),
        Fields((("host", path), ("key", "k\x1b")), title="facts"),
        table("models", (Column("name", "strong"), Column("size", right=True)), [("ab", Cell("12", "bad"))]),
        table(
            "set",
            (Column("name"), Column("value"), Column("why", below=True)),
            [("A", path, "why a"), ("B", "1", "why b")],
        ),
    ]
    draw(sys.stdout, page)
    drawn = capsys.readouterr().out.splitlines()
    assert drawn[0] == "top"
    assert drawn[2] == "facts"
    assert "".join(line.strip() for line in drawn[3:6]).startswith(f"host  {path[:10]}")
    assert "  key   k\\x1b" in [line.rstrip() for line in drawn]
    assert [line.rstrip() for line in drawn[drawn.index("models") + 1 :]][:3] == [
        "  name   size",
        "  ───────────",
        "  ab       12",
    ]
    assert drawn[-4:-2] == [f"  A   {path}", "    why a"]
    assert [line.rstrip() for line in drawn[-2:]] == ["  B   1", "    why b"]


EVENTS: list[Event] = [
    PhaseStarted("resolve", "2 requirements"),
    Waiting("the request for m", 1.0),
    Waiting("the request for m", 2.0),
    InstallProgress(1, 2, "tool"),
    Warned("code", "mind https://me:pass@index.example/"),
    PhaseStarted("done", "id"),
    Step("read", 0, 3, "m"),
    Step("plan", 0, 3),
    Step("plan", 1, 3, "m", trouble=True),
    Step("plan", 3, 3, "n"),
]


@pytest.mark.parametrize(
    ("quiet", "shown"),
    [
        (True, ["warning: mind https://****@index.example/"]),
        (
            False,
            [
                "resolving 2 requirements",
                "waiting for the request for m (1 s)",
                "warning: mind https://****@index.example/",
                "planning 0 of 3",
                "planning 3 of 3, 1 without success",
            ],
        ),
    ],
)
def test_progress_in_a_pipe(quiet: bool, shown: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with reporting(quiet=quiet) as observer:
        for event in EVENTS:
            observer(event)
    captured = capsys.readouterr()
    assert (captured.err.splitlines(), captured.out) == (shown, "")
