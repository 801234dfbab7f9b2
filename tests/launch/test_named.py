"""A model by its name, from the library: where it is found, and that the warm path notices what could change that."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse
from venvkit import ensure_env, plan_env
from venvkit.errors import SpecError, UsageError
from venvkit.events import Event, PhaseStarted, Warned, ignore
from venvkit.launch.repair import repair
from venvkit.store.layout import Layout
from venvkit.store.look.inventory import entries


@pytest.fixture(autouse=True)
def _tools(wheelhouse: Wheelhouse) -> None:
    for version in ("1.0", "2.0"):
        wheelhouse.add("tool", version)


@pytest.fixture
def put(wheelhouse: Wheelhouse) -> Iterator[object]:
    def write(folder: Path, name: str, package: str, **fields: object) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.json"
        block = {"packages": [package], "find_links": wheelhouse.url}
        path.write_text(json.dumps({"model_name": name, "virtualenv": block, **fields}), encoding="utf-8")
        return path

    return write


def versions(host: Host, name: str, **choices: object) -> list[str]:
    plan = plan_env(name, host_python=host.python, **choices).plan  # type: ignore[arg-type]
    return [item.version for item in plan.install]


def test_places_are_asked_in_their_order(home: Path, host: Host, tmp_path: Path, put) -> None:
    with pytest.raises(SpecError) as caught:
        plan_env("mine", host_python=host.python)
    assert caught.value.code == "model-unknown"
    shipped = host.site_packages / "xinference" / "model" / "embedding" / "models"
    put(shipped, "mine", "tool==1.0")
    assert versions(host, "mine") == ["1.0"]
    put(home / "model" / "v2" / "builtin" / "embedding", "mine", "tool==2.0")
    assert versions(host, "mine") == ["2.0"]
    put(home / "model" / "v2" / "embedding", "mine", "tool==1.0")
    assert versions(host, "mine") == ["1.0"]
    put(tmp_path / "given", "mine", "tool==2.0")
    assert versions(host, "mine", specs=[tmp_path / "given"]) == ["2.0"]
    assert versions(host, "mine") == ["1.0"]


def test_where_it_was_found_is_told(home: Path, host: Host, put) -> None:
    path = put(home / "model" / "v2" / "llm", "mine", "tool")
    events: list[Event] = []
    plan_env("mine", host_python=host.python, observer=events.append)
    (told,) = (event.detail for event in events if isinstance(event, PhaseStarted) and event.phase == "request")
    assert told.startswith("mine (")
    assert str(path) in told


def test_the_second_launch_by_name_does_not_plan(home: Path, host: Host, put) -> None:
    put(home / "model" / "v2" / "llm", "mine", "tool")
    assert ensure_env("mine", host_python=host.python).built
    events: list[Event] = []
    again = ensure_env("mine", host_python=host.python, observer=events.append)
    assert (again.built, events) == (False, [])
    assert again.shell == home / "virtualenv" / "v4" / "mine" / "default" / again.version


@pytest.mark.parametrize("change", ["edited", "hidden by an earlier place", "a folder of its name is no spec"])
def test_a_change_of_what_a_name_means_is_noticed(
    home: Path, host: Host, put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.chdir(tmp_path)
    put(home / "model" / "v2" / "builtin" / "llm", "mine", "tool==1.0")
    first = ensure_env("mine", host_python=host.python)
    if change == "edited":
        put(home / "model" / "v2" / "builtin" / "llm", "mine", "tool>=2.0")
    elif change == "hidden by an earlier place":
        put(home / "model" / "v2" / "llm", "mine", "tool==2.0")
    else:
        (tmp_path / "mine").mkdir()
        assert ensure_env("mine", host_python=host.python).path == first.path
        return
    assert ensure_env("mine", host_python=host.python).path != first.path


def test_a_file_of_that_name_is_a_path(
    home: Path, host: Host, put, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home / "model" / "v2" / "llm", "mine", "tool==1.0")
    monkeypatch.chdir(write_spec("other", ["tool==2.0"]).rename(host.prefix / "mine").parent)
    assert versions(host, "mine") == ["2.0"]
    assert plan_env(Path("mine"), host_python=host.python).reading.spec.name == "other"
    with pytest.raises(SpecError, match="cannot be read"):
        plan_env(Path("hello"), host_python=host.python)


def test_a_variant_is_chosen_by_what_runs_here(home: Path, host: Host, wheelhouse: Wheelhouse) -> None:
    folder = home / "model" / "v2" / "builtin" / "audio"
    folder.mkdir(parents=True)
    objects = [
        {
            "model_name": "mine",
            "engine": engine,
            "virtualenv": {"packages": [f"tool=={version}"], "find_links": wheelhouse.url},
        }
        for engine, version in (("MLX", "1.0"), ("transformers", "2.0"))
    ]
    (folder / "audio_models.json").write_text(json.dumps(objects))
    assert versions(host, "mine") == ["2.0"]
    assert versions(host, "mine", variant=1) == ["1.0"]
    assert versions(host, "mine", engine="mlx") == ["1.0"]


def test_a_spec_for_engines_without_one_is_warned_of(home: Path, host: Host, put) -> None:
    put(home / "model" / "v2" / "llm", "mine", 'tool ; #engine# == "vllm"')
    events: list[Event] = []
    plan_env("mine", host_python=host.python, observer=events.append)
    (warning,) = (event for event in events if isinstance(event, Warned))
    assert (warning.code, "vllm" in warning.message) == ("engine-not-chosen", True)


def test_switched_off_a_name_is_kept_whole(home: Path, host: Host) -> None:
    assert ensure_env("bge-small-en-v1.5", host_python=host.python, enable=False).model == "bge-small-en-v1.5"


def test_a_spoilt_environment_of_a_name_is_built_again(home: Path, host: Host, put) -> None:
    put(home / "model" / "v2" / "llm", "mine", "tool")
    first = ensure_env("mine", host_python=host.python)
    layout = Layout(home)
    (entry,) = entries(layout)
    again = repair(layout, entry, ignore)
    assert again.built
    assert again.path != first.path


def test_a_folder_of_its_name_that_becomes_a_file_is_noticed(
    home: Path, host: Host, put, write_spec: WriteSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home / "model" / "v2" / "llm", "mine", "tool==1.0")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    for _ in range(2):
        first = ensure_env("mine", host_python=host.python)
    (tmp_path / "mine").rmdir()
    write_spec("mine", ["tool==2.0"]).rename(tmp_path / "mine")
    assert ensure_env("mine", host_python=host.python).path != first.path


def test_no_other_model_is_built_in_place_of_a_spoilt_one(
    home: Path, host: Host, put, write_spec: WriteSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home / "model" / "v2" / "llm", "mine", "tool==1.0")
    ensure_env("mine", host_python=host.python)
    write_spec("mine", ["tool==2.0"]).rename(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    (entry,) = entries(Layout(home))
    with pytest.raises(UsageError) as caught:
        repair(Layout(home), entry, ignore)
    assert caught.value.code == "repair-unknown"


def test_a_spec_edited_during_its_first_launch_answers_for_neither_text(
    home: Path, host: Host, write_spec: WriteSpec
) -> None:
    spec = write_spec("mine", ["tool==1.0"])
    text = spec.read_text()

    def edit(event: Event) -> None:
        if isinstance(event, PhaseStarted) and event.phase == "probe":
            spec.write_text(text.replace("1.0", "2.0"))

    first = ensure_env(spec, host_python=host.python, observer=edit)
    spec.write_text(text)
    again = ensure_env(spec, host_python=host.python)
    assert (again.path, again.receipt.plan.install[0].version) == (first.path, "1.0")  # type: ignore[union-attr]


def test_settings_written_during_a_launch_count_for_the_next(home: Path, host: Host, write_spec: WriteSpec) -> None:
    spec = write_spec("mine", ["tool"])

    def write(event: Event) -> None:
        if isinstance(event, PhaseStarted) and event.phase == "probe":
            (home / "venvkit").mkdir(parents=True, exist_ok=True)
            (home / "venvkit" / "settings.toml").write_text("XINFERENCE_ENABLE_VIRTUAL_ENV = false\n")

    assert not ensure_env(spec, host_python=host.python, observer=write).is_host
    assert ensure_env(spec, host_python=host.python).is_host


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "\udcff", "caf\u00e9 \u4e2d", "%20", " "])
def test_odd_names_end_in_an_error_of_ours(home: Path, host: Host, name: str) -> None:
    with pytest.raises(SpecError) as caught:
        ensure_env(name, host_python=host.python)
    assert caught.value.code == "model-unknown"


def test_a_pipe_of_its_name_keeps_no_launch_waiting(
    home: Path, host: Host, put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home / "model" / "v2" / "llm", "mine", "tool==1.0")
    os.mkfifo(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    assert versions(host, "mine") == ["1.0"]


def test_a_spec_that_is_no_text(home: Path, host: Host, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes(b'{"model_name": "\xff", "virtualenv": {"packages": []}}')
    with pytest.raises(SpecError) as caught:
        ensure_env(path, host_python=host.python)
    assert caught.value.code == "spec-malformed"
    path.chmod(0)
    if os.getuid() != 0:
        with pytest.raises(SpecError, match="Permission denied"):
            ensure_env(path, host_python=host.python)


def test_one_folder_may_be_given_alone(home: Path, host: Host, put, tmp_path: Path) -> None:
    put(tmp_path / "given", "mine", "tool==2.0")
    assert versions(host, "mine", specs=tmp_path / "given") == ["2.0"]


@pytest.mark.parametrize(
    ("engine", "codes"),
    [("vllm", []), ("mlx", ["engine-not-named", "engine-elsewhere"]), ("sglang", ["engine-not-named"])],
)
@pytest.mark.skipif(sys.platform == "darwin", reason="mlx runs here")
def test_an_engine_that_is_not_the_models_is_warned_of(
    home: Path, host: Host, put, wheelhouse: Wheelhouse, engine: str, codes: list[str]
) -> None:
    put(home / "model" / "v2" / "llm", "mine", 'tool ; #engine# == "vLLM"')
    events: list[Event] = []
    plan_env("mine", host_python=host.python, engine=engine, observer=events.append)
    assert [event.code for event in events if isinstance(event, Warned)] == codes


def test_a_file_called_like_the_model_that_cannot_be_read_is_told(home: Path, host: Host, put) -> None:
    put(home / "model" / "v2" / "builtin" / "llm", "mine", "tool")
    broken = put(home / "model" / "v2" / "llm", "mine", "tool")
    broken.write_text("{oops")
    events: list[Event] = []
    plan_env("mine", host_python=host.python, observer=events.append)
    (warning,) = (event for event in events if isinstance(event, Warned))
    assert (warning.code, str(broken) in warning.message) == ("spec-passed-over", True)


def test_a_junk_file_of_its_name_is_told_as_such(
    home: Path, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hello").write_text("junk")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError) as caught:
        plan_env("hello", host_python=host.python)
    assert "in this directory" in caught.value.remedy
