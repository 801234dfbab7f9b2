"""Builds that fit the host: companions of the host's torch come from its line, whoever asks for them.

Two indexes stand in for the public one and for that of one line; `tool` stands for torch, `vision` for its companion.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.hosts import Host, make_host
from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit import ensure_env, plan_env
from venvkit.events import Event, Warned
from venvkit.launch.planning import Planned

DATA = """
[host_indexes.torch]
packages = ["tool", "vision", "audio"]
without_accelerator = "cpu"
indexes = {{cpu = "{cpu}", cu130 = "{cuda}"}}
"""


@pytest.fixture
def line(tmp_path: Path) -> Iterator[HttpIndex]:
    house = Wheelhouse(tmp_path / "line")
    house.path.mkdir()
    house.add("vision", "1.0+cpu", requires=["tool"])
    house.add("tool", "2.0+cpu")
    server = HttpIndex(house).start()
    yield server
    server.stop()


@pytest.fixture
def public(home: Path, tmp_path: Path, line: HttpIndex, index: HttpIndex, wheelhouse: Wheelhouse,
           monkeypatch: pytest.MonkeyPatch) -> HttpIndex:  # fmt: skip
    wheelhouse.add("vision", "1.0", requires=["tool"])
    wheelhouse.add("tool", "2.0")
    wheelhouse.add("model", "1.0", requires=["vision"])
    wheelhouse.add("plain", "1.0")
    data = tmp_path / "engines.toml"
    data.write_text(DATA.format(cpu=line.url, cuda="http://127.0.0.1:9/cu130"), encoding="utf-8")
    monkeypatch.setenv("VENVKIT_ENGINES", str(data))
    return index


def planned(spec: Path, host: Host, **options: object) -> tuple[Planned, list[str]]:
    told: list[str] = []

    def observe(event: Event) -> None:
        if isinstance(event, Warned):
            told.append(event.code)

    made = plan_env(spec, host_python=host.python, observer=observe, accelerator="none", **options)  # type: ignore[arg-type]
    return made, told


def versions(made: Planned) -> dict[str, str]:
    return {str(item.name): item.version for item in made.plan.install}


@pytest.fixture
def cpu_host(home: Path, tmp_path: Path, line: HttpIndex) -> Host:
    host = make_host(tmp_path / "cpu-host", line.wheelhouse)
    host.install("tool==2.0+cpu")
    return host


@pytest.mark.parametrize("package", ["vision", "model"])
def test_a_companion_comes_from_the_line_of_the_host(
    public: HttpIndex, cpu_host: Host, write_spec: WriteSpec, package: str
) -> None:
    spec = write_spec("m", [package], find_links=[], index_url=public.url)
    made, told = planned(spec, cpu_host)
    assert versions(made)["vision"] == "1.0+cpu"
    assert (made.plan.lines, told) == (("vision",), [])
    env = ensure_env(spec, host_python=cpu_host.python, accelerator="none")
    code = "import importlib.metadata as m; print(m.version('vision'), m.version('tool'))"
    assert env.run(["python", "-c", code], capture=True).stdout.split() == ["1.0+cpu", "2.0+cpu"]


def test_a_line_that_cannot_be_reached_is_told_before_anything_is_downloaded(
    home: Path, public: HttpIndex, line: HttpIndex, cpu_host: Host, write_spec: WriteSpec
) -> None:
    line.stop()
    made, told = planned(write_spec("m", ["vision"], find_links=[], index_url=public.url), cpu_host)
    assert versions(made) == {"vision": "1.0"}
    assert told == ["build-line-missing"]
    (warning,) = made.plan.warnings
    assert "vision==1.0: not the build for the host's tool==2.0+cpu" in warning.message
    assert line.url in warning.message


def test_a_line_without_a_fitting_version_is_told(
    public: HttpIndex, cpu_host: Host, write_spec: WriteSpec, wheelhouse: Wheelhouse
) -> None:
    wheelhouse.add("audio", "1.0")
    made, told = planned(write_spec("m", ["audio"], find_links=[], index_url=public.url), cpu_host)
    assert (versions(made), told) == ({"audio": "1.0"}, ["build-line-missing"])


def test_without_an_accelerator_and_without_torch_the_plain_line_is_the_default(
    public: HttpIndex, host: Host, write_spec: WriteSpec
) -> None:
    made, told = planned(write_spec("m", ["model"], find_links=[], index_url=public.url), host)
    assert versions(made) == {"model": "1.0", "tool": "2.0+cpu", "vision": "1.0+cpu"}
    assert told == ["build-line"]
    told.clear()
    with_gpu = plan_env(
        write_spec("m", ["model"], find_links=[], index_url=public.url),
        host_python=host.python,
        accelerator="cuda=13.0,arch=sm_90",
    )
    assert versions(with_gpu) == {"model": "1.0", "tool": "2.0", "vision": "1.0"}
    assert with_gpu.plan.warnings == ()


@pytest.mark.parametrize("said", ["sources", "extra_index_urls", "find_links"])
def test_who_says_where_builds_come_from_is_heard(
    public: HttpIndex, line: HttpIndex, cpu_host: Host, write_spec: WriteSpec, wheelhouse: Wheelhouse, said: str
) -> None:
    options: dict[str, object] = {
        "sources": {"sources": {"vision": public.url}},
        "extra_index_urls": {"extra_index_urls": [public.url]},
        "find_links": {"find_links": [str(line.wheelhouse.path)]},
    }
    made, told = planned(
        write_spec("m", ["vision"], find_links=[], index_url=public.url),
        cpu_host,
        **options[said],  # type: ignore[arg-type]
    )
    assert versions(made) == {"vision": "1.0+cpu" if said == "find_links" else "1.0"}
    assert (made.plan.lines, told) == ((), [])


def test_other_plans_are_as_ever(public: HttpIndex, cpu_host: Host, write_spec: WriteSpec, line: HttpIndex) -> None:
    made, told = planned(write_spec("m", ["plain"], find_links=[], index_url=public.url), cpu_host)
    assert (versions(made), told, made.plan.resolves) == ({"plain": "1.0"}, [], 1)
