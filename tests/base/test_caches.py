"""The folder for what can be made again: the first place that can be written, and never a reason to fail."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.hosts import Host
from venvkit import ensure_env, plan_env
from venvkit.base.caches import cache_folder, uv_cache

# Nobody can make a folder there, not even root, whom no mode keeps out.
UNWRITABLE = "/proc/nowhere"


def places(tmp_path: Path, **given: str) -> tuple[dict[str, str], Path]:
    environ = {"HOME": str(tmp_path / "user"), "TMPDIR": str(tmp_path / "tmp"), **given}
    (tmp_path / "tmp").mkdir()
    return {name: value for name, value in environ.items() if value != "unset"}, tmp_path / "store" / "cache"


def test_xdg_goes_first_then_home(tmp_path: Path) -> None:
    environ, store = places(tmp_path, XDG_CACHE_HOME=str(tmp_path / "xdg"))
    assert cache_folder(environ, store) == tmp_path / "xdg" / "venvkit"
    environ["XDG_CACHE_HOME"] = "relative"
    assert cache_folder(environ, store) == tmp_path / "user" / ".cache" / "venvkit"
    environ["XDG_CACHE_HOME"] = UNWRITABLE
    found = cache_folder(environ, store)
    assert found == tmp_path / "user" / ".cache" / "venvkit"
    assert found.is_dir()
    assert uv_cache(environ, found) == {"UV_CACHE_DIR": str(tmp_path / "user" / ".cache" / "uv")}
    assert uv_cache({**environ, "UV_CACHE_DIR": "/named"}, found) == {}


@pytest.mark.parametrize("home", [UNWRITABLE, "/dev/null", "relative"])
def test_without_a_home_the_store_that_is_there_then_a_folder_of_the_users_own(tmp_path: Path, home: str) -> None:
    environ, store = places(tmp_path, HOME=home)
    found = cache_folder(environ, store)
    assert found == tmp_path / "tmp" / f"venvkit-{os.getuid()}" / "venvkit"
    assert found.parent.stat().st_mode & 0o777 == 0o700
    assert not store.parent.exists(), "a plan makes no store"
    store.parent.mkdir()
    assert cache_folder(environ, store) == store / "venvkit"
    assert uv_cache(environ, store / "venvkit") == {"UV_CACHE_DIR": str(store / "uv")}


def test_a_folder_that_somebody_else_prepared_in_a_common_place_is_not_taken(tmp_path: Path) -> None:
    environ, store = places(tmp_path, HOME=UNWRITABLE)
    (tmp_path / "trap").mkdir()
    own = tmp_path / "tmp" / f"venvkit-{os.getuid()}"
    own.symlink_to(tmp_path / "trap")
    assert not cache_folder(environ, store).is_relative_to(tmp_path)
    own.unlink()
    own.mkdir()
    own.chmod(0o777)
    assert not cache_folder(environ, store).is_relative_to(tmp_path)
    assert list((tmp_path / "trap").iterdir()) == []


def test_a_user_without_an_entry_and_a_home_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_entry(uid: int) -> object:
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", no_entry)
    for home in ("unset", ""):
        environ, store = places(tmp_path, HOME=home)
        assert cache_folder(environ, store).is_relative_to(tmp_path / "tmp")
        (tmp_path / "tmp").rename(tmp_path / f"tmp-{home}")


@pytest.mark.parametrize("user", ["unset", "/proc", UNWRITABLE, "/dev/null"])
def test_a_plan_and_a_build_do_without_a_home(
    user: str, host: Host, write_spec: WriteSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.wheelhouse.add("tool", "1.0")
    spec = write_spec("m", ["tool"])
    monkeypatch.setenv("XDG_CACHE_HOME", UNWRITABLE)
    monkeypatch.delenv("UV_CACHE_DIR")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    if user == "unset":
        # The home of whoever runs the tests is real, and is no place for what a test makes.
        monkeypatch.setattr("pwd.getpwuid", lambda uid: type("Entry", (), {"pw_dir": UNWRITABLE}))
        monkeypatch.delenv("HOME")
    else:
        monkeypatch.setenv("HOME", user)
    before = set(Path.cwd().iterdir())
    assert [item.name for item in plan_env(spec, host_python=host.python).plan.install] == ["tool"]
    env = ensure_env(spec, host_python=host.python)
    assert env.run(["python", "-c", "import tool"]).returncode == 0
    assert set(Path.cwd().iterdir()) == before, "uv puts a cache into the working directory where it has no other"
