"""Which wishes give way to a conflict, as the real uv tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse
from venvkit import plan_env

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def wishful(host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec) -> Path:
    """A request for the host's num, and for an engine of which each release asks for another num or another torch."""
    for version in ("1.0", "2.0"):
        wheelhouse.add("torch", version)
        wheelhouse.add("num", version)
    for name in ("vision", "audio"):
        wheelhouse.add(name, "1.0", requires=["torch==2.0"])
    wheelhouse.add("engine", "1.0", requires=["torch==1.0"])
    wheelhouse.add("engine", "2.0", requires=["torch==2.0", "num<2"])
    host.install("torch==2.0", "num==2.0", "vision==1.0", "audio==1.0")
    return write_spec("m", ["#system_num#", "engine"])


def test_a_wish_gives_way_before_what_the_host_holds(wishful: Path, host: Host) -> None:
    plan = plan_env(wishful, host_python=host.python).plan
    assert {str(item.name): item.version for item in plan.install} == {"engine": "2.0", "num": "1.0"}
    assert [item.requirement for item in plan.relaxed] == ["num==2.0"]
    assert plan.resolves == 2


def test_a_wish_is_kept_where_the_conflict_is_of_others(host: Host, wheelhouse: Wheelhouse, wishful: Path) -> None:
    (wheelhouse.path / "engine-2.0-py3-none-any.whl").unlink()
    plan = plan_env(wishful, host_python=host.python).plan
    assert plan.relaxed == ()
    assert "num" not in {str(item.name) for item in plan.install}


def test_a_wish_for_a_version_that_the_request_rules_out_is_not_asked_for(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec
) -> None:
    for version in ("1.0", "2.0"):
        wheelhouse.add("tools", version)
    wheelhouse.add("torch", "1.0")
    wheelhouse.add("torch", "2.0", requires=["tools>=2"])
    host.install("torch==2.0")
    plan = plan_env(write_spec("m", ["#system_torch#", "tools<2"]), host_python=host.python).plan
    assert {str(item.name): item.version for item in plan.install} == {"tools": "1.0", "torch": "1.0"}
    assert [item.requirement for item in plan.relaxed] == ["torch==2.0"]
    assert plan.resolves == 1
