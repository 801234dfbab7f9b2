"""The same call again, in one process: answered from memory, and never when anything has changed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse
from venvkit import Environment, ModelSpec, ensure_env
from venvkit.launch.warm import question, recall
from venvkit.settings import load_settings

_seen: list[str] = []
_watching = False


def _hook(event: str, args: tuple[object, ...]) -> None:
    if _watching and event in ("open", "subprocess.Popen", "os.posix_spawn", "os.fork", "socket.connect", "import"):
        _seen.append(f"{event} {args[:1]}")


sys.addaudithook(_hook)


@pytest.fixture
def watched() -> Iterator[Callable[[Callable[[], object]], list[str]]]:
    """Run a function and return every file it opens, process it starts, socket it connects, module it imports."""

    def watch(function: Callable[[], object]) -> list[str]:
        global _watching
        _seen.clear()
        _watching = True
        try:
            function()
        finally:
            _watching = False
        return list(_seen)

    return watch


@pytest.fixture
def settled(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, str]:
    """A spec that is no longer new, whose environment is built; and the host."""
    wheelhouse.add("tool", "1.0")
    spec = write_spec("m", ["tool"])
    # Nothing can set back when a file was last changed: it need not have settled.
    monkeypatch.setattr("venvkit.launch.warm._TICK", 0)
    ensure_env(spec, host_python=host.python)
    return spec, host.python


def _remind(spec: Path, python: str) -> Environment:
    """Have this process remember the answer; in the test itself, since a fixture's environment is another one."""
    ensure_env(spec, host_python=python)
    env = ensure_env(spec, host_python=python)
    assert _remembered(spec, python)
    return env


def _remembered(spec: Path, python: str) -> bool:
    asked = question(spec, None, {"host_python": python})
    return asked is not None and recall(asked) is not None


def test_the_same_call_again_opens_at_most_the_lease_file(
    settled: tuple[Path, str], watched: Callable[[Callable[[], object]], list[str]]
) -> None:
    spec, python = settled
    env = _remind(spec, python)
    assert watched(lambda: ensure_env(spec, host_python=python)) == []
    assert watched(lambda: ensure_env(spec, host_python=python, packages=[])) != []
    lease = env._facts["lease"]
    env.release()
    assert watched(lambda: ensure_env(spec, host_python=python)) == [f"open ({lease!r},)"]


Change = Callable[[Path, Path, Host, Environment, pytest.MonkeyPatch], object]
CHANGES: dict[str, Change] = {
    "a variable of uv": lambda home, spec, host, env, patch: patch.setenv("UV_RESOLUTION", "lowest"),
    "a variable that we know nothing of": lambda home, spec, host, env, patch: patch.setenv("ANYTHING", "1"),
    "the working directory": lambda home, spec, host, env, patch: patch.chdir(host.prefix),
    "the spec's content": lambda home, spec, host, env, patch: spec.write_text(spec.read_text() + " "),
    "the spec replaced by one of equal size": lambda home, spec, host, env, patch: _replace(spec),
    "the spec written in place, its size and time kept": lambda home, spec, host, env, patch: _rewrite(spec),
    "the spec gone": lambda home, spec, host, env, patch: spec.unlink(),
    "a distribution of the host": lambda home, spec, host, env, patch: host.install("tool"),
    "a settings file": lambda home, spec, host, env, patch: _write(home / "venvkit" / "settings.toml"),
    "engine data": lambda home, spec, host, env, patch: _write(home / "venvkit" / "engines.toml"),
    "the environment gone": lambda home, spec, host, env, patch: shutil.rmtree(env.path),
    "an entry in the environment": lambda home, spec, host, env, patch: _write(_site(env) / "new.py"),
    "the lease file, which is never made here": lambda home, spec, host, env, patch: _unlink_lease(env),
    "the shell's pointer": lambda home, spec, host, env, patch: next((env.shell or Path()).rglob("zzzz*.pth")).unlink(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_has_changed_is_noticed(
    change: Change, settled: tuple[Path, str], home: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, python = settled
    env = _remind(spec, python)
    change(home, spec, host, env, monkeypatch)
    assert not _remembered(spec, python)


def _unlink_lease(env: Environment) -> None:
    lease = Path(env._facts["lease"])
    lease.unlink()
    with pytest.raises(FileNotFoundError):
        lease.stat()


def _replace(spec: Path) -> None:
    other = spec.with_name("other")
    shutil.copy2(spec, other)
    other.replace(spec)


def _rewrite(spec: Path) -> None:
    before = spec.stat()
    spec.write_text(spec.read_text().replace("tool", "took"))
    os.utime(spec, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (spec.stat().st_mtime_ns, spec.stat().st_size) == (before.st_mtime_ns, before.st_size)


def _write(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("")


def _site(env: Environment) -> Path:
    return next(env.path.glob("lib/python*/site-packages"))


def test_a_spec_that_was_written_just_now_is_read_again(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec
) -> None:
    spec = write_spec("m", [])
    for _ in range(3):
        ensure_env(spec, host_python=host.python)
    assert not _remembered(spec, host.python)


def test_a_list_is_known_by_what_it_holds(settled: tuple[Path, str], wheelhouse: Wheelhouse) -> None:
    spec, python = settled
    wheelhouse.add("other", "1.0")
    packages = ["other"]
    first = ensure_env(spec, host_python=python, packages=packages)
    ensure_env(spec, host_python=python, packages=packages)
    packages[:] = ["tool"]
    assert ensure_env(spec, host_python=python, packages=packages).path != first.path


def test_a_value_is_known_by_what_it_says(home: Path, host: Host, wheelhouse: Wheelhouse) -> None:
    wheelhouse.add("tool", "1.0")

    def spec(name: str) -> ModelSpec:
        return ModelSpec(name, ("tool",), find_links=(wheelhouse.url,))

    for _ in range(2):
        first = ensure_env(spec("m"), host_python=host.python)
    assert recall(question(spec("m"), None, {"host_python": host.python})) is not None
    assert recall(question(spec("n"), None, {"host_python": host.python})) is None
    assert ensure_env(spec("n"), host_python=host.python).shell != first.shell


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("m", None, {}), (Path("m"), None, {})),
        (("['m']", None, {}), (Path("m"), None, {})),
        (("m", None, {}), ("m", True, {})),
        (("m", None, {"packages": ["a"]}), ("m", None, {"excludes": ["a"]})),
        (("m", None, {"packages": ["a", "b"]}), ("m", None, {"packages": ["b", "a"]})),
        (("m", None, {"variables": {"a": "b"}}), ("m", None, {"variables": {"a": "c"}})),
    ],
)
def test_questions_differ(one: tuple[object, bool, dict], other: tuple[object, bool, dict]) -> None:
    assert question(*one) != question(*other)
    assert question(*one) == question(*one)


def test_what_is_used_up_by_reading_is_not_remembered(settled: tuple[Path, str], wheelhouse: Wheelhouse) -> None:
    spec, python = settled
    wheelhouse.add("other", "1.0")
    with_other = ensure_env(spec, host_python=python, packages=["other"])
    assert question(spec, None, {"packages": iter(["tool"])}) is None
    assert ensure_env(spec, host_python=python, packages=iter(["other"])).path == with_other.path  # type: ignore[arg-type]
    assert ensure_env(spec, host_python=python, packages=iter(["tool"])).path != with_other.path  # type: ignore[arg-type]


def test_upgrade_plans_in_spite_of_a_memory(settled: tuple[Path, str], wheelhouse: Wheelhouse) -> None:
    spec, python = settled
    wheelhouse.add("tool", "2.0")
    assert _remind(spec, python).receipt.plan.install[0].version == "1.0"  # type: ignore[union-attr]
    assert ensure_env(spec, host_python=python, upgrade=True).receipt.plan.install[0].version == "2.0"  # type: ignore[union-attr]
    assert ensure_env(spec, host_python=python).receipt.plan.install[0].version == "2.0"  # type: ignore[union-attr]


def test_switching_off_is_noticed(settled: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    spec, python = settled
    assert not _remind(spec, python).is_host
    monkeypatch.setenv("XINFERENCE_ENABLE_VIRTUAL_ENV", "0")
    assert not load_settings().enable
    assert ensure_env(spec, host_python=python).is_host
