"""`diff`: two specs, a spec and an environment, or two environments."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Invoke, document
from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse


@pytest.fixture
def second(spec: Path, wheelhouse: Wheelhouse, write_spec: WriteSpec) -> Path:
    """A model that needs an older `tool` and a `base` that the host does not have, and `more`."""
    wheelhouse.add("base", "3.0")
    wheelhouse.add("more", "1.0")
    wheelhouse.add("tool", "1.0")
    return write_spec("second", ["tool<2", "base>=3", "more"])


def change(name: str, before: str | None, after: str | None, how_before: str, how_after: str) -> dict[str, Any]:
    return {"name": name, "before": before, "after": after, "how_before": how_before, "how_after": how_after}


CHANGES = [
    change("base", "1.0", "3.0", "inherited", "installed"),
    change("more", None, "1.0", "", "installed"),
    change("tool", "2.0", "1.0", "installed", "installed"),
]


def test_two_specs(invoke: Invoke, spec: Path, second: Path, home: Path) -> None:
    done = invoke("diff", spec, second, "--json")
    data = document(done.stdout)["data"]
    assert list(data) == ["before", "after", "changes"]
    assert [list(data[side]) for side in ("before", "after")] == [["model", "environment", "key"]] * 2
    assert [(data[side]["model"], data[side]["environment"]) for side in ("before", "after")] == [
        ("hello", ""),
        ("second", ""),
    ]
    assert data["before"]["key"] == document(invoke("plan", spec, "--json").stdout)["data"]["key"]
    assert data["changes"] == CHANGES
    assert not home.exists()


def test_environments_by_name_and_by_id(invoke: Invoke, spec: Path, second: Path) -> None:
    built = [document(invoke("build", path, "--json").stdout)["data"] for path in (spec, second)]
    ids = [Path(item["environment"]).name for item in built]
    for names in (("hello", "second"), ids, ("hello", ids[1])):
        data = document(invoke("diff", *names, "--json").stdout)["data"]
        assert data["before"] == {"model": "hello", "environment": ids[0], "key": built[0]["key"]}
        assert data["after"] == {"model": "second", "environment": ids[1], "key": built[1]["key"]}
        assert data["changes"] == CHANGES


def test_an_environment_and_a_new_plan(invoke: Invoke, spec: Path, wheelhouse: Wheelhouse, host: Host) -> None:
    assert invoke("build", spec).exit_code == 0
    same = document(invoke("diff", "hello", spec, "--json").stdout)["data"]
    assert (same["changes"], same["before"]["key"]) == ([], same["after"]["key"])
    wheelhouse.add("tool", "2.5", requires=["base>=1"])
    grown = document(invoke("diff", "hello", spec, "--upgrade", "--json").stdout)["data"]
    assert grown["changes"] == [change("tool", "2.0", "2.5", "installed", "installed")]
    origin = document(invoke("diff", "hello", spec, "--no-skip-installed", "-p", "tool==2.0", "--json").stdout)["data"]
    assert origin["changes"] == [change("base", "1.0", "1.0", "inherited", "installed")]
    backwards = document(invoke("diff", spec, "hello", "-p", "tool==2.5", "--json").stdout)["data"]
    assert backwards["changes"] == [change("tool", "2.5", "2.0", "installed", "installed")]


def test_diff_as_text(invoke: Invoke, spec: Path, second: Path) -> None:
    built = document(invoke("build", spec, "--json").stdout)["data"]
    text = invoke("diff", "hello", second, "-q").stdout
    lines = text.splitlines()
    assert lines[0] == f"hello ({Path(built['environment']).name}) -> second (a new plan): 3 differences"
    assert lines[1].split() == ["name", "change", "before", "after", "was", "is"]
    assert [line.split() for line in lines[2:]] == [
        ["base", "version", "1.0", "3.0", "inherited", "installed"],
        ["more", "added", "-", "1.0", "installed"],
        ["tool", "version", "2.0", "1.0", "installed", "installed"],
    ]
    assert re.search(r"more +removed +1.0 +-", invoke("diff", second, "hello", "-q").stdout)
    isolated = invoke("diff", spec, "hello", "--no-skip-installed", "-p", "base==1.0", "-q").stdout
    assert re.search(r"base +origin +1.0 +1.0 +installed +inherited", isolated)
    assert invoke("diff", "hello", "hello").stdout.endswith(": the same distributions\n")


def test_equal_distributions_of_unequal_environments(
    invoke: Invoke, spec: Path, host: Host, wheelhouse: Wheelhouse
) -> None:
    assert invoke("build", spec).exit_code == 0
    wheelhouse.add("tool", "2.0", requires=["base>=1"], files={"tool.py": "changed = True\n"})
    text = invoke("diff", "hello", spec, "--verify", "tool", "-q").stdout
    assert "the same distributions" in text
    assert "their keys differ all the same" in text


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["SPEC"], "usage"),
        (["SPEC", "no-such.json"], "spec-not-found"),
        (["nobody", "SPEC"], "model-unknown"),
        (["SPEC", "nobody"], "model-unknown"),
        (["nobody", "nobody", "--isolated"], "model-unknown"),
    ],
)
def test_failures_of_diff(invoke: Invoke, spec: Path, home: Path, args: list[str], code: str) -> None:
    done = invoke("diff", *[spec if arg == "SPEC" else arg for arg in args], "--json")
    found = document(done.stdout)
    assert (done.exit_code, found["command"], found["data"]) == (2, "diff", {})
    assert found["error"]["code"] == code
    assert not home.exists()


@pytest.mark.parametrize("command", ["why", "diff"])
def test_a_malformed_variable_stops_both(
    invoke: Invoke, spec: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("VENVKIT_ORPHANS", "maybe")
    found = document(invoke(command, spec, "base", "--json").stdout)
    assert (found["command"], found["error"]["code"], found["error"]["where"]) == (
        command,
        "setting-invalid",
        "VENVKIT_ORPHANS",
    )
