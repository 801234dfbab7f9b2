"""The one runner of child processes: deadlines, cancel, odd streams, and what is left of the process group."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from venvkit.base import process
from venvkit.base.forks import lent
from venvkit.base.process import Runner, run_attached, start
from venvkit.errors import CancelledError, MachineError

CLOSES = "import os, time\nos.write(2, b'bye\\n')\nos.close(1); os.close(2)\ntime.sleep({})"


def script(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_a_child_past_its_time_is_stopped() -> None:
    started = time.monotonic()
    with pytest.raises(MachineError, match="in time") as caught:
        Runner(timeout=0.3).run(["/bin/sh", "-c", "sleep 30 & wait"])
    assert caught.value.code == "timeout"
    assert time.monotonic() - started < 5


def test_a_child_that_closes_its_streams_is_stopped_at_its_deadline() -> None:
    started = time.monotonic()
    with pytest.raises(MachineError) as caught:
        Runner(timeout=0.5).run(script(CLOSES.format(30)))
    assert caught.value.code == "timeout"
    assert time.monotonic() - started < 5


def test_a_child_that_closes_its_streams_is_cancelled() -> None:
    started = time.monotonic()
    cancel = threading.Event()
    threading.Timer(0.5, cancel.set).start()
    with pytest.raises(CancelledError):
        Runner(cancel=cancel).run(script(CLOSES.format(30)))
    assert time.monotonic() - started < 5


def test_a_child_that_closes_its_streams_is_waited_for() -> None:
    done = Runner().run(script(CLOSES.format(0.5) + "\nos._exit(4)"))
    assert (done.status, done.stderr) == (4, "bye\n")
    assert done.seconds >= 0.5


def test_a_grandchild_that_keeps_the_pipe_is_not_waited_for_and_ends() -> None:
    started = time.monotonic()
    done = Runner().run(["/bin/sh", "-c", "sleep 30 >&2 & echo $!; exit 3"])
    assert done.status == 3
    assert time.monotonic() - started < 5
    assert is_gone(int(done.stdout))


def test_a_grandchild_that_writes_for_ever_is_not_read_for_ever() -> None:
    started = time.monotonic()
    talk = "import os, time\nwhile os.getppid() and time.monotonic() < {}: os.write(1, b'y' * 4096)"
    until = f"{talk!r}.format(__import__('time').monotonic() + 8)"
    child = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {until}], start_new_session=True)"
    assert Runner(timeout=20).run(script(child)).status == 0
    assert time.monotonic() - started < 6


def test_output_that_is_no_text_is_replaced() -> None:
    writes = "import os\nos.write(1, b'a\\xff\\n'); os.write(2, b'\\xc3')"
    done = Runner().run(script(writes))
    assert (done.stdout, done.stderr) == ("a\ufffd\n", "\ufffd")
    attached = run_attached(script(writes), env=dict(os.environ), capture=True)
    assert (attached.stdout, attached.stderr) == ("a\ufffd\n", "\ufffd")


def test_of_endless_output_the_end_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_KEPT_BYTES", 100_000)
    seen: list[str] = []
    writes = "import sys\nfor n in range(200_000): sys.stderr.write(f'line {n}\\n')"
    done = Runner(on_line=seen.append).run(script(writes))
    assert len(done.stderr) == 100_000
    assert done.stderr.endswith("\nline 199999\n")
    assert (len(seen), seen[0], seen[-1]) == (200_000, "line 0", "line 199999")


def test_secrets_are_masked_in_what_a_child_says() -> None:
    seen: list[str] = []
    done = Runner(on_line=seen.append).run(["/bin/sh", "-c", "echo fetching https://me:pw@host/x >&2; exit 1"])
    assert seen == ["fetching https://****@host/x"]
    assert "pw" not in " ".join(done.tail())


@pytest.fixture
def ignored() -> Iterator[None]:
    """As in a daemon: the kernel throws the statuses of our children away."""
    former = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGCHLD, former)


@pytest.mark.usefixtures("ignored")
@pytest.mark.parametrize("status", [0, 3])
def test_statuses_are_known_where_sigchld_is_ignored(status: int) -> None:
    # What a child starts has its status too.
    text = f"import subprocess, sys\nsys.exit(subprocess.call([sys.executable, '-c', 'raise SystemExit({status})']))"
    done = Runner().run(script(text))
    assert done.status == status
    says = script(f"print('out'); raise SystemExit({status})")
    attached = run_attached(says, env=dict(os.environ), capture=True)
    assert (attached.returncode, attached.stdout) == (status, "out\n")


@pytest.mark.usefixtures("ignored")
def test_a_signal_and_a_missing_program_are_told_where_sigchld_is_ignored() -> None:
    assert Runner().run(script("import os; os.kill(os.getpid(), 15)")).status == -signal.SIGTERM
    with pytest.raises(MachineError) as caught:
        Runner().run(["/no/such/program"])
    assert caught.value.code == "no-program"


@pytest.mark.usefixtures("ignored")
def test_a_child_past_its_time_is_stopped_where_sigchld_is_ignored(tmp_path: Path) -> None:
    text = "import os, sys, time\nopen(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
    started = time.monotonic()
    with pytest.raises(MachineError, match="in time"):
        Runner(timeout=1.0).run([*script(text), str(tmp_path / "pid")])
    assert time.monotonic() - started < 5
    assert is_gone(int((tmp_path / "pid").read_text(encoding="utf-8")))
    with pytest.raises(MachineError, match="did not finish"):
        run_attached([*script(text), str(tmp_path / "pid")], env=dict(os.environ), timeout=1.0)
    assert is_gone(int((tmp_path / "pid").read_text(encoding="utf-8")))


@pytest.mark.usefixtures("ignored")
def test_no_descriptor_is_left_where_sigchld_is_ignored() -> None:
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(3):
        Runner().run(script("pass"))
        start(script("pass"), env=dict(os.environ)).wait()
        with pytest.raises(MachineError):
            Runner().run(["/no/such/program"])
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_lost_status_is_no_success() -> None:
    """Some servers wait for all children, and take the statuses of ours."""

    def steal() -> None:
        while not stop.is_set():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(-1, os.WNOHANG)

    stop = threading.Event()
    thief = threading.Thread(target=steal)
    thief.start()
    try:
        with pytest.raises(MachineError) as caught:
            for _ in range(50):
                Runner().run(["/bin/true"])
        assert caught.value.code == "status-lost"
        with pytest.raises(MachineError):
            for _ in range(50):
                run_attached(["/bin/true"], env=dict(os.environ))
        child = start(["/bin/sh", "-c", "sleep 0.2"], env=dict(os.environ))
        time.sleep(0.5)
        assert child.wait() != 0
    finally:
        stop.set()
        thief.join()


def test_many_threads_wait_for_one_child() -> None:
    child = start(["/bin/sh", "-c", "sleep 0.3; exit 4"], env=dict(os.environ))
    found: list[int] = []
    waiting = [threading.Thread(target=lambda: found.append(child.wait())) for _ in range(4)]
    waiting.append(threading.Thread(target=lambda: found.append(child.wait(10))))
    for thread in waiting:
        thread.start()
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.05)
    for thread in waiting:
        thread.join()
    assert found == [4] * 5


def test_what_a_child_inherited_is_lent_until_its_end(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        seen: list[bool] = []
        runner = Runner(on_start=lambda: seen.append(lock.fileno() in lent))
        runner.run(script(f"import os; os.fstat({lock.fileno()})"), keep_fds=(lock.fileno(),), die_with_parent=True)
        assert (seen, lock.fileno() in lent) == ([True], False)


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended within a second; one that nobody reaps counts."""
    until = time.monotonic() + 1
    while time.monotonic() < until:
        try:
            with Path(f"/proc/{pid}/stat").open(encoding="utf-8") as stat:
                if stat.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except OSError:
            return True
        time.sleep(0.02)
    return False
