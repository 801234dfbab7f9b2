"""`run`: the child owns the streams, its status becomes ours, and signals reach it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cli.conftest import Process, Start
from venvkit.cli.signals import attend, cancellable


def test_run_gives_the_child_all_streams_and_ends_with_its_status(process: Process, spec: Path) -> None:
    code = "import sys, tool, base; print(tool.__version__, sys.stdin.read()); print('e', file=sys.stderr); sys.exit(3)"
    done = process("run", spec, "--", "python", "-B", "-c", code, input="in")
    assert (done.returncode, done.stdout) == (3, "2.0 in\n")
    assert done.stderr.endswith("e\n")
    assert "installing" in done.stderr
    again = process("run", spec, "--", "python", "-B", "-c", code, "--json", input="in")
    assert (again.returncode, again.stdout, again.stderr) == (3, "2.0 in\n", "e\n")


@pytest.mark.parametrize(("number", "status"), [(9, 137), (15, 143), (2, 130)])
def test_run_ends_as_the_child_that_a_signal_ended(process: Process, spec: Path, number: int, status: int) -> None:
    assert process("run", spec, "--", "sh", "-c", f"kill -{number} $$").returncode == status


def test_run_refuses(process: Process, spec: Path, home: Path) -> None:
    for args, status, code in (
        ([spec], 2, "command-missing"),
        ([spec, "--"], 2, "command-missing"),
        ([spec, "--json", "--", "true"], 2, "usage"),
        (["/no/such.json", "--", "true"], 2, "spec-not-found"),
    ):
        done = process("run", *args)
        assert (done.returncode, done.stdout) == (status, "")
        assert f"error[{code}]" in done.stderr
        assert not home.exists()
    done = process("run", spec, "-q", "--", "no-such-program")
    assert (done.returncode, done.stdout) == (7, "")
    assert done.stderr.startswith("error[no-program]: ")


TELLS_SIGNALS = """
import os, signal, sys, time
def tell(number, frame):
    os.write(1, signal.Signals(number).name.encode() + b"\\n")
    sys.exit(5)
for name in ("SIGTERM", "SIGHUP"):
    signal.signal(getattr(signal, name), tell)
default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
try:
    os.write(1, b"up %s\\n" % str(default).encode())
    while True:
        time.sleep(0.1)
except KeyboardInterrupt:
    os.write(1, b"SIGINT\\n")
    sys.exit(6)
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 5), (signal.SIGHUP, 5)])
def test_run_passes_signals_on(start: Start, spec: Path, number: signal.Signals, status: int) -> None:
    child = start("run", spec, "-q", "--", "python", "-c", TELLS_SIGNALS)
    assert child.stdout is not None
    assert child.stdout.readline() == "up True\n"
    child.send_signal(number)
    out, err = child.communicate(timeout=20)
    assert (out, child.returncode) == (f"{number.name}\n", status), err


def test_ctrl_c_is_the_childs_own(start: Start, spec: Path) -> None:
    child = start("run", spec, "-q", "--", "python", "-c", TELLS_SIGNALS, start_new_session=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "up True\n"
    os.killpg(child.pid, signal.SIGINT)  # as a terminal does
    out, err = child.communicate(timeout=20)
    assert (out, err, child.returncode) == ("SIGINT\n", "", 6)


def test_signals_are_ours_again_afterwards() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    before = [signal.getsignal(number) for number in numbers]
    with cancellable() as cancel:
        signal.raise_signal(signal.SIGTERM)
        assert cancel.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    def start() -> subprocess.Popen[bytes]:
        signal.raise_signal(signal.SIGTERM)  # before there is a child: kept for it
        return subprocess.Popen(["sleep", "30"])

    assert attend(start) == 128 + signal.SIGTERM
    assert attend(lambda: subprocess.Popen(["sh", "-c", "exit 4"])) == 4
    assert [signal.getsignal(number) for number in numbers] == before


def test_what_our_parent_ignores_stays_ignored() -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        code = "import signal, sys; sys.exit(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)"
        assert attend(lambda: subprocess.Popen([sys.executable, "-c", code])) == 1
    finally:
        signal.signal(signal.SIGHUP, former)


def test_on_another_thread_the_handlers_are_left_alone() -> None:
    def work() -> None:
        with cancellable() as cancel:
            assert not cancel.is_set()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()
