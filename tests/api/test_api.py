"""The library's contract: one line for every caller, whatever the state of the store."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import venvkit
from tests.conftest import WriteSpec
from tests.hosts import Host, make_host
from tests.wheelhouse import Wheelhouse
from venvkit import ModelSpec, ensure_env, ensure_env_async, plan_env
from venvkit.errors import CancelledError, MachineError, NoSolutionError
from venvkit.events import Event, InstallProgress, PhaseStarted, Warned

SLOW_BACKEND = (
    "import time, pathlib\n"
    "def build_wheel(folder, *rest, **more):\n"
    "    pathlib.Path({mark!r}).write_text('building')\n"
    "    time.sleep(60)\n"
    "prepare_metadata_for_build_wheel = build_wheel\n"
)


@pytest.fixture
def slow_sdist(tmp_path: Path) -> tuple[str, Path]:
    """A requirement whose build takes a minute, and the file that shows that the build began."""
    project, mark = tmp_path / "slow", tmp_path / "build-began"
    project.mkdir()
    (project / "backend.py").write_text(SLOW_BACKEND.format(mark=str(mark)))
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "slow"\ndynamic = ["version"]\n'
    )
    archive = tmp_path / "slow-1.0.tar.gz"
    subprocess.run(["tar", "czf", str(archive), "-C", str(tmp_path), "slow"], check=True)
    return f"slow @ {archive.as_uri()}", mark


def test_public_names_are_what_they_say() -> None:
    assert {name for name in venvkit.__all__ if not hasattr(venvkit, name)} == set()
    with pytest.raises(AttributeError, match="no_such"):
        _ = venvkit.no_such


def test_switched_off_is_the_host_and_touches_nothing(
    home: Path, host: Host, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XINFERENCE_ENABLE_VIRTUAL_ENV", "0")
    env = ensure_env(write_spec("m", ["tool"]), host_python=host.python)
    assert env.is_host
    assert (str(env.python), env.built, env.receipt, env.shell) == (host.python, False, None, None)
    done = env.run(["python", "-c", "import sys; print(sys.prefix)"], capture=True)
    assert done.stdout.strip() == str(host.prefix)
    with env.lease():
        assert not home.exists()


def test_a_call_overrides_the_switch(
    home: Path, host: Host, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = write_spec("m", [])
    assert ensure_env(spec, host_python=host.python, enable=False).is_host
    monkeypatch.setenv("XINFERENCE_ENABLE_VIRTUAL_ENV", "0")
    assert not ensure_env(spec, host_python=host.python, enable=True).is_host


def test_a_value_as_spec(home: Path, host: Host, wheelhouse: Wheelhouse) -> None:
    wheelhouse.add("tool", "1.0")
    spec = ModelSpec("my-model", ("tool",), find_links=(wheelhouse.url,))
    first = ensure_env(spec, host_python=host.python)
    assert first.built
    assert not ensure_env(spec, host_python=host.python).built
    assert first.shell == home / "virtualenv" / "v4" / "my-model" / "default" / first.version


def test_models_with_equal_plans_share_one_environment(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec
) -> None:
    wheelhouse.add("tool", "1.0")
    first = ensure_env(write_spec("one", ["tool"]), host_python=host.python)
    second = ensure_env(write_spec("two", ["tool>=1"]), host_python=host.python)
    assert (second.built, second.path) == (False, first.path)
    assert second.shell != first.shell
    assert len(list((home / "virtualenv" / "envs").iterdir())) == 1


def test_the_callers_package_replaces_the_specs(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec
) -> None:
    for version in ("1.0", "2.0"):
        wheelhouse.add("tool", version)
    plan = plan_env(write_spec("m", ["tool==1.0"]), host_python=host.python, packages=["Tool>=2"]).plan
    assert [(item.version, item.reason) for item in plan.install] == [("2.0", ("caller packages[0]: tool>=2",))]


def test_one_venv_is_one_host_whatever_its_interpreter_is_called(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse.add("tool", "1.0")
    spec = write_spec("m", ["tool"])
    first = ensure_env(spec, host_python=host.python)
    again = ensure_env(spec, host_python=f"{host.python}3")
    assert (again.built, again.path) == (False, first.path)
    monkeypatch.chdir(host.prefix)
    assert ensure_env(spec, host_python="bin/python").path == first.path


def test_a_relative_host_is_the_one_of_this_directory(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse.add("tool", "1.0")
    other = make_host(host.prefix.parent / "other" / "host", wheelhouse)
    other.install("tool")
    spec = write_spec("m", ["tool"])
    monkeypatch.chdir(host.prefix.parent)
    first = ensure_env(spec, host_python="host/bin/python")
    monkeypatch.chdir(other.prefix.parent)
    second = ensure_env(spec, host_python="host/bin/python")
    assert second.path != first.path
    assert second.receipt is not None
    assert second.receipt.plan.install == ()


def test_settings_of_the_file_count_for_a_model_that_is_built(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec
) -> None:
    wheelhouse.add("num", "1.0")
    wheelhouse.add("num", "2.0")
    wheelhouse.add("server", "1.0", requires=["num<2"])
    host.install("server")
    spec = write_spec("m", ["num>=2"])
    assert ensure_env(spec, host_python=host.python).built
    (home / "venvkit").mkdir(parents=True)
    (home / "venvkit" / "settings.toml").write_text('VENVKIT_PROTECT = "server"\n')
    with pytest.raises(NoSolutionError):
        ensure_env(spec, host_python=host.python)


def test_upgrade_takes_what_is_new(home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec) -> None:
    wheelhouse.add("tool", "1.0")
    spec = write_spec("m", ["tool"])
    first = ensure_env(spec, host_python=host.python)
    wheelhouse.add("tool", "2.0")
    assert ensure_env(spec, host_python=host.python).path == first.path
    newer = ensure_env(spec, host_python=host.python, upgrade=True)
    assert newer.path != first.path
    done = subprocess.run(
        [str(newer.shell) + "/bin/python", "-c", "import tool; print(tool.__version__)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "2.0"
    assert ensure_env(spec, host_python=host.python).path == newer.path


def test_a_host_upgrade_that_the_environment_relies_on_is_noticed(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec
) -> None:
    wheelhouse.add("base", "1.0")
    wheelhouse.add("base", "2.0")
    wheelhouse.add("other", "1.0")
    wheelhouse.add("tool", "1.0", requires=["base<2"])
    host.install("base==1.0")
    spec = write_spec("m", ["tool"])
    first = ensure_env(spec, host_python=host.python)
    host.install("other")
    assert ensure_env(spec, host_python=host.python).path == first.path
    host.install("base==2.0")
    second = ensure_env(spec, host_python=host.python)
    assert second.path != first.path
    assert second.run(["python", "-c", "import base; assert base.__version__ == '1.0'"]).returncode == 0


def test_events_tell_the_phases_and_an_observer_that_raises_breaks_nothing(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec
) -> None:
    wheelhouse.add("num", "2.0")
    wheelhouse.add("num", "1.0")
    wheelhouse.add("old", "1.0", requires=["num<2"])
    host.install("old")
    seen: list[Event] = []

    def observe(event: Event) -> None:
        seen.append(event)
        raise RuntimeError("a faulty observer")

    ensure_env(write_spec("m", ["num>=2"]), host_python=host.python, observer=observe)
    phases = [event.phase for event in seen if isinstance(event, PhaseStarted)]
    order = ["probe", "request", "resolve", "create", "install", "verify", "seal", "done"]
    assert [phase for phase in phases if phase in order] == order
    told = [(event.done, event.total) for event in seen if isinstance(event, InstallProgress)]
    assert told == [(0, 1), (1, 1)]
    assert [event.code for event in seen if isinstance(event, Warned)] == ["hidden"]


def test_cancel_ends_a_build_soon_and_leaves_nothing(
    home: Path, host: Host, write_spec: WriteSpec, slow_sdist: tuple[str, Path]
) -> None:
    requirement, mark = slow_sdist
    cancel = threading.Event()
    raised: list[BaseException] = []

    def build() -> None:
        try:
            ensure_env(write_spec("m", [requirement]), host_python=host.python, cancel=cancel)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test looks at it
            raised.append(error)

    thread = threading.Thread(target=build)
    thread.start()
    _wait_for(mark)
    cancelled = time.monotonic()
    cancel.set()
    thread.join(10)
    took = time.monotonic() - cancelled
    assert [type(error) for error in raised] == [CancelledError]
    assert took < 2.5
    assert not home.exists()


def test_cancelling_a_task_cancels_its_build(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, slow_sdist: tuple[str, Path]
) -> None:
    requirement, mark = slow_sdist
    wheelhouse.add("tool", "1.0")

    async def main() -> None:
        env = await ensure_env_async(write_spec("fast", ["tool"]), host_python=host.python)
        assert env.built
        task = asyncio.create_task(ensure_env_async(write_spec("slow", [requirement]), host_python=host.python))
        await asyncio.to_thread(_wait_for, mark)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert not (home / "virtualenv" / "v4" / "slow").exists()


def _wait_for(mark: Path) -> None:
    deadline = time.monotonic() + 30
    while not mark.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_environment_of_a_process(home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec) -> None:
    wheelhouse.add("tool", "1.0", scripts={"tool-run": "tool:main"})
    env = ensure_env(write_spec("m", ["tool"]), host_python=host.python)
    base = {"PATH": f"/first:{host.prefix}/bin:/second", "PYTHONPATH": "/x", "PYTHONHOME": "/y", "KEPT": "1"}
    made = env.environ(base)
    assert made == {
        "PATH": f"{env.path}/bin:{host.prefix}/bin:/first:/second",
        "VIRTUAL_ENV": str(env.path),
        "KEPT": "1",
    }
    assert (env.path / "bin" / "tool-run").exists()
    child = env.popen(["python", "-c", "import sys; sys.exit(7)"])
    assert child.wait() == 7


# What the first call in a process may load beyond a bare interpreter, when the environment is there.
_FORBIDDEN = (
    "packaging", "msgspec", "click", "rich", "filelock", "importlib.metadata", "subprocess", "inspect", "asyncio",
    "dataclasses", "pathlib", "typing", "socket", "httpx",
)  # fmt: skip
_WARM = """
import json, sys
events = []
names = ("subprocess.Popen", "os.posix_spawn", "os.fork", "socket.connect", "os.rename", "os.remove", "os.mkdir")
def hook(event, args):
    if event in names or (event == "open" and args[1] and set(str(args[1])) & set("wax+")):
        events.append((event, str(args)[:80]))
    elif event == "open":
        opened.append(str(args[0]))
opened = []
before = set(sys.modules)
from venvkit import ensure_env
loaded = set(sys.modules) - before
sys.addaudithook(hook)
env = ensure_env(sys.argv[1], host_python=sys.argv[2])
loaded |= set(sys.modules) - before
print(json.dumps([env.built, sorted(loaded), events, [name for name in opened if ".py" not in name]]))
"""


def test_the_warm_path_loads_opens_and_starts_next_to_nothing(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec
) -> None:
    wheelhouse.add("tool", "1.0")
    spec = write_spec("m", ["tool"])
    ensure_env(spec, host_python=host.python)
    root = Path(venvkit.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(root)!r})\n{_WARM}", str(spec), host.python],
        capture_output=True, text=True, check=False, env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    built, loaded, events, opened = json.loads(done.stdout)
    assert built is False
    assert events == []
    # site may have loaded some of them before us (an editable finder does); none may be ours.
    assert [name for name in loaded if name.startswith(_FORBIDDEN)] == []
    assert [name for name in loaded if name.startswith("venvkit.")] == sorted(
        f"venvkit.{name}"
        for name in (
            "api", "base", "base.digest", "base.forks", "base.paths", "base.reading", "base.version", "base.watch",
            "errors", "formats", "formats.entry", "launch", "launch.asked", "launch.given", "launch.handle",
            "launch.warm", "settings", "settings.file", "settings.keys",
            "settings.kinds", "settings.load", "settings.resolve", "settings.tooloptions", "settings.variables", "spec",
            "spec.options", "store", "store.lock", "store.lock.lease",
        )
    )  # fmt: skip
    # The spec, the index entry, what says which kernel runs, and the table of the tools' options, for it is in one of
    # two places: variables of these tools are set. Without torch on the host two files more, which say whether there
    # is a device.
    assert len(opened) <= 9, "\n".join(opened)


def test_the_key_of_a_server_reaches_no_installer_and_no_model(
    home: Path, host: Host, write_spec: WriteSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    project = tmp_path / "nosy"
    project.mkdir()
    (project / "backend.py").write_text(
        "import json, os, pathlib\n"
        "def build_wheel(*args, **options):\n"
        f"    pathlib.Path({str(seen)!r}).write_text(json.dumps(dict(os.environ)))\n"
        "    raise SystemExit(1)\n"
        "prepare_metadata_for_build_wheel = build_wheel\n"
    )
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "nosy"\ndynamic = ["version"]\n'
    )
    monkeypatch.setenv("VENVKIT_API_KEY", "sesame-open")
    monkeypatch.setenv("OTHER_VARIABLE", "passed on")
    with pytest.raises(MachineError):
        plan_env(write_spec("m", [f"nosy @ {project.as_uri()}"]), host_python=host.python)
    environ = json.loads(seen.read_text())
    assert (environ["OTHER_VARIABLE"], environ.get("VENVKIT_API_KEY")) == ("passed on", None)
    assert "VENVKIT_API_KEY" not in ensure_env(write_spec("n", []), host_python=host.python).environ()
