"""uv as the backend: where it is found, what it is told, what its failures mean, what it may never touch."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.hosts import UV, Host, tree_hashes
from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit import ModelSpec, ensure_env, plan_env
from venvkit.base.process import Runner
from venvkit.errors import MachineError, SourceError, SpecError
from venvkit.events import Event, Warned
from venvkit.spec.levers import Levers
from venvkit.spec.request import Sources
from venvkit.tools.uv.client import Uv, find_uv


def fake_uv(folder: Path, version: str) -> str:
    path = folder / "uv"
    path.write_text(f"#!/bin/sh\necho uv {version}\n")
    path.chmod(0o755)
    return str(path)


def without_bundled(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise FileNotFoundError

    monkeypatch.setattr("uv.find_uv_bin", missing)


def test_the_bundled_binary_comes_first(tmp_path: Path) -> None:
    assert find_uv(Runner(), {"UV": fake_uv(tmp_path, "0.99.0")}).path == UV


def test_then_the_variable_then_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_bundled(monkeypatch)
    named, on_path = tmp_path / "named", tmp_path / "path"
    named.mkdir()
    on_path.mkdir()
    environ = {"UV": fake_uv(named, "0.99.1"), "PATH": str(on_path)}
    fake_uv(on_path, "0.99.2")
    assert find_uv(Runner(), environ).version == "0.99.1"
    assert find_uv(Runner(), {"PATH": str(on_path)}).version == "0.99.2"


def test_none_at_all_names_the_remedies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_bundled(monkeypatch)
    with pytest.raises(MachineError, match="not found") as caught:
        find_uv(Runner(), {"PATH": str(tmp_path)})
    assert (caught.value.code, caught.value.exit_code) == ("uv-missing", 7)
    assert "pip install uv" in caught.value.remedy


def test_too_old_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_bundled(monkeypatch)
    with pytest.raises(MachineError, match=r"0\.4\.0 is too old") as caught:
        find_uv(Runner(), {"UV": fake_uv(tmp_path, "0.4.0")})
    assert caught.value.code == "uv-too-old"


@pytest.mark.parametrize("command", [("pip", "install"), ("pip", "uninstall"), ("pip", "sync")])
def test_nothing_ever_writes_into_a_mirror(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, command: tuple[str, str]
) -> None:
    wheelhouse.add("tool", "1.0")
    planned = plan_env(write_spec("m", ["tool"]), host_python=host.python)
    mirror = next(path for path in (planned.job.cache / "mirrors").iterdir())
    before = tree_hashes(mirror)
    with pytest.raises(ValueError, match="planning mirror"):
        planned.job.tool.run([*command, "--python", str(mirror / "bin" / "python"), "tool"])
    assert tree_hashes(mirror) == before


def test_a_malformed_line_of_a_host_distribution_stops_no_plan(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec
) -> None:
    wheelhouse.add("base", "1.0", requires=["fine>=1"])
    wheelhouse.add("fine", "1.0")
    wheelhouse.add("tool", "1.0", requires=["base"])
    host.install("base")
    metadata = next(host.site_packages.glob("base-*.dist-info")) / "METADATA"
    metadata.write_text(metadata.read_text().replace("Requires-Dist: ", "Requires-Dist: (((broken\nRequires-Dist: "))
    plan = plan_env(write_spec("m", ["tool"]), host_python=host.python).plan
    assert [item.name for item in plan.inherit] == ["base", "fine"]


@pytest.mark.parametrize("where", ["packages", "find_links"])
def test_a_variable_in_an_address_is_refused(home: Path, host: Host, where: str) -> None:
    address = "https://evil.example/${SECRET_TOKEN}/x-1.0-py3-none-any.whl"
    spec = ModelSpec("m", (f"x @ {address}",) if where == "packages" else ("x",))
    with pytest.raises(SpecError) as caught:
        plan_env(spec, host_python=host.python, find_links=[address] if where == "find_links" else [])
    assert caught.value.exit_code == 2
    assert "${SECRET_TOKEN}" in str(caught.value)


def test_a_package_pinned_to_an_index_comes_from_there(
    home: Path, host: Host, wheelhouse: Wheelhouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    special = Wheelhouse(tmp_path / "special")
    special.add("tool", "1.0", files={"tool.py": "BUILD = 'special'\n"}, requires=["base"])
    wheelhouse.add("tool", "2.0")
    for house in (special, wheelhouse):
        house.add("base", "1.0", files={"base.py": f"FROM = {house.path.name!r}\n"})
    pinned, plain = HttpIndex(special).start(), HttpIndex(wheelhouse).start()
    try:
        spec = ModelSpec("m", ("tool",), index_url=plain.url, levers=Levers(sources=(("tool", pinned.url),)))
        env = ensure_env(spec, host_python=host.python)
        code = "import tool, base; print(tool.BUILD, base.FROM)"
        assert env.run(["python", "-c", code], capture=True).stdout.split() == ["special", "wheels"]
    finally:
        pinned.stop()
        plain.stop()


def test_an_optional_index_that_is_gone_is_left_out(
    home: Path, host: Host, wheelhouse: Wheelhouse, index: HttpIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse.add("tool", "1.0")
    gone = "http://127.0.0.1:9/simple"
    engines = tmp_path / "engines.toml"
    engines.write_text(f'[engines.mine]\npackages = ["tool"]\nextra_index_urls = ["{gone}"]\n')
    monkeypatch.setenv("VENVKIT_ENGINES", str(engines))
    spec = ModelSpec("m", ("#mine_dependencies#",), index_url=None, inherit_pip_config=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    with pytest.raises(SourceError):
        plan_env(spec, engine="mine", host_python=host.python)
    engines.write_text(engines.read_text() + f'optional_index_urls = ["{gone}"]\n')
    seen: list[Event] = []
    plan = plan_env(spec, engine="mine", host_python=host.python, observer=seen.append).plan
    assert [item.name for item in plan.install] == ["tool"]
    assert [event.code for event in seen if isinstance(event, Warned)] == ["index-unreachable"]
    with pytest.raises(SourceError) as caught:
        plan_env(spec, engine="mine", host_python=host.python, packages=["only-there"])
    assert any("only-there" in line for line in caught.value.details)


@pytest.mark.parametrize(("attempts", "works"), [("1", False), ("3", True)])
def test_a_failing_source_is_tried_as_often_as_the_setting_says(
    home: Path, host: Host, wheelhouse: Wheelhouse, index: HttpIndex, write_spec: WriteSpec,
    monkeypatch: pytest.MonkeyPatch, attempts: str, works: bool,
) -> None:  # fmt: skip
    wheelhouse.add("tool", "1.0")
    monkeypatch.delenv("UV_HTTP_RETRIES")
    monkeypatch.setenv("XINFERENCE_DOWNLOAD_MAX_ATTEMPTS", attempts)
    index.fail_first = 2
    spec = write_spec("m", ["tool"], index_url=index.url, find_links=[])
    if works:
        assert [item.name for item in plan_env(spec, host_python=host.python).plan.install] == ["tool"]
    else:
        with pytest.raises(SourceError):
            plan_env(spec, host_python=host.python)


def test_a_refusal_is_never_tried_again(
    home: Path, host: Host, index: HttpIndex, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_HTTP_RETRIES")
    index.fail_with = 403
    with pytest.raises(SourceError):
        plan_env(write_spec("m", ["tool"], index_url=index.url, find_links=[]), host_python=host.python)
    assert index.requests == ["/simple/tool/"]


def test_pins_that_are_known_ask_nobody_again(
    home: Path, host: Host, wheelhouse: Wheelhouse, index: HttpIndex, write_spec: WriteSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    wheelhouse.add("base", "1.0")
    wheelhouse.add("tool", "1.0", requires=["base"])
    spec = write_spec("m", ["tool"], index_url=index.url, find_links=[])
    first = plan_env(spec, host_python=host.python)
    spawned = len(first.job.runner.spawned)
    second = plan_env(spec, host_python=host.python)
    commands = [argv[1:3] for argv in second.job.runner.spawned]
    assert ("pip", "compile") not in commands
    assert len(commands) < spawned
    assert second.plan == first.plan


def test_the_operators_own_uv_settings_stay_in_force(tmp_path: Path) -> None:
    uv = Uv(UV, "0", Runner(), {**os.environ, "UV_INDEX": "https://op/simple", "VIRTUAL_ENV": "/elsewhere"})
    env = uv._child_environ(Sources.said("spec", extra_index_urls=("https://spec/simple",)), ())
    assert env["UV_INDEX"] == "https://spec/simple https://op/simple"
    assert "VIRTUAL_ENV" not in env
    replaced = uv._child_environ(Sources.said("spec", index_url="https://only/simple"), ())
    assert (replaced["UV_DEFAULT_INDEX"], replaced["UV_INDEX"]) == ("https://only/simple", "")
