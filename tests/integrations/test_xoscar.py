"""The manager behind the worker of a real Xinference: what is asked of it, and what the server writes and reads."""

from __future__ import annotations

import ensurepip
import importlib.metadata as metadata
import json
import os
import pickle
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.hosts import UV
from tests.integrations.conftest import Worker
from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit.errors import VenvkitError

pytestmark = pytest.mark.integration

NOTE = ".xinference_setup_done"


def ask(manager: Any, code: str) -> str:
    """Run code with the interpreter that the server would start for the model."""
    done = subprocess.run([manager.get_python_path(), "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def version_of(manager: Any, name: str) -> str:
    return ask(manager, f"import {name}; print({name}.__version__)")


def environment(manager: Any) -> Path:
    """Return the environment that the place points to."""
    mark = json.loads((manager.env_path / "venvkit-shell.json").read_bytes())
    return Path(mark["environment"])


def environments(worker: Worker) -> set[str]:
    return {path.name for path in (worker.home / "virtualenv" / "envs").iterdir()}


def files_of(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.fixture
def clashing(wheelhouse: Wheelhouse) -> Wheelhouse:
    for version in ("1.0", "2.0"):
        wheelhouse.add("clash", version)
    wheelhouse.add("left", "1.0", requires=["clash==1.0"])
    wheelhouse.add("right", "1.0", requires=["clash==2.0"])
    return wheelhouse


def test_two_models_that_contradict_each_other(worker: Worker, clashing: Wheelhouse) -> None:
    left, right = worker.manager("one"), worker.manager("two", "flag")
    before = left.get_python_path()
    worker.prepare(left, ["left"])
    assert worker.told[0] == (0, 2, ("clash==1.0", "left==1.0"))
    assert worker.told[-1] == (2, 2, ("clash==1.0", "left==1.0"))
    worker.prepare(right, ["right"], "flag")
    assert (version_of(left, "clash"), version_of(right, "clash")) == ("1.0", "2.0")
    assert left.get_python_path() == before == str(worker.place("one") / "bin" / "python")
    assert ask(left, "import sys; print(sys.prefix)") == str(worker.place("one"))
    assert Path(right.get_lib_path()).is_relative_to(worker.place("two", "flag"))
    assert left.exists_env()
    assert left.is_available()


def test_the_interpreter_sees_the_host_before_anything_is_installed(worker: Worker) -> None:
    manager = worker.manager("bare")
    assert ask(manager, "import msgspec; print(msgspec.__file__)").startswith(sys.prefix)
    worker.prepare(manager, [])
    assert ask(manager, "import msgspec; print(msgspec.__file__)").startswith(sys.prefix)


def test_the_servers_note_is_believed_while_nothing_changes(worker: Worker, clashing: Wheelhouse) -> None:
    manager = worker.launch("one", ["left"])
    note = (manager.env_path / NOTE).stat()
    built = environments(worker)
    again = worker.launch("one", ["left"])
    assert worker.told == []
    assert (again.env_path / NOTE).stat().st_mtime_ns == note.st_mtime_ns
    assert environments(worker) == built


@pytest.mark.parametrize("change", ["environment", "shell", "variable", "removed"])
def test_the_servers_note_is_not_believed_after_a_change(
    worker: Worker, clashing: Wheelhouse, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = worker.launch("one", ["left"])
    place = environment(manager)
    if change == "environment":
        (next(place.glob("lib/*/site-packages")) / "clash.py").unlink()
    elif change == "shell":
        next(manager.env_path.glob("lib/*/site-packages/zzzz_venvkit.pth")).unlink()
    elif change == "variable":
        clashing.add("clash", "1.0.post1")
        monkeypatch.setenv("UV_PRERELEASE", "allow")
    else:
        shutil.rmtree(place)
    manager = worker.manager("one")
    assert not (manager.env_path / NOTE).exists()
    worker.prepare(manager, ["left"])
    assert version_of(manager, "clash") == "1.0"


def test_what_stock_xinference_made_is_put_aside_whole(worker: Worker, clashing: Wheelhouse) -> None:
    place = worker.place("one")
    subprocess.run([UV, "venv", "-q", str(place), "--python", sys.executable], check=True)
    (place / NOTE).write_text("{}", encoding="utf-8")
    before = files_of(place)
    manager = worker.launch("one", ["left"])
    assert version_of(manager, "clash") == "1.0"
    (aside,) = (worker.home / "virtualenv" / "foreign").iterdir()
    assert files_of(aside) == before


def test_deleting_one_model_leaves_the_one_that_shares_its_environment(worker: Worker, clashing: Wheelhouse) -> None:
    one, two = worker.launch("one", ["left"]), worker.launch("two", ["left"])
    assert environment(one) == environment(two)
    shutil.rmtree(one.env_path)  # as the server does it
    assert version_of(two, "clash") == "1.0"
    built = environments(worker)
    assert version_of(worker.launch("one", ["left"]), "clash") == "1.0"
    assert environments(worker) == built


def test_remove_env(worker: Worker, clashing: Wheelhouse) -> None:
    one = worker.launch("one", ["left"])
    place = environment(one)
    process = subprocess.Popen([one.get_python_path(), "-c", "input()"], stdin=subprocess.PIPE)
    try:
        time.sleep(0.5)
        with pytest.raises(subprocess.CalledProcessError, match="in use"):
            one.remove_env()
    finally:
        process.communicate(b"\n", timeout=30)
    one.remove_env()
    assert not one.env_path.exists()
    assert not place.exists()
    assert one.get_python_path() is None
    one.remove_env()


def test_create_env_options(worker: Worker, clashing: Wheelhouse) -> None:
    one = worker.launch("one", ["left"])
    with pytest.raises(FileExistsError):
        one.create_env(exists="error")
    with pytest.raises(ValueError, match="Invalid exists"):
        one.create_env(exists="perhaps")
    one.create_env(exists="clear")
    assert "ModuleNotFoundError" in ask(
        one, "import traceback\ntry:\n import clash\nexcept Exception: print(traceback.format_exc())"
    )


def test_what_the_server_installs_into_the_shell_wins_and_stays_there(worker: Worker, clashing: Wheelhouse) -> None:
    manager = worker.launch("one", ["left"])
    place = environment(manager)
    before = files_of(place)
    argv = ["--no-deps", "--no-index", "--find-links", clashing.url, "clash==2.0"]
    done = subprocess.run(
        [manager._get_uv_path(), "pip", "install", "-p", str(manager.env_path), *argv],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "- clash==1.0" in done.stderr
    assert version_of(manager, "clash") == "2.0"
    assert files_of(place) == before
    # As Xinference takes distributions away: by a pip that finds them, and by uv.
    subprocess.run([UV, "pip", "uninstall", "-q", "-p", manager.get_python_path(), "left"], check=True)
    assert files_of(place) == before


def test_the_server_lists_what_is_there(worker: Worker, clashing: Wheelhouse) -> None:
    manager = worker.launch("one", ["left"])
    found = metadata.distributions(path=[manager.get_lib_path()])
    assert sorted((item.name, item.version) for item in found) == [("clash", "1.0"), ("left", "1.0")]
    worker.launch("one", ["right"])
    found = metadata.distributions(path=[manager.get_lib_path()])
    assert sorted((item.name, item.version) for item in found) == [("clash", "2.0"), ("right", "1.0")]


def test_entry_points_and_files_of_a_distribution_are_found_in_the_child(
    worker: Worker, wheelhouse: Wheelhouse
) -> None:
    wheelhouse.add("tool", "1.0", scripts={"tool": "tool:main"}, files={"tool.py": "def main(): print('ran')\n"})
    manager = worker.launch("one", ["tool"])
    code = (
        "import importlib.metadata as m; print([e.value for e in m.entry_points(group='console_scripts', name='tool')])"
    )
    assert ask(manager, code) == "['tool:main']"
    assert subprocess.run([manager.env_path / "bin" / "tool"], capture_output=True, check=True).stdout == b"ran\n"


def test_what_the_server_edits_in_place_is_the_shells_own(
    worker: Worker, wheelhouse: Wheelhouse, tmp_path: Path
) -> None:
    files = {"vllm/__init__.py": "answer = 1\n", "vllm/big.bin": "x" * 1000, "vllm/sub/deep.py": "deep = 1\n"}
    wheelhouse.add("vllm", "0.30", files=files)
    one, two = worker.launch("one", ["vllm"], "vllm"), worker.launch("two", ["vllm"], "transformers")
    assert environment(one) == environment(two)
    before = files_of(environment(one))
    place = Path(ask(one, "import vllm; print(vllm.__file__)"))
    place.write_text("answer = 2\n", encoding="utf-8")
    assert ask(one, "import vllm, vllm.sub.deep; print(vllm.answer)") == "2"
    assert ask(two, "import vllm; print(vllm.answer)") == "1"
    assert files_of(environment(one)) == before
    # A third one takes the file from uv's cache.
    assert ask(worker.launch("three", ["vllm"]), "import vllm; print(vllm.answer)") == "1"
    checked = subprocess.run(
        [sys.executable, "-m", "venvkit", "check", "one"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    # The same version keeps its edits, another one is copied anew.
    worker.launch("one", ["vllm", "packaging"], "vllm")
    assert ask(one, "import vllm; print(vllm.answer)") == "2"
    wheelhouse.add("vllm", "0.31", files={"vllm/__init__.py": "answer = 3\n"})
    worker.launch("one", ["vllm==0.31"], "vllm")
    assert ask(one, "import vllm; print(vllm.answer)") == "3"
    assert not (place.parent / "sub").exists()


def test_cuda_libraries_are_where_the_server_looks_for_them(worker: Worker, wheelhouse: Wheelhouse) -> None:
    wheelhouse.add("nvidia-cusparselt-cu13", "0.8.0", files={"nvidia/cusparselt/lib/libcusparseLt.so.0": "elf"})
    wheelhouse.add("other", "1.0")
    manager = worker.launch("one", ["nvidia-cusparselt-cu13"])
    place = Path(manager.get_lib_path(), "nvidia", "cusparselt", "lib", "libcusparseLt.so.0")
    assert place.read_text(encoding="utf-8") == "elf"
    worker.launch("one", ["other"])
    assert not place.exists()


def test_a_second_installation_adds_to_the_first(worker: Worker, clashing: Wheelhouse) -> None:
    clashing.add("more", "1.0")
    manager = worker.launch("one", ["left"])
    manager.install_packages(["more"], find_links=[clashing.url])
    assert (version_of(manager, "clash"), version_of(manager, "more")) == ("1.0", "1.0")


def test_markers_take_the_variables_that_are_given(worker: Worker, clashing: Wheelhouse) -> None:
    manager = worker.manager("one", "flag")
    packages = ['left ; #engine# == "flag"', 'right ; #engine# == "vllm"', 'more ; #mode# == "remote"']
    manager.install_packages(packages, find_links=clashing.url, engine="flag", model_engine="flag", mode="local")
    assert version_of(manager, "clash") == "1.0"


def test_process_packages(worker: Worker) -> None:
    from venvkit.integrations.xoscar import VenvkitManager

    host = metadata.version("msgspec")
    packages = ["#system_msgspec#", 'a>=1 ; #engine# == "flag"', 'b ; #engine# == "vllm"', 'c ; cuda_version < "13.0"']
    assert VenvkitManager.process_packages(packages, engine="flag") == [f"msgspec=={host}", "a>=1"]
    with pytest.raises(subprocess.CalledProcessError, match="marker"):
        VenvkitManager.process_packages(["a ; #colour# == 'red'"])


def test_an_error_says_what_uv_says(worker: Worker, clashing: Wheelhouse) -> None:
    manager = worker.launch("one", ["left"])
    with pytest.raises(subprocess.CalledProcessError) as caught:
        worker.launch("one", ["left", "right"])
    assert isinstance(caught.value, VenvkitError)
    assert caught.value.returncode == 3
    text = str(caught.value)
    assert "clash==1.0" in text
    assert "clash==2.0" in text
    # The supervisor may run where there is no venvkit.
    other = pickle.loads(pickle.dumps(caught.value))
    assert (type(other), str(other)) == (RuntimeError, text)
    assert version_of(manager, "clash") == "1.0"


def test_an_installation_is_cancelled(worker: Worker, clashing: Wheelhouse) -> None:
    clashing.add("slow", "1.0")
    index = HttpIndex(clashing, hang_on="slow/").start()
    try:
        manager = worker.manager("one")
        caught: list[Any] = []

        def install() -> None:
            try:
                manager.install_packages(["slow"], index_url=index.url)
            except subprocess.CalledProcessError as error:
                caught.append(error)

        thread = threading.Thread(target=install)
        thread.start()
        while not any("slow" in path for path in index.requests):
            time.sleep(0.05)
        began = time.monotonic()
        manager.cancel_install()
        assert time.monotonic() - began < 5
        thread.join(5)
        assert isinstance(caught[0], subprocess.CalledProcessError)
        assert caught[0].code == "cancelled"
        index.hang_on = ""
        manager.install_packages(["slow"], index_url=index.url)
        assert version_of(manager, "slow") == "1.0"
    finally:
        index.stop()


def test_a_process_that_was_started_too_early_is_refused(worker: Worker, clashing: Wheelhouse) -> None:
    manager = worker.manager("one")
    process = subprocess.Popen([manager.get_python_path(), "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with pytest.raises(subprocess.CalledProcessError, match="started before"):
            worker.prepare(manager, ["left"])
    finally:
        process.communicate(b"\n", timeout=30)
    manager = worker.manager("one")
    process = subprocess.Popen(
        [manager.get_python_path(), "-c", "input(); import clash; print(clash.__version__)"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    worker.prepare(manager, ["left"])
    assert process.communicate(b"\n", timeout=30)[0] == b"1.0\n"


def test_a_pin_to_the_hosts_version_is_a_wish(worker: Worker, wheelhouse: Wheelhouse) -> None:
    from venvkit.integrations.xoscar.request import with_wishes

    host = metadata.version("numpy")
    assert with_wishes(["six", f"numpy=={host}"]) == ("six", "#system_numpy#")
    assert with_wishes(["numpy==0.1", "six"]) == ("numpy==0.1", "six")
    wheelhouse.add("needs", "1.0", requires=["numpy>=99"])
    # The worker pins what the process sees; the interpreter of the tests has none of them.
    for name in ("numpy", "scipy", "scikit-learn", "pandas"):
        wheelhouse.add(name, "99.0")
    manager = worker.launch("one", ["needs"], "sentence_transformers")
    assert version_of(manager, "numpy") == "99.0"


def test_pip_configuration_is_inherited_as_the_model_says(
    worker: Worker, clashing: Wheelhouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = next((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
    monkeypatch.setenv("PYTHONPATH", str(wheel))
    monkeypatch.syspath_prepend(str(wheel))
    config = tmp_path / "pip.conf"
    config.write_text(f"[global]\nfind-links = {clashing.url}\n", encoding="utf-8")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    assert version_of(worker.launch("one", ["left"], find_links=None), "clash") == "1.0"
    with pytest.raises(subprocess.CalledProcessError):
        worker.launch("two", ["left"], find_links=None, inherit_pip_config=False)
    # Variables are what the server misses.
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_FIND_LINKS", clashing.url)
    assert version_of(worker.launch("three", ["left"], find_links=None), "clash") == "1.0"


def test_a_place_that_is_none_of_xinferences_is_refused(worker: Worker, tmp_path: Path) -> None:
    from xoscar.virtualenv import get_virtual_env_manager

    manager = get_virtual_env_manager("venvkit", tmp_path / "env")
    with pytest.raises(subprocess.CalledProcessError, match="no place"):
        manager.create_env()
    assert not (tmp_path / "env").exists()


@pytest.mark.parametrize("end", ["failed", "killed"])
def test_what_arrived_of_an_installation_that_failed_is_not_shown(
    worker: Worker, clashing: Wheelhouse, end: str
) -> None:
    from venvkit.integrations.xoscar.furnish import announce

    manager = worker.launch("one", ["left"])
    site = manager.get_lib_path()
    announce(Path(site), "right", "1.0")
    assert "right" in {item.name for item in metadata.distributions(path=[site])}
    if end == "failed":
        with pytest.raises(subprocess.CalledProcessError):
            worker.launch("one", ["left", "right"])
    else:
        clashing.add("other", "1.0")
        worker.launch("one", ["left", "other"])
    assert {item.name for item in metadata.distributions(path=[site])} - {"other"} == {"clash", "left"}


def test_the_store_may_lie_behind_a_link(worker: Worker, clashing: Wheelhouse, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    worker.home.mkdir()
    (worker.home / "virtualenv").symlink_to(tmp_path / "elsewhere")
    manager = worker.launch("one", ["left"])
    assert version_of(manager, "clash") == "1.0"
    assert manager.env_path == worker.place("one")
