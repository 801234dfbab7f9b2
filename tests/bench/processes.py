"""Running processes to be timed, and talking to one that stays."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

AGENT = Path(__file__).with_name("agent.py")


def seconds(argv: Sequence[str], env: Mapping[str, str], *, cwd: str = "/") -> float:
    """Run a command to its end and return how long that took."""
    with tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        done = subprocess.run(
            argv,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            check=False,
        )
        ended = time.perf_counter()
        if done.returncode != 0:
            errors.seek(0)
            raise RuntimeError(f"{' '.join(argv[:6])} ended with {done.returncode}: {errors.read().decode()[-2000:]}")
    return ended - started


def output(argv: Sequence[str], env: Mapping[str, str]) -> str:
    """Run a command and return what it says."""
    done = subprocess.run(argv, env=dict(env), cwd="/", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv[:6])} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


class Agent:
    """A process of the bench venv that measures inside itself: what a server's process would see."""

    def __init__(self, python: str, env: Mapping[str, str]) -> None:
        self._child = subprocess.Popen(
            [python, "-I", str(AGENT)], env=dict(env), cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, what: str, **values: Any) -> Any:
        """Have the agent call its function `what`, and return what that returns."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(json.dumps([what, values]) + "\n")
        self._child.stdin.flush()
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError(f"the agent died at {what}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["value"]

    def close(self) -> None:
        """End it."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        self._child.wait(10)
