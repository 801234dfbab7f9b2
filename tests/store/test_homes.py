"""Which homes are taken, what of one is ours, and that nothing else is touched."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.conftest import WriteSpec
from tests.faults.world import World, imported
from tests.hosts import Host
from venvkit import ensure_env
from venvkit.cli.app import cli
from venvkit.errors import NoSolutionError, SettingError, UsageError
from venvkit.formats.receipt import read_receipt
from venvkit.host.contents import scripts
from venvkit.host.distribution import Distribution, scan
from venvkit.settings import load_settings
from venvkit.store.env.launchers import write_launchers
from venvkit.store.shell.point import is_pointed


@pytest.mark.parametrize("name", ["a:b", "a\tb", "a\nb", "a\rb", "a\x7fb", "a;b", "a\\b", "a\udcffb"])
@pytest.mark.parametrize("linked", [False, True])
def test_a_home_that_no_path_variable_and_no_script_can_carry_is_refused(
    name: str, linked: bool, tmp_path: Path
) -> None:
    home = tmp_path / name
    if linked:
        home.mkdir()
        (tmp_path / "link").symlink_to(home)
        home = tmp_path / "link"
    with pytest.raises(SettingError, match="accepted: a path that PATH"):
        load_settings({"XINFERENCE_HOME": str(home)})


@pytest.mark.parametrize("name", ["a b", "a'b", 'a"b', "a`touch ran`b", "a $(touch ran) b", "a''' b", "ä", "x" * 200])
def test_a_launcher_runs_from_any_other_home(name: str, tmp_path: Path, host: Host) -> None:
    wheel = host.wheelhouse.add(
        "dep", "1.0", scripts={"dep-run": "dep:main"}, files={"dep.py": "def main():\n    print('ran')\n"}
    )
    host.install("dep")
    prefix = tmp_path / name / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True)
    (site,) = prefix.glob("lib/*/site-packages")
    subprocess.run([sys.executable, "-m", "zipfile", "-e", wheel, site], check=True)
    (info,) = site.glob("dep-*.dist-info")
    write_launchers(prefix / "bin", [_distribution(info)])
    done = subprocess.run([prefix / "bin" / "dep-run"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.stdout, done.stderr) == ("ran\n", "")
    assert not (tmp_path / "ran").exists()


def _distribution(info: Path) -> Distribution:
    (found,) = scan([str(info.parent)])[0]
    assert scripts(found)
    return found


def test_paths_stay_real_when_a_link_moves(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = tmp_path / "current"
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    link.symlink_to(tmp_path / "a")
    monkeypatch.setenv("XINFERENCE_HOME", str(link))
    first = world.ensure()
    assert first.python.parent == Path(os.path.realpath(first.python.parent))
    assert str(first.shell).startswith(str(tmp_path / "a"))
    for _ in range(3):
        assert world.ensure().path == first.path
    link.unlink()
    link.symlink_to(tmp_path / "b")
    second = world.ensure()
    assert second.built, "the other store has none"
    assert second.path.is_relative_to(tmp_path / "b")
    assert imported(first.python) == "1.0"


def test_a_store_below_a_link_has_real_paths(world: World, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    world.home.mkdir()
    (world.home / "virtualenv").symlink_to(disk)
    env = world.ensure()
    assert env.path.is_relative_to(disk)
    assert not world.ensure().built
    assert CliRunner().invoke(cli, ["remove", "m"]).exit_code == 0
    assert (world.home / "virtualenv").is_symlink()
    assert disk.is_dir()


@pytest.mark.parametrize("prepared", ["", "virtualenv", "virtualenv/envs", "virtualenv/locks", "virtualenv/v4"])
def test_folders_that_an_administrator_prepared_stay(prepared: str, world: World, write_spec: WriteSpec) -> None:
    folder = world.home / prepared
    folder.mkdir(parents=True)
    folder.chmod(0o2770)
    parents = [path for path in (folder, *folder.parents) if path.is_relative_to(world.home)]
    refused = write_spec("refused", ["nothing-of-that-name"])
    for _ in range(2):
        with pytest.raises(NoSolutionError):
            ensure_env(refused, host_python=world.host.python)
        assert all(path.is_dir() for path in parents)
        assert folder.stat().st_mode & 0o7777 == 0o2770
        assert CliRunner().invoke(cli, ["gc"]).exit_code == 0
        assert all(path.is_dir() for path in parents)
    if prepared != "virtualenv/locks":
        assert set(world.home.rglob("*")) == set(parents) - {world.home}, "what we made is gone"
    world.ensure()
    for command in (["remove", "m"], ["gc", "--older-than", "0d"]):
        assert CliRunner().invoke(cli, command).exit_code == 0
        assert all(path.is_dir() for path in parents)


def test_requests_that_are_refused_at_once_leave_nothing(world: World, write_spec: WriteSpec) -> None:
    refused = [write_spec(f"refused{number}", ["nothing-of-that-name"]) for number in range(4)]

    def ask(spec: Path) -> None:
        with pytest.raises(NoSolutionError):
            ensure_env(spec, host_python=world.host.python)

    threads = [threading.Thread(target=ask, args=(spec,)) for spec in refused]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not world.home.exists()


def test_a_store_that_we_made_goes_with_its_last_model(world: World) -> None:
    world.ensure()
    assert CliRunner().invoke(cli, ["remove", "m"]).exit_code == 0
    assert CliRunner().invoke(cli, ["gc"]).exit_code == 0
    assert not world.home.exists()


def test_only_links_to_environments_are_touched_in_a_shells_bin(world: World, tmp_path: Path) -> None:
    first = world.ensure("1.0")
    assert first.shell is not None
    bin_folder = first.shell / "bin"
    own = {"nvcc": "/usr/bin/env", "gone": "/opt/cuda/bin/gone", "near": "../../bin/x", "loop": "loop"}
    for name, target in own.items():
        (bin_folder / name).symlink_to(target)
    (bin_folder / "mine.sh").write_text("data\n")
    (bin_folder / "former").symlink_to(first.path / "bin" / "former")
    second = world.ensure("2.0")
    assert {name: str((bin_folder / name).readlink()) for name in own} == own
    assert (bin_folder / "mine.sh").read_text() == "data\n"
    assert not os.path.lexists(bin_folder / "former")
    assert (bin_folder / "tool-run").readlink() == second.path / "bin" / "tool-run"


def test_a_missing_script_comes_back_to_a_shell(world: World) -> None:
    env = world.ensure()
    assert env.shell is not None
    (env.shell / "bin" / "tool-run").unlink()
    receipt = read_receipt(env.path)
    assert receipt is not None
    assert not is_pointed(env.shell, receipt)
    assert not world.ensure().built
    assert (env.shell / "bin" / "tool-run").exists()


@pytest.mark.parametrize("engine", ["default", "Default", "DEFAULT"])
def test_no_engine_is_called_default(engine: str, world: World, write_spec: WriteSpec) -> None:
    spec = write_spec("m", ['tool ; #engine# == "default"'])
    with pytest.raises(UsageError) as caught:
        ensure_env(spec, engine=engine, host_python=world.host.python)
    assert (caught.value.code, caught.value.exit_code) == ("engine-reserved", 2)


def test_an_engine_of_the_data_is_not_called_default(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines = tmp_path / "engines.toml"
    engines.write_text("[engines.default]\npackages = []\n")
    monkeypatch.setenv("VENVKIT_ENGINES", str(engines))
    with pytest.raises(UsageError) as caught:
        ensure_env(world.spec, engine="default", host_python=world.host.python)
    assert caught.value.code == "engine-reserved"
