"""Whether releases are looked for where they really come from: real uv, a real index on loopback."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit.base.process import Runner
from venvkit.errors import CancelledError
from venvkit.lint.check import Checked, lint
from venvkit.lint.registry import Registry
from venvkit.lint.releases import Releases, unasked
from venvkit.spec.configuration.sources import Sources
from venvkit.spec.data import data_dir
from venvkit.spec.engines import EngineTable, load_engines
from venvkit.spec.levers import Levers
from venvkit.tools.uv.client import find_uv

Ask = Callable[..., Checked]
NOWHERE = "http://127.0.0.1:9/simple"


@pytest.fixture
def runner(home: Path) -> Runner:
    return Runner()


@pytest.fixture
def wheels(wheelhouse: Wheelhouse) -> Wheelhouse:
    for version in ("1.0", "2.0", "3.0rc1"):
        wheelhouse.add("tool", version)
    wheelhouse.add("torch", "2.13.0+cu130", tag="cp311-cp311-manylinux_2_28_x86_64")
    wheelhouse.add("kernels", "1.0", tag="cp39-cp39-macosx_11_0_arm64")
    wheelhouse.add("kernels", "2.0", tag="cp313-cp313-win_amd64")
    wheelhouse.add("modern", "1.0", requires_python=">=3.13")
    (wheelhouse.path / "source-1.0.tar.gz").write_bytes(b"never opened")
    return wheelhouse


@pytest.fixture
def ask(spec_file: Callable[..., Path], runner: Runner, engines: EngineTable) -> Ask:
    """Lint one spec with these packages, and look for their releases."""

    def run(packages: list[str], table: EngineTable = engines, pip: Sources | None = None, **block: object) -> Checked:
        path = spec_file({"model_name": "m", "virtualenv": {"packages": packages, **block}})
        releases = Releases(find_uv(runner, dict(os.environ), attempts=1), pip or Sources())
        return lint([str(path)], engines=table, variables={"model_src"}, releases=releases)

    return run


def codes(checked: Checked) -> list[tuple[str, str]]:
    return [(one.code, one.spot.place.removeprefix("virtualenv.")) for one in checked.findings]


def test_what_is_there_is_found(ask: Ask, wheels: Wheelhouse, index: HttpIndex) -> None:
    packages = [
        "tool[extra]==1.0 ; has_cuda",
        "tool>=2.0 ; not has_cuda",
        "Tool==3.0rc1 ; has_npu",
        "torch==2.13.0+cu130",
        "kernels==1.0 ; sys_platform == 'darwin'",
        "kernels==2.0 ; sys_platform == 'win32'",
        "modern",
        "source<2",
        "#system_nowhere#",
        "#vllm_dependencies#",
        "far-away @ https://127.0.0.1:9/far_away-1.0-py3-none-any.whl",
    ]
    assert ask(packages, index_url=index.url).findings == ()
    assert not [path for path in index.requests if path.startswith("/files/")]


def test_what_is_missing_is_told_with_its_place(ask: Ask, wheels: Wheelhouse, index: HttpIndex) -> None:
    packages = ["tool==1.0", "tool==1.1 ; has_cuda", "tool>3 ; has_npu", "toool", "kernels==3.0", "torch==2.13.0"]
    checked = ask(packages, index_url=index.url)
    assert codes(checked) == [("release-missing", f"packages[{number}]") for number in (1, 2, 3, 4)]
    assert [one.what for one in checked.findings] == [
        "no source has a release for `tool==1.1`",
        "no source has a release for `tool>3`: only tool<=3.0rc1 is available",
        "no source has a release for `toool`: toool was not found in the package registry",
        "no source has a release for `kernels==3.0`",
    ]
    assert {one.severity for one in checked.findings} == {"error"}


def test_a_hundred_pins_are_one_or_two_questions(runner: Runner, wheelhouse: Wheelhouse, index: HttpIndex) -> None:
    names = [f"project-{number}" for number in range(25)]
    for name in names:
        for version in ("1.0", "2.0"):
            wheelhouse.add(name, version)
    pins = [f"{name}{specifier}" for name in names for specifier in ("==1.0", "==2.0", ">1", "<2")]
    uv = find_uv(runner, dict(os.environ), attempts=1)
    runner.spawned.clear()
    sources = Sources.said("spec", index_url=index.url)
    answer = Registry(uv).missing(pins, sources, Levers())
    assert (answer.missing, answer.lost, answer.failed) == ({}, "", False)
    assert len(runner.spawned) == 2
    runner.spawned.clear()
    wrong = ["project-3==7", "project-4==7", "nothing"]
    assert set(Registry(uv).missing([*pins, *wrong], sources, Levers()).missing) == set(wrong)
    assert len(runner.spawned) < 30


def test_pips_configuration_counts_unless_the_spec_does_not_want_it(
    ask: Ask, wheels: Wheelhouse, index: HttpIndex
) -> None:
    pip = Sources.said("pip", extra_index_urls=(index.url,))
    assert ask(["tool==2.0"], pip=pip).findings == ()
    assert codes(ask(["tool==2.0"], pip=pip, inherit_pip_config=False)) == [("release-missing", "packages[0]")]
    assert ask(["tool==2.0"], find_links=wheels.url).findings == ()


def test_the_indexes_of_engines_count_for_what_applies_under_them(
    ask: Ask, tmp_path: Path, wheels: Wheelhouse, index: HttpIndex
) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        f'[engines.own]\npackages = ["tool"]\nextra_index_urls = ["{index.url}"]\n'
        f'[[engines.other.cuda_indexes]]\ncuda = ">=13"\npackages = ["kernels"]\nindex_url = "{index.url}"\n',
        encoding="utf-8",
    )
    table = load_engines([own])
    lines = ['tool==2.0 ; #engine# == "own"', 'kernels==1.0 ; #engine# == "other"', 'modern ; #engine# == "other"']
    assert codes(ask(lines, table)) == [("release-missing", "packages[2]")]
    assert codes(ask(lines, table, extra_index_url=[f"{wheels.url}/none"]))[:2] == [
        ("release-missing", "packages[0]"),
        ("release-missing", "packages[2]"),
    ]


def test_a_package_tied_to_an_index_is_looked_for_there(ask: Ask, wheels: Wheelhouse, index: HttpIndex) -> None:
    assert ask(["tool==2.0"], sources={"tool": index.url}).findings == ()
    missing = ask(["tool==4.0", "tool==2.0 ; has_cuda"], sources={"tool": index.url})
    assert codes(missing) == [("release-missing", "packages[0]")]


def test_what_asks_for_nothing_is_not_looked_for(ask: Ask, wheels: Wheelhouse, index: HttpIndex) -> None:
    checked = ask(["tool==7", "tool", "toool==1", 'none ; extra == "x"'], index_url=index.url, overrides=["toool==2"])
    assert codes(checked) == [("line-replaced", "packages[0]"), ("marker-false", "packages[3]")]


def test_what_is_optional_may_be_missing(ask: Ask, wheels: Wheelhouse, index: HttpIndex) -> None:
    (found,) = ask(["tool==7"], index_url=index.url, optional=["Tool"]).findings
    assert (found.code, found.severity) == ("release-missing", "warning")


@pytest.mark.parametrize("status", [401, 403, 503])
def test_an_index_that_refuses_is_no_fault_of_the_spec(
    ask: Ask, wheels: Wheelhouse, index: HttpIndex, status: int
) -> None:
    index.fail_with = status
    (found,) = ask(["tool==1.0", "kernels"], index_url=index.url.replace("://", "://me:pass@")).findings
    assert (found.code, found.severity, found.spot.place) == ("not-checked", "warning", "virtualenv.packages[0]")
    assert "`tool==1.0`, `kernels`" in found.what
    assert "pass" not in found.what


def test_a_further_index_that_is_away_hides_only_what_no_other_has(
    ask: Ask, wheels: Wheelhouse, index: HttpIndex
) -> None:
    (found,) = ask(["tool==1.0", "tool==7 ; has_cuda"], index_url=index.url, extra_index_url=NOWHERE).findings
    assert (found.code, found.spot.place) == ("not-checked", "virtualenv.packages[1]")
    assert f"`tool==7` ({NOWHERE}: " in found.what


def test_a_source_is_not_asked_again_once_it_did_not_answer(
    ask: Ask, runner: Runner, wheels: Wheelhouse, index: HttpIndex
) -> None:
    ask(["tool==1.0"], index_url=index.url)
    before = len(runner.spawned)
    ask(["tool==7", "torch==7", "kernels==7"], index_url=index.url, extra_index_url=[NOWHERE])
    assert sum("--version" in argv for argv in runner.spawned[before:]) == 0
    assert len(runner.spawned) - before <= 7


def test_a_folder_of_wheels_that_is_away_is_told(ask: Ask, wheels: Wheelhouse, tmp_path: Path) -> None:
    (found,) = ask(["tool"], find_links=[str(tmp_path / "none")]).findings
    assert found.code == "not-checked"


def test_without_uv_nothing_is_checked(spec_file: Callable[..., Path], engines: EngineTable) -> None:
    path = spec_file({"model_name": "m", "virtualenv": {"packages": ["six", "a", "b", "c"]}})
    (found,) = lint([str(path)], engines=engines, releases=partial(unasked, "uv was not found")).findings
    assert (found.code, found.severity) == ("not-checked", "warning")
    assert found.what.endswith("`six`, `a`, `b` and 1 more (uv was not found)")


def test_looking_can_be_cancelled(
    spec_file: Callable[..., Path], home: Path, index: HttpIndex, wheels: Wheelhouse, engines: EngineTable
) -> None:
    cancel = threading.Event()
    uv = find_uv(Runner(cancel=cancel), dict(os.environ), attempts=1)
    path = spec_file({"model_name": "m", "virtualenv": {"packages": ["tool"], "index_url": index.url}})
    index.hang_on = "/tool/"
    threading.Timer(0.5, cancel.set).start()
    with pytest.raises(CancelledError):
        lint([str(path)], engines=engines, releases=Releases(uv))
    index.hang_on = ""


@pytest.mark.network
def test_the_shipped_specs_ask_for_what_there_is(engines: EngineTable) -> None:
    uv = find_uv(Runner(), dict(os.environ), attempts=1)
    models = str(data_dir() / "models")
    found = lint([models], engines=engines, variables={"model_src"}, releases=Releases(uv)).findings
    assert [one for one in found if one.code != "not-checked"] == []
