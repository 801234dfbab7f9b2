"""Builds without isolation on a host that lacks what they import."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.tools.builds import WORKING, add_source
from tests.wheelhouse import Wheelhouse
from venvkit import ensure_env, plan_env
from venvkit.errors import MachineError
from venvkit.events import Event, Warned

pytestmark = pytest.mark.usefixtures("home")

# The host has `torchy` alone; the backend `maker` is to be had from the source.
SOURCES = {
    "old": ("import maker\n", '["maker"]'),
    "kernel": ("import torchy\n", "[]"),
    "both": ("import torchy, maker\n", '["maker"]'),
    "neither": ("import nowhere\n", "[]"),
    "plain": ("", "[]"),
}


@pytest.fixture
def slim(host: Host, wheelhouse: Wheelhouse) -> Host:
    wheel = wheelhouse.add("torchy", "1.0")
    host.install(wheel)
    wheel.unlink()
    wheelhouse.add("maker", "1.0")
    for name, (imports, requires) in SOURCES.items():
        add_source(wheelhouse.path, name, imports + WORKING, requires=requires)
    return host


Told = Callable[[Event], None]


def collect(into: list[Warned]) -> Told:
    return lambda event: into.append(event) if isinstance(event, Warned) else None


@pytest.mark.parametrize(
    ("packages", "told"),
    [
        (["plain"], []),
        (["kernel"], []),
        (["old"], ["`old==1.0` is built in isolation: without, it needs maker, which the host lacks"]),
        (["old", "plain"], ["`old==1.0` is built in isolation: without, it needs maker, which the host lacks"]),
    ],
)
def test_what_the_host_cannot_build_is_built_in_isolation(
    slim: Host, write_spec: WriteSpec, packages: list[str], told: list[str]
) -> None:
    spec = write_spec("m", packages, no_build_isolation=True)
    planned: list[Warned] = []
    plan = plan_env(spec, host_python=slim.python, observer=collect(planned)).plan
    assert [item.message for item in planned] == told
    assert [item.code for item in plan.warnings] == ["built-in-isolation"] * len(told)
    built: list[Warned] = []
    env = ensure_env(spec, host_python=slim.python, observer=collect(built))
    # Where the plan of a moment ago is not used again, uv has what it built for that, and builds nothing.
    assert [item.message for item in built] in (told, []), "said once at most"
    assert env.run(["python", "-c", f"import {', '.join(packages)}"]).returncode == 0


def test_what_only_the_host_has_stays_without_isolation(slim: Host, write_spec: WriteSpec) -> None:
    spec = write_spec("m", ["kernel", "old"], no_build_isolation=True)
    told: list[Warned] = []
    env = ensure_env(spec, host_python=slim.python, observer=collect(told))
    assert [item.code for item in told] == ["built-in-isolation"]
    assert env.run(["python", "-c", "import kernel, old"]).returncode == 0


def test_the_metadata_that_uv_keeps_changes_no_key(slim: Host, write_spec: WriteSpec, tmp_path: Path) -> None:
    """uv keeps the metadata of a build: the next plan runs none and so warns of none."""
    spec = write_spec("m", ["old"], no_build_isolation=True)
    first = plan_env(spec, host_python=slim.python)
    again = plan_env(spec, host_python=slim.python, upgrade=True)
    assert first.key == again.key


@pytest.mark.parametrize("package", ["both", "neither"])
def test_what_fails_either_way_says_so(slim: Host, write_spec: WriteSpec, package: str) -> None:
    with pytest.raises(MachineError) as caught:
        plan_env(write_spec("m", [package], no_build_isolation=True), host_python=slim.python)
    assert caught.value.code == "build-failed"
    lacking: Mapping[str, str] = {"both": "maker", "neither": "nowhere"}
    assert f"install {lacking[package]} into the host" in caught.value.remedy


def test_with_isolation_nothing_is_repeated(slim: Host, write_spec: WriteSpec) -> None:
    told: list[Warned] = []
    plan_env(write_spec("m", ["old"]), host_python=slim.python, observer=collect(told))
    assert told == []
