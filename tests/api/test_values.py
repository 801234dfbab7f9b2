"""What callers do with the values of the library: dicts in and out, comparison, pickles, short forms, observers."""

from __future__ import annotations

import json
import logging
import pickle
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse
from venvkit import ModelSpec, ensure_env, plan_env
from venvkit.errors import SpecError, UsageError
from venvkit.events import Event
from venvkit.plan.values import Plan

SPEC = {"model_name": "m", "virtualenv": {"packages": ["tool"]}}

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def file(wheelhouse: Wheelhouse, write_spec: WriteSpec) -> Path:
    wheelhouse.add("tool", "1.0")
    wheelhouse.add("base", "1.0")
    return write_spec("m", ["tool"])


@pytest.fixture
def spec(file: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(file.read_bytes())
    return read


def test_a_spec_is_a_dict_a_value_or_a_file(host: Host, spec: dict[str, Any], file: Path) -> None:
    value = ModelSpec.from_dict(spec)
    assert (value.name, value.packages) == ("m", ("tool",))
    assert ModelSpec.from_file(file).packages == value.packages
    forms = (spec, value, file, str(file))
    assert len({str(ensure_env(form, host_python=host.python).path) for form in forms}) == 1
    assert not ensure_env(spec, host_python=host.python).built


def test_a_dict_that_changes_is_another_spec(host: Host, spec: dict[str, Any]) -> None:
    first = ensure_env(spec, host_python=host.python)
    spec["virtualenv"]["packages"] = ["base"]
    assert ensure_env(spec, host_python=host.python) != first


@pytest.mark.parametrize("spec", [5, ["tool"], None, b"m"])
def test_a_model_of_another_type_is_refused(spec: Any) -> None:
    for call in (ensure_env, plan_env):
        with pytest.raises(UsageError) as failed:
            call(spec)
        assert (failed.value.code, bool(failed.value.remedy)) == ("spec-type", True)


def test_a_dict_with_faults_tells_all(home: Path) -> None:
    with pytest.raises(SpecError) as failed:
        ensure_env({"model_name": 5, "virtualenv": {"packages": "tool"}})  # type: ignore[dict-item]
    assert failed.value.code == "spec-invalid"
    assert len(failed.value.details) == 2
    assert not home.exists()


def test_a_file_of_several_specs_is_no_spec(tmp_path: Path) -> None:
    file = tmp_path / "two.json"
    file.write_text(json.dumps([SPEC, {**SPEC, "model_name": "n"}]), encoding="utf-8")
    with pytest.raises(SpecError) as failed:
        ModelSpec.from_file(file)
    assert failed.value.code == "model-ambiguous"


def test_environments_are_compared_printed_and_pickled(host: Host, spec: dict[str, Any]) -> None:
    built = ensure_env(spec, host_python=host.python)
    again = ensure_env(spec, host_python=host.python)
    assert (built.built, again.built) == (True, False)
    assert built == again == pickle.loads(pickle.dumps(built))
    assert len({built, again}) == 1
    assert built != ensure_env({**spec, "model_name": "n"}, host_python=host.python)
    assert built != "m"
    told = json.loads(json.dumps(again.to_dict()))
    assert (told["model"], told["interpreter"], told["built"]) == ("m", str(again.python), False)
    assert len(repr(built)) < 300


def test_plans_are_printed_short_and_told_as_dicts(host: Host, spec: dict[str, Any]) -> None:
    planned = plan_env(spec, host_python=host.python)
    assert planned == plan_env(spec, host_python=host.python)
    assert len(repr(planned)) < 300
    told = json.loads(json.dumps(planned.to_dict()))
    assert (told["model"], told["key"]) == ("m", planned.key)
    assert [item["name"] for item in told["plan"]["install"]] == ["tool"]
    assert isinstance(planned.plan, Plan)
    assert pickle.loads(pickle.dumps(planned.plan)) == planned.plan


def test_an_observer_that_raises_is_logged(host: Host, spec: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    def observe(event: Event) -> None:
        raise ValueError("of the observer")

    with caplog.at_level(logging.ERROR, logger="venvkit"):
        assert ensure_env(spec, host_python=host.python, observer=observe).built
    assert {record.name for record in caplog.records} == {"venvkit"}
    assert "of the observer" in caplog.text
