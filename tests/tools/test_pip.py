"""What is pip's own: the levers it has no means for, the indexes it loses in silence, the mirror, the failures."""

from __future__ import annotations

import os
import sys
import tarfile
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.conftest import WriteSpec
from tests.hosts import Host, tree_hashes
from tests.pips import share_pip
from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit import ensure_env, plan_env
from venvkit.base.process import Completed, Runner
from venvkit.errors import MachineError, NoSolutionError, SourceError, UsageError
from venvkit.spec.levers import Levers
from venvkit.spec.request import Sources
from venvkit.tools.pip.client import Pip
from venvkit.tools.pip.resolver import PipFiles
from venvkit.tools.refusals import lost_sources


@pytest.fixture(autouse=True)
def _cache(
    home: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    share_pip(tmp_path, tmp_path_factory)
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.fixture
def pip(tmp_path: Path) -> Pip:
    return Pip(tmp_path / "cache" / "venvkit" / "pip", Runner(timeout=60), dict(os.environ), attempts=1)


@pytest.mark.parametrize(
    ("lever", "value"),
    [
        ("overrides", ["base>=1"]),
        ("excludes", ["base"]),
        ("sources", {"tool": "http://127.0.0.1:9/simple"}),
        ("exclude_newer", "2026-01-31"),
        ("torch_backend", "cpu"),
        ("index_strategy", "first-index"),
        ("no_build_isolation", True),
    ],
)
def test_a_lever_that_pip_lacks_is_refused_by_name(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, home: Path, lever: str, value: object
) -> None:
    wheelhouse.add("tool", "1.0")
    spec = write_spec("m", ["tool"], **{lever: value})
    with pytest.raises(UsageError) as caught:
        ensure_env(spec, host_python=host.python, backend="pip")
    assert (caught.value.code, caught.value.exit_code, caught.value.where) == ("backend-lever", 2, lever)
    assert lever in caught.value.message
    assert "pip" in caught.value.message
    assert not (home / "virtualenv" / "envs").exists() or not any((home / "virtualenv" / "envs").iterdir())


def test_the_choice_of_the_best_version_is_what_pip_does_anyway(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec
) -> None:
    wheelhouse.add("tool", "1.0")
    spec = write_spec("m", ["tool"], index_strategy="unsafe-best-match")
    assert len(plan_env(spec, host_python=host.python, backend="pip").plan.install) == 1


def test_the_argument_wins_over_the_setting(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse.add("tool", "1.0")
    monkeypatch.setenv("VENVKIT_BACKEND", "pip")
    spec = write_spec("m", ["tool"])
    assert plan_env(spec, host_python=host.python).job.backend == "pip"
    assert plan_env(spec, host_python=host.python, backend="uv").job.backend == "uv"


def test_uv_has_no_part_in_it(host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec) -> None:
    wheelhouse.add("tool", "1.0")
    planned = plan_env(write_spec("m", ["tool"]), host_python=host.python, backend="pip")
    programs = {Path(argv[0]).name for argv in planned.job.runner.spawned}
    assert programs
    assert all(name.startswith("python") for name in programs)
    env = ensure_env(write_spec("m", ["tool"]), host_python=host.python, backend="pip")
    assert env.receipt.uv == ""


def test_each_backend_builds_its_own_environment(host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec) -> None:
    wheelhouse.add("tool", "1.0")
    spec = write_spec("m", ["tool"])
    by_pip = ensure_env(spec, host_python=host.python, backend="pip")
    by_uv = ensure_env(spec, host_python=host.python)
    assert by_pip.key != by_uv.key
    assert by_pip.path != by_uv.path


def test_pip_itself_counts_as_installed_nowhere(host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec) -> None:
    wheelhouse.add("pip", "99.0")
    plan = plan_env(write_spec("m", ["pip"]), host_python=host.python, backend="pip").plan
    assert [(item.name, item.version) for item in plan.install] == [("pip", "99.0")]


def test_a_wheel_of_another_version_is_preferred_to_a_build(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec
) -> None:
    wheelhouse.add("tool", "1.0")
    source = wheelhouse.path / "tool-2.0"
    source.mkdir()
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: tool\nVersion: 2.0\n")
    with tarfile.open(wheelhouse.path / "tool-2.0.tar.gz", "w:gz") as archive:
        archive.add(source, "tool-2.0")
    plan = plan_env(write_spec("m", ["tool"]), host_python=host.python, backend="pip").plan
    assert [(item.version, item.description.builds) for item in plan.install] == [("1.0", False)]


def test_a_source_distribution_that_may_not_be_built_is_no_candidate(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec
) -> None:
    (wheelhouse.path / "tool-2.0.tar.gz").write_bytes(b"never opened")
    with pytest.raises(NoSolutionError):
        plan_env(write_spec("m", ["tool"], no_build=["tool"]), host_python=host.python, backend="pip")


@pytest.mark.parametrize("python", [".".join(map(str, sys.version_info[:2])), sys.executable])
def test_another_interpreter_is_found_without_uv(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, python: str
) -> None:
    wheelhouse.add("tool", "1.0")
    planned = plan_env(write_spec("m", ["tool"]), host_python=host.python, backend="pip", python=python)
    assert planned.job.child.interpreter.minor == ".".join(map(str, sys.version_info[:2]))


def test_an_interpreter_that_is_not_there(host: Host, write_spec: WriteSpec) -> None:
    with pytest.raises(UsageError) as caught:
        plan_env(write_spec("m", ["tool"]), host_python=host.python, backend="pip", python="3.99")
    assert caught.value.code == "interpreter-missing"


def test_nothing_ever_writes_into_a_mirror(host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, pip: Pip) -> None:
    wheelhouse.add("tool", "1.0")
    planned = plan_env(write_spec("m", ["tool"]), host_python=host.python, backend="pip")
    mirror = next((planned.job.cache / "mirrors").iterdir())
    before = tree_hashes(mirror)
    args = ["--no-index", "--find-links", wheelhouse.url, "tool"]
    minor = planned.job.child.interpreter.minor
    with pytest.raises(ValueError, match="planning mirror"):
        pip.install(str(mirror / "bin" / "python"), args, Sources(), minor=minor)
    assert tree_hashes(mirror) == before


def test_an_interpreter_that_is_too_old_for_pip(host: Host, pip: Pip) -> None:
    with pytest.raises(MachineError) as caught:
        pip.install(host.python, [], Sources(), minor="2.7")
    assert caught.value.code == "pip-missing"


def test_an_optional_index_may_be_lost_and_no_other(
    host: Host, wheelhouse: Wheelhouse, pip: Pip, tmp_path: Path
) -> None:
    wheelhouse.add("tool", "1.0")
    gone = "http://me:pw@127.0.0.1:9/simple"
    (tmp_path / "empty").mkdir()
    said = Sources.said(
        "caller", index_url=(tmp_path / "empty").as_uri(), extra_index_urls=(gone,), find_links=(wheelhouse.url,)
    )
    sources = replace(said, optional_index_urls=(gone,))
    pip.environ.pop("PIP_NO_INDEX")
    minor = ".".join(map(str, sys.version_info[:2]))
    args = ["--dry-run", *PipFiles(tmp_path, sources, Levers(), False).pins(["tool"])]
    done, lost = pip.install(host.python, args, sources, minor=minor)
    assert done.status == 0
    assert list(lost) == [gone]
    assert lost[gone].code == "source-unreachable"
    with pytest.raises(SourceError) as caught:
        pip.install(host.python, args, Sources(), minor=minor)
    assert "pw" not in str(caught.value)


def test_offline_asks_no_index(
    host: Host, wheelhouse: Wheelhouse, index: HttpIndex, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    wheelhouse.add("tool", "1.0")
    spec = write_spec("m", ["tool"], index_url=index.url)
    plan = plan_env(spec, host_python=host.python, backend="pip", offline=True).plan
    assert [str(item.name) for item in plan.install] == ["tool"]
    assert index.requests == []


@pytest.mark.parametrize("form", ["path", "uri", "with slash"])
def test_a_folder_of_wheels_that_is_not_there_is_no_empty_folder(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, tmp_path: Path, form: str
) -> None:
    wheelhouse.add("tool", "1.0")
    gone = tmp_path / "gone wheels"
    link = str(gone) if form == "path" else gone.as_uri() + ("/" if form == "with slash" else "")
    spec = write_spec("m", ["tool"], find_links=[wheelhouse.url, link])
    with pytest.raises(SourceError) as caught:
        plan_env(spec, host_python=host.python, backend="pip")
    assert "gone" in str(caught.value)


def test_addresses_do_not_show_in_the_process_list(
    host: Host, wheelhouse: Wheelhouse, index: HttpIndex, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    wheelhouse.add("tool", "1.0")
    index.user = "me:top-secret"
    planned = plan_env(write_spec("m", ["tool"], index_url=index.url), host_python=host.python, backend="pip")
    assert planned.plan.install
    assert all("top-secret" not in part for argv in planned.job.runner.spawned for part in argv)


def test_an_operators_defaults_for_virtualenv_and_pip_do_not_reach_the_environment(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wheelhouse.add("tool", "1.0")
    monkeypatch.setenv("VIRTUALENV_SYSTEM_SITE_PACKAGES", "1")
    monkeypatch.setenv("PIP_TARGET", str(tmp_path / "aside"))
    env = ensure_env(write_spec("m", ["tool"]), host_python=host.python, backend="pip")
    assert "include-system-site-packages = false" in (env.path / "pyvenv.cfg").read_text()
    assert not (tmp_path / "aside").exists()


def test_a_project_that_an_index_lacks_is_no_lost_index() -> None:
    ran = Completed(("pip",), 1, "", "", 0.1)
    log = "2026 Could not fetch URL http://h/simple/tool/: 404 Client Error: Not Found for url: http://h - skipping\n"
    folder = "WARNING: Location 'file:///srv/simple/tool/' is ignored: it is neither a file nor a directory.\n"
    local = Sources.said("pip", index_url="file:///srv/simple", find_links=("file:///srv/wheels",))
    assert lost_sources(ran, log + folder, local, {}) == {}
    with pytest.raises(SourceError) as caught:
        lost_sources(ran, log.replace("404", "401"), Sources(optional_index_urls=("http://h/simple",)), {})
    assert caught.value.code == "source-refused"
