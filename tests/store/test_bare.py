"""A copied venv is what uv would have made there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from venvkit.base.process import Runner
from venvkit.store.env.bare import BareVenvs
from venvkit.tools.uv.client import Uv, find_uv


@pytest.fixture
def uv(home: Path) -> Uv:
    return find_uv(Runner(timeout=60), dict(os.environ))


def tree(root: Path) -> dict[str, str]:
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = f"{path.stat().st_mode:o} {path.read_text()}".replace(str(root), "HERE")
        else:
            found[name] = "folder"
    return found


def test_a_copy_is_what_uv_makes(uv: Uv, tmp_path: Path) -> None:
    bare, theirs, ours = BareVenvs(tmp_path / "models"), tmp_path / "theirs", tmp_path / "ours"
    uv.create_venv(sys.executable, theirs)
    for place in (tmp_path / "first", ours):
        bare.make(uv, sys.executable, place, keep_fds=())
    assert tree(ours) == tree(tmp_path / "first") == tree(theirs)
    done = subprocess.run(
        [ours / "bin" / "python", "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True
    )
    assert done.stdout.strip() == str(ours)
    sourced = f". {ours}/bin/activate && echo $VIRTUAL_ENV"
    done = subprocess.run(["/bin/sh", "-c", sourced], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(ours)


def test_uv_is_asked_once_for_each_interpreter(uv: Uv, tmp_path: Path) -> None:
    bare = BareVenvs(tmp_path / "models")
    uv.create_venv(sys.executable, tmp_path / "host")
    uv.runner.spawned.clear()
    for number in range(3):
        bare.make(uv, sys.executable, tmp_path / f"a{number}", keep_fds=())
        bare.make(uv, str(tmp_path / "host" / "bin" / "python"), tmp_path / f"b{number}", keep_fds=())
    assert len(uv.runner.spawned) == 2
    assert len(list((tmp_path / "models").iterdir())) == 2


def test_settings_of_uv_make_another(uv: Uv, tmp_path: Path) -> None:
    bare = BareVenvs(tmp_path / "models")
    bare.make(uv, sys.executable, tmp_path / "plain", keep_fds=())
    other = Uv(uv.path, uv.version, uv.runner, {**uv.environ, "UV_VENV_RELOCATABLE": "1"})
    bare.make(other, sys.executable, tmp_path / "relocatable", keep_fds=())
    assert len(list((tmp_path / "models").iterdir())) == 2


@pytest.mark.parametrize("odd", ["with blank", "with'quote", "with$dollar"])
def test_a_path_that_shells_must_quote_is_left_to_uv(uv: Uv, tmp_path: Path, odd: str) -> None:
    bare, theirs = BareVenvs(tmp_path / "models"), tmp_path / odd / "env"
    theirs.parent.mkdir()
    uv.runner.spawned.clear()
    bare.make(uv, sys.executable, theirs, keep_fds=())
    assert [argv[1] for argv in uv.runner.spawned] == ["venv"]
    assert not (tmp_path / "models").exists()
    assert (theirs / "pyvenv.cfg").exists()


def test_a_folder_that_cannot_be_written_is_no_fault(uv: Uv, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    bare = BareVenvs(tmp_path / "file" / "models")
    bare.make(uv, sys.executable, tmp_path / "env", keep_fds=())
    assert (tmp_path / "env" / "bin" / "python").exists()
