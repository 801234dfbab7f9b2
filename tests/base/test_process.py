"""The one runner of child processes: deadlines, cancel, odd streams, and what is left of the process group."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from venvkit.base import process
from venvkit.base.process import Runner, run_attached
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
