"""What changed between two launches is noticed, whatever its times say; and what did not change builds nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit import Environment, ensure_env, plan_env
from venvkit.base.local import content_digest

ROOT = Path(__file__).parents[2]
BACKEND = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from tests.wheelhouse import Wheelhouse

def build_wheel(folder, config_settings=None, metadata_directory=None):
    here = Path(__file__).parent
    (here / "build").mkdir(exist_ok=True)
    (here / "build" / "left").write_text(str(folder))
    (here / "tool.egg-info").mkdir(exist_ok=True)
    text = (here / "src" / "tool.py").read_text()
    return Wheelhouse(Path(folder)).add("tool", "1.0", files={{"tool.py": text}}).name
"""
PROJECT = """
[project]
name = "tool"
version = "1.0"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source tree that leaves things behind where it is built, as setuptools does."""
    folder = tmp_path / "tree"
    (folder / "src").mkdir(parents=True)
    (folder / "backend.py").write_text(BACKEND)
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "src" / "tool.py").write_text("flavour = 1\n")
    return folder


def flavour(env: Environment) -> str:
    done = env.run(["python", "-c", "import tool; print(tool.flavour)"], capture=True)
    return done.stdout.strip() or done.stderr


def rewrite(path: Path, text: str) -> None:
    """Write a file and set its times back."""
    before = path.stat()
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("keeps_times", [True, False])
def test_an_edited_source_tree_is_built_again(host: Host, write_spec: WriteSpec, tree: Path, keeps_times: bool) -> None:
    spec = write_spec("m", [f"tool @ {tree.as_uri()}"])
    first = ensure_env(spec, host_python=host.python)
    assert flavour(first) == "1"
    again = ensure_env(spec, host_python=host.python)
    assert (again.path, again.built) == (first.path, False)
    if keeps_times:
        rewrite(tree / "src" / "tool.py", "flavour = 2\n")
    else:
        (tree / "src" / "tool.py").write_text("flavour = 2\n")
    second = ensure_env(spec, host_python=host.python)
    assert (flavour(second), second.built) == ("2", True)
    assert second.key != first.key


def test_a_source_tree_that_was_only_touched_builds_nothing(host: Host, write_spec: WriteSpec, tree: Path) -> None:
    spec = write_spec("m", [f"tool @ {tree.as_uri()}"])
    first = ensure_env(spec, host_python=host.python)
    os.utime(tree / "pyproject.toml")
    again = ensure_env(spec, host_python=host.python)
    assert (again.path, again.built) == (first.path, False)


def test_a_file_that_comes_into_a_source_tree_is_noticed(host: Host, write_spec: WriteSpec, tree: Path) -> None:
    spec = write_spec("m", [f"tool @ {tree.as_uri()}"])
    first = ensure_env(spec, host_python=host.python)
    (tree / "src" / "more.py").write_text("")
    assert ensure_env(spec, host_python=host.python).key != first.key


def replaced_wheel(wheelhouse: Wheelhouse, flavour: int) -> Path:
    return wheelhouse.add("tool", "1.0", files={"tool.py": f"flavour = {flavour}\n"})


@pytest.mark.parametrize("by", ["the request", "a constraint"])
def test_a_local_wheel_that_was_replaced_is_installed_again(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, tmp_path: Path, by: str
) -> None:
    folder = Wheelhouse(tmp_path / "direct")
    folder.path.mkdir()
    wheel = replaced_wheel(folder, 1)
    direct = f"tool @ {wheel.as_uri()}"
    wheelhouse.add("outer", "1.0", requires=["tool"])
    spec = write_spec("m", ["outer"], constraints=[direct]) if by == "a constraint" else write_spec("m", [direct])
    first = ensure_env(spec, host_python=host.python)
    assert flavour(first) == "1"
    kept = wheel.stat()
    wheel.unlink()
    assert replaced_wheel(folder, 2) == wheel
    os.utime(wheel, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    second = ensure_env(spec, host_python=host.python)
    assert (flavour(second), second.key != first.key) == ("2", True)


def test_a_host_that_is_upgraded_in_place_with_kept_times_is_noticed(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec
) -> None:
    wheelhouse.add("base", "1.0")
    wheelhouse.add("base", "2.0")
    wheelhouse.add("tool", "1.0", requires=["base"])
    host.install("base==1.0")

    def clamp() -> None:
        for path in (host.prefix, *host.prefix.rglob("*")):
            if not path.is_symlink():
                os.utime(path, (1_700_000_000, 1_700_000_000))

    clamp()
    spec = write_spec("m", ["tool"])
    assert [(item.name, item.version) for item in plan_env(spec, host_python=host.python).plan.inherit] == [
        ("base", "1.0")
    ]
    ensure_env(spec, host_python=host.python)
    shutil.rmtree(host.site_packages / "base-1.0.dist-info")
    host.install("base==2.0")
    clamp()
    for made in (plan_env(spec, host_python=host.python).plan, ensure_env(spec, host_python=host.python).receipt.plan):  # type: ignore[union-attr]
        assert [(item.name, item.version) for item in made.inherit] == [("base", "2.0")]


def versions(env: Environment) -> list[str]:
    return [item.version for item in env.receipt.plan.install]  # type: ignore[union-attr]


@pytest.mark.parametrize("backend", ["uv", "pip"])
def test_an_edited_file_of_constraints_is_followed(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    backend: str,
) -> None:  # fmt: skip
    for version in ("1.0", "2.0", "3.0"):
        wheelhouse.add("tool", version)
    file = tmp_path / "c.txt"
    file.write_text("tool<2\n")
    monkeypatch.setenv("PIP_CONSTRAINT" if backend == "pip" else "UV_CONSTRAINT", str(file))
    spec = write_spec("m", ["tool"])
    assert versions(ensure_env(spec, host_python=host.python, backend=backend)) == ["1.0"]  # type: ignore[arg-type]
    rewrite(file, "tool<3\n")
    assert versions(ensure_env(spec, host_python=host.python, backend=backend)) == ["2.0"]  # type: ignore[arg-type]


def test_a_plan_for_an_upgrade_is_not_taken_for_another_call(
    host: Host, wheelhouse: Wheelhouse, index: HttpIndex, write_spec: WriteSpec
) -> None:
    wheelhouse.add("tool", "1.0")
    host.install("tool")
    wheelhouse.add("tool", "2.0")
    spec = write_spec("m", ["tool"], index_url=index.url, find_links=[])
    assert [item.version for item in plan_env(spec, host_python=host.python, upgrade=True).plan.install] == ["2.0"]
    assert ensure_env(spec, host_python=host.python).receipt.plan.install == ()  # type: ignore[union-attr]


def test_an_index_entry_of_version_0_1_is_no_answer_and_no_error(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec
) -> None:
    wheelhouse.add("tool", "1.0")
    spec = write_spec("m", ["tool"])
    first = ensure_env(spec, host_python=host.python)
    (path,) = (home / "virtualenv" / "requests").glob("*.json")
    entry = json.loads(path.read_text())
    entry["watches"] = [
        [("file" if number % 2 else "stat"), *watch[1:5]] if watch[0] == "stat" else watch
        for number, watch in enumerate(entry["watches"])
    ]
    path.write_text(json.dumps(entry))
    again = ensure_env(spec, host_python=host.python)
    assert (again.path, again.built) == (first.path, False)
    assert all(len(watch) != 5 for watch in json.loads(path.read_text())["watches"])


Edit = Callable[[Path], object]
EDITS: dict[str, tuple[Edit, bool]] = {
    "a file's text": (lambda tree: (tree / "src" / "tool.py").write_text("flavour = 3\n"), True),
    "a new file": (lambda tree: (tree / "src" / "new.py").write_text(""), True),
    "a file gone": (lambda tree: (tree / "src" / "tool.py").unlink(), True),
    "a file renamed": (lambda tree: (tree / "src" / "tool.py").rename(tree / "src" / "took.py"), True),
    "a file in a folder called build, deeper": (lambda tree: _put(tree / "src" / "build" / "a.py"), True),
    "a link to a folder": (lambda tree: (tree / "link").symlink_to("src"), True),
    "the commit": (lambda tree: _put(tree / ".git" / "HEAD"), True),
    "a pipe": (lambda tree: os.mkfifo(tree / "pipe"), True),
    "times": (lambda tree: os.utime(tree / "src" / "tool.py"), False),
    "what a build leaves": (lambda tree: _put(tree / "build" / "lib" / "tool.py"), False),
    "byte-code": (lambda tree: _put(tree / "src" / "__pycache__" / "tool.pyc"), False),
    "objects of the repository": (lambda tree: _put(tree / ".git" / "objects" / "ab"), False),
}


def _put(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("x")


@pytest.mark.parametrize(("edit", "counts"), EDITS.values(), ids=EDITS)
def test_the_content_of_a_source_tree(tree: Path, edit: Edit, counts: bool) -> None:
    before = content_digest(str(tree))
    assert before is not None
    edit(tree)
    assert (content_digest(str(tree)) != before) is counts
