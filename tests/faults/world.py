"""A store under attack: one host, one model in two versions, and what must hold after every blow."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.hosts import Host
from venvkit import Environment, ensure_env
from venvkit.base.files import ASIDE, TEMPORARY
from venvkit.formats.receipt import RECEIPT
from venvkit.store.collect.gc import collect
from venvkit.store.collect.rules import Wish
from venvkit.store.layout import Layout
from venvkit.store.lock.lease import in_use

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class World:
    """What a blow is dealt to. `spec` asks for `tool` in any version."""

    home: Path
    host: Host
    spec: Path

    @property
    def layout(self) -> Layout:
        return Layout(self.home)

    @property
    def shell(self) -> Path:
        return self.layout.shell("m", None, ".".join(map(str, sys.version_info[:3])))

    def ensure(self, version: str = "1.0", **choices: object) -> Environment:
        """Return the environment of one version; its lease is released, so that a test may remove it."""
        env = ensure_env(self.spec, host_python=self.host.python, packages=[f"tool=={version}"], **choices)
        env.release()
        return env

    def command(self, *args: str, **popen: object) -> subprocess.Popen[str]:
        """Start the command line in a process of its own."""
        # Not by PYTHONPATH, which would be a part of the host.
        environ = {**os.environ, "VENVKIT_HOST_PYTHON": self.host.python}
        return subprocess.Popen(
            [sys.executable, "-m", "tests.faults.crashing", *args],
            cwd=ROOT, env=environ, text=True, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **popen,
        )  # type: ignore[call-overload]  # fmt: skip

    def build(self, version: str, *args: str) -> tuple[str, ...]:
        return ("build", str(self.spec), "-q", "-p", f"tool=={version}", *args)


def imported(python: Path) -> str:
    """Import in the child, and return the version that it found."""
    code = "import tool, tool_data; assert tool_data.version == tool.__version__; print(tool.__version__)"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def leftovers(layout: Layout) -> list[str]:
    """Return what should not be there once a collection has run."""
    found = [path for path in layout.root.rglob("*") if path.name.startswith((TEMPORARY, ASIDE))]
    found += [path for path in layout.envs.glob("*") if not (path / RECEIPT).exists()]
    found += [path for path in layout.locks.glob("*.lease") if not (layout.envs / path.stem).exists()]
    found += [path for path in layout.locks.glob("*.lease") if in_use(path)]
    return [str(path.relative_to(layout.root)) for path in found]


def assert_whole(world: World, version: str = "1.0") -> None:
    """What must hold after any blow: the model is there again, and after a collection nothing is left of the blow."""
    env = world.ensure(version)
    assert imported(env.python) == version
    assert env.shell is not None
    assert imported(env.shell / "bin" / "python") == version
    collect(world.layout, Wish())
    assert leftovers(world.layout) == []
    again = world.ensure(version)
    assert not again.built
    assert imported(again.python) == version


def descendants(pid: int) -> list[int]:
    """Return the pids of all processes that a process started, and theirs."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, pending = [], [pid]
    while pending:
        children = parents.get(pending.pop(), [])
        found += children
        pending += children
    return found


def kill(pid: int, *, all_of_it: bool) -> None:
    """Kill a process alone, or with everything that it started."""
    victims = [pid, *(descendants(pid) if all_of_it else [])]
    for victim in victims:
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            continue


def writers(home: Path) -> list[int]:
    """Return the uv processes that work on environments of a home."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            argv = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if argv[0].endswith(b"/uv") and any(os.fsencode(home / "virtualenv" / "envs") in word for word in argv):
            found.append(int(process.name))
    return found
