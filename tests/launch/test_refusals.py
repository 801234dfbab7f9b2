"""Bad input: each with its code, its place and a remedy, and nothing left on disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit import VenvkitError, ensure_env
from venvkit.errors import BusyError, MachineError, NoSolutionError, SourceError, SpecError, UsageError


def refused(spec: Path, host: Host, **choices: object) -> VenvkitError:
    with pytest.raises(VenvkitError) as caught:
        ensure_env(spec, host_python=host.python, **choices)
    assert caught.value.remedy, caught.value
    return caught.value


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "spec.json"
    path.write_text(text, encoding="utf-8")
    return path


def spec_of(name: str, *packages: str) -> str:
    return json.dumps({"model_name": name, "virtualenv": {"packages": list(packages)}})


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ('{"model_name": "m", "virtualenv"', "spec-malformed", "spec.json"),
        ('{"model_name": "m", "virtualenv": {}}', "spec-invalid", "virtualenv.packages"),
        ('{"model_name": "m", "virtualenv": {"packages": "torch"}}', "spec-invalid", "virtualenv.packages"),
        (spec_of("m", "torch ; no_such == '1'"), "spec-invalid", "virtualenv.packages[0]"),
        (spec_of("m", "torch", "--index-url=x"), "spec-invalid", "virtualenv.packages[1]"),
        (spec_of("m", "-r /etc/passwd"), "spec-invalid", "virtualenv.packages[0]"),
        (spec_of("m", "git+ext::sh -c id"), "spec-invalid", "virtualenv.packages[0]"),
        (spec_of("../../x", "torch"), "spec-invalid", "model_name"),
        (spec_of("", "torch"), "spec-invalid", "model_name"),
        (spec_of("x" * 300, "torch"), "spec-invalid", "model_name"),
        (spec_of("a\nb", "torch"), "spec-invalid", "model_name"),
    ],
)
def test_a_faulty_spec(home: Path, host: Host, tmp_path: Path, text: str, code: str, place: str) -> None:
    error = refused(write(tmp_path, text), host)
    assert isinstance(error, SpecError)
    assert (error.code, error.exit_code) == (code, 2)
    assert place in str(error)
    assert not home.exists()


def test_all_faults_of_a_spec_at_once(home: Path, host: Host, tmp_path: Path) -> None:
    error = refused(write(tmp_path, spec_of("m", "torch", "--bad", "x ; nope == '1'", "a b c")), host)
    assert all(f"virtualenv.packages[{number}]" in str(error) for number in (1, 2, 3))


def test_a_hostile_package_of_the_caller(home: Path, host: Host, write_spec: WriteSpec) -> None:
    error = refused(write_spec("m", []), host, packages=["git+ext::sh -c 'touch /tmp/venvkit-was-here'"])
    assert error.exit_code == 2
    assert not Path("/tmp/venvkit-was-here").exists()
    assert not home.exists()


def test_an_unsatisfiable_pin(home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec) -> None:
    wheelhouse.add("tool", "1.0")
    error = refused(write_spec("m", ["tool==9.9"]), host)
    assert isinstance(error, NoSolutionError)
    assert error.exit_code == 3
    assert "tool==9.9" in "\n".join(error.details)
    assert not home.exists()


def test_an_unreachable_index(home: Path, host: Host, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    error = refused(write_spec("m", ["tool"], index_url="http://me:secret@127.0.0.1:9/simple"), host)
    assert isinstance(error, SourceError)
    assert (error.code, error.exit_code) == ("source-unreachable", 4)
    assert "secret" not in str(error)
    assert not home.exists()


@pytest.mark.parametrize("status", [401, 403])
def test_an_index_that_refuses(
    home: Path, host: Host, index: HttpIndex, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    index.fail_with = status
    error = refused(write_spec("m", ["tool"], index_url=index.url), host)
    assert isinstance(error, SourceError)
    assert error.code == "source-refused"
    assert str(status) in str(error)
    assert not home.exists()


def test_credentials_of_an_index_are_used_and_never_shown(
    home: Path, host: Host, index: HttpIndex, wheelhouse: Wheelhouse, write_spec: WriteSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    wheelhouse.add("base", "1.0")
    wheelhouse.add("tool", "1.0", requires=["base"])
    index.user = "me:top-secret"
    env = ensure_env(write_spec("m", ["tool"], index_url=index.url, find_links=[]), host_python=host.python)
    assert env.receipt is not None
    assert {item.name: item.reason[-1] for item in env.receipt.plan.install}["base"] == "tool==1.0 requires base"
    kept = [path for path in (*home.rglob("*"), *home.parent.joinpath("cache").rglob("*")) if path.is_file()]
    assert kept
    assert not [path for path in kept if b"top-secret" in path.read_bytes()]


def test_a_home_that_cannot_be_written(
    home: Path, host: Host, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XINFERENCE_HOME", "/proc/nowhere")
    error = refused(write_spec("m", []), host)
    assert isinstance(error, MachineError)
    assert (error.code, error.exit_code) == ("home-unwritable", 7)


def test_a_python_that_is_not_there(home: Path, host: Host, write_spec: WriteSpec) -> None:
    error = refused(write_spec("m", []), host, python="3.99")
    assert isinstance(error, UsageError)
    assert (error.code, error.exit_code) == ("interpreter-missing", 2)
    assert not home.exists()


def test_a_host_that_is_not_there(home: Path, host: Host, write_spec: WriteSpec) -> None:
    with pytest.raises(UsageError, match="no-such") as caught:
        ensure_env(write_spec("m", []), host_python="/no-such/python")
    assert caught.value.code == "interpreter-missing"


def test_an_unknown_engine_suggests_the_nearest(home: Path, host: Host, write_spec: WriteSpec) -> None:
    error = refused(write_spec("m", []), host, engine="vlm")
    assert (error.code, error.exit_code) == ("engine-unknown", 2)
    assert "vllm" in error.remedy


def test_a_malformed_variable(home: Path, host: Host, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XINFERENCE_ENABLE_VIRTUAL_ENV", "maybe")
    with pytest.raises(VenvkitError, match="maybe") as caught:
        ensure_env(write_spec("m", []), host_python=host.python)
    assert caught.value.exit_code == 2
    assert "XINFERENCE_ENABLE_VIRTUAL_ENV" in str(caught.value)


def shell_of(home: Path, model: str) -> Path:
    version = ".".join(map(str, sys.version_info[:3]))
    return home / "virtualenv" / "v4" / model / "default" / version


def test_what_is_not_ours_is_moved_aside_and_kept(home: Path, host: Host, write_spec: WriteSpec) -> None:
    shell = shell_of(home, "m")
    shell.mkdir(parents=True)
    (shell / "precious").write_text("made by a user")
    env = ensure_env(write_spec("m", []), host_python=host.python)
    assert env.shell == shell
    kept = list((home / "virtualenv" / "foreign").rglob("precious"))
    assert [path.read_text() for path in kept] == ["made by a user"]


def test_what_is_not_ours_and_runs_is_left_alone(home: Path, host: Host, write_spec: WriteSpec) -> None:
    shell = shell_of(home, "m")
    (shell / "bin").mkdir(parents=True)
    (shell / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    running = subprocess.Popen(
        [str(shell / "bin" / "python"), "-c", "import time; print(flush=True); time.sleep(60)"], stdout=-1
    )
    try:
        assert running.stdout is not None
        running.stdout.readline()
        error = refused(write_spec("m", []), host)
    finally:
        running.kill()
        running.wait()
        assert running.stdout is not None
        running.stdout.close()
    assert isinstance(error, BusyError)
    assert (error.code, error.exit_code) == ("foreign-busy", 6)
    assert str(running.pid) in error.message
    assert (shell / "bin" / "python").exists()
