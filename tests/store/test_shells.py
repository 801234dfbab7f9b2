"""The shell is proved too: others may write in it, and it never starts without its environment."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.faults.world import World, imported
from tests.hosts import UV, tree_hashes
from tests.store.fakes import aged
from venvkit import Store
from venvkit.errors import ProofError
from venvkit.events import Event, Warned
from venvkit.formats.pointer import POINTER, pointed_to, pointer_line
from venvkit.store.lock.lease import last_use


@pytest.fixture
def world(quick_world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("VENVKIT_HOST_PYTHON", quick_world.host.python)
    return quick_world


def put(world: World, *requirements: str) -> None:
    """Install into the shell, as its user may."""
    links = ["--no-index", "--find-links", world.host.wheelhouse.url]
    argv = [UV, "pip", "install", "-q", "--no-deps", *links, "-p", str(world.shell / "bin" / "python"), *requirements]
    subprocess.run(argv, check=True)


def shell_python(world: World) -> Path:
    return world.shell / "bin" / "python"


def site_packages(world: World) -> Path:
    return next(world.shell.glob("lib/*/site-packages"))


def test_what_others_installed_is_told_and_moved_aside_by_an_upgrade(world: World) -> None:
    world.ensure("1.0")
    (site_packages(world) / "notes.txt").write_text("mine")
    (site_packages(world) / "_xinference_parent.pth").write_text("\n")
    put(world, "tool==3.0", "extra")
    assert imported(shell_python(world)) == "3.0", "it wins"
    found = Store().check("m")
    assert [warning.code for warning in found.warnings] == ["shell-changed"]
    assert "tool==3.0" in found.warnings[0].message
    assert "extra==1.0" in found.warnings[0].message
    events: list[Event] = []
    env = world.ensure("2.0", observer=events.append)
    assert imported(shell_python(world)) == imported(env.python) == "2.0"
    assert "shell-changed" in [event.code for event in events if isinstance(event, Warned)]
    assert {path.name for path in site_packages(world).iterdir()} - {"__pycache__"} == {
        POINTER, "notes.txt", "_xinference_parent.pth",
    }  # fmt: skip
    kept = [path.name for path in world.layout.foreign.rglob("*")]
    assert {"tool", "tool_data.py", "extra-1.0.dist-info", "tool-3.0.dist-info"} <= set(kept)
    assert (world.shell / "bin" / "tool-run").readlink() == env.path / "bin" / "tool-run", "the script is ours again"
    assert Store().check("m").failure is None


def test_a_repair_moves_it_aside_and_builds_nothing(world: World) -> None:
    env = world.ensure("1.0")
    put(world, "tool==3.0")
    before = tree_hashes(env.path)
    assert Store().check("m", repair=True).failure is None
    assert imported(shell_python(world)) == "1.0"
    assert tree_hashes(env.path) == before
    assert [path.name for path in world.layout.envs.iterdir()] == [env.path.name]


@pytest.mark.parametrize("redirect", ["", "2>&-", ">&- 2>&- <&-"])
def test_a_shell_without_its_environment_ends_the_start(redirect: str, world: World) -> None:
    env = world.ensure("1.0")
    env.path.rename(env.path.with_name("elsewhere"))
    argv = ["sh", "-c", f'exec "$0" -c "import os; os.mkdir(\'{world.home}/started\')" {redirect}', shell_python(world)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 7
    assert redirect or f"is gone; `venvkit build` makes it anew: {env.path}" in done.stderr
    assert not (world.home / "started").exists()


def test_pointers_are_read_in_both_forms() -> None:
    place = Path("/store/envs/ab'c-1/lib/python3.11/site-packages")
    assert pointed_to(pointer_line(place)) == str(place)
    former = (
        "import os, site, sys; _p, _, _e = os.environ.get('_VENVKIT_SHELL', '').partition('\\n'); "
        "site.addsitedir(_e if _p == sys.prefix and os.path.isdir(_e) else '/store/a-1/lib/site-packages')\n"
    )
    assert pointed_to(former.encode()) == "/store/a-1/lib/site-packages"
    assert pointed_to(b"import site; site.addsitedir('/x')\n") == ""


def test_a_start_up_file_of_others_that_ends_the_start_is_found(world: World) -> None:
    world.ensure("1.0")
    (site_packages(world) / "aaa.pth").write_text("import os; os._exit(3)\n")
    assert [warning.code for warning in Store().check("m").warnings] == ["start"]
    with pytest.raises(ProofError) as failed:
        world.ensure("2.0")
    assert failed.value.code == "child-broken"
    (site_packages(world) / "aaa.pth").unlink()
    assert imported(shell_python(world)) == "1.0", "the former environment is in force"
    assert imported(world.ensure("2.0").python) == "2.0"


def test_to_check_is_no_use(world: World) -> None:
    env = world.ensure("1.0")
    lease = world.layout.lease(env.path.name)
    aged(lease, time.time() - 40 * 86400)
    before = last_use(lease)
    assert Store().check("m").failure is None
    assert last_use(lease) == before
    assert os.access(env.python, os.X_OK)
