"""What both backends do alike: one contract, run with uv and with pip."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.hosts import Host, make_host, tree_hashes
from tests.pips import share_pip
from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit import VenvkitError, ensure_env, plan_env
from venvkit.errors import NoSolutionError, SourceError
from venvkit.plan.values import Plan

BACKEND = """\
import pathlib, zipfile

INFO = "built-3.0.dist-info"

def build_wheel(folder, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(pathlib.Path(folder, "built-3.0-py3-none-any.whl"), "w") as out:
        out.writestr("built.py", "mark = 1\\n")
        out.writestr(f"{INFO}/METADATA", "Metadata-Version: 2.1\\nName: built\\nVersion: 3.0\\nRequires-Dist: base\\n")
        out.writestr(f"{INFO}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        out.writestr(f"{INFO}/RECORD", "")
    return "built-3.0-py3-none-any.whl"
"""


def checkout(folder: Path) -> str:
    """Make a repository of a folder; return its commit."""
    git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@t"]
    for args in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *args], check=True)
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(params=["uv", pytest.param("pip", marks=pytest.mark.slow)], autouse=True)
def backend(
    request: pytest.FixtureRequest, home: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> str:  # fmt: skip
    share_pip(tmp_path, tmp_path_factory, "mirrors", "hosts")
    monkeypatch.setenv("VENVKIT_BACKEND", request.param)
    # What keeps uv from the network keeps pip from it too.
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return str(request.param)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """A host with `base` 1.0 and `top`, which no test changes: a mirror of it is made once for each backend."""
    place = tmp_path_factory.mktemp("standing")
    wheelhouse = Wheelhouse(place / "wheels")
    wheelhouse.path.mkdir()
    wheelhouse.add("base", "1.0")
    wheelhouse.add("top", "1.0", requires=["base<3"])
    host = make_host(place / "host", wheelhouse)
    host.install("base==1.0", "top")
    return host


@pytest.fixture
def stocked(standing: Host, wheelhouse: Wheelhouse) -> Host:
    """The host; `top` needs less than `base` 3, and further versions are on offer."""
    for version in ("1.0", "2.0", "3.0"):
        wheelhouse.add("base", version)
    wheelhouse.add("top", "1.0", requires=["base<3"])
    wheelhouse.add("tool", "1.0", requires=["base"], extras=["more"], scripts={"tool-run": "tool:main"})
    wheelhouse.add("tool", "2.0", requires=["base", "extra ; extra == 'more'"], extras=["more"])
    wheelhouse.add("extra", "1.0", requires=["base>=2"])
    wheelhouse.add("needs-new", "1.0", requires=["base>=3"])
    return standing


def planned(spec: Path, host: Host, **choices: object) -> Plan:
    return plan_env(spec, host_python=host.python, **choices).plan


def installs(plan: Plan) -> list[str]:
    return [f"{item.name}=={item.version}" for item in plan.install]


def failed(spec: Path, host: Host, **choices: object) -> VenvkitError:
    with pytest.raises(VenvkitError) as caught:
        plan_env(spec, host_python=host.python, **choices)
    return caught.value


@pytest.mark.parametrize(
    ("packages", "installed", "inherited"),
    [
        (["tool"], ["tool==2.0"], ["base"]),
        (["base"], [], ["base"]),
        (["base>=2,<3"], ["base==2.0"], []),
        (["base>=2"], ["base==2.0"], []),  # held below 3 by the host's `top`
        (["tool[more]"], ["base==2.0", "extra==1.0", "tool==2.0"], []),
        (["tool<2"], ["tool==1.0"], ["base"]),
        (["tool ; python_version < '3'", "extra"], ["base==2.0", "extra==1.0"], []),
    ],
)
def test_what_is_planned(
    stocked: Host, write_spec: WriteSpec, packages: list[str], installed: list[str], inherited: list[str]
) -> None:
    plan = planned(write_spec("m", packages), stocked)
    assert installs(plan) == installed
    assert [str(item.name) for item in plan.inherit] == inherited
    assert plan.broken == ()
    for item in plan.install:
        assert item.reason
        assert item.description.requires is not None
        assert (item.description.url or "").endswith(".whl")
        assert not item.description.builds


def test_a_constraint_bounds_without_requiring(stocked: Host, write_spec: WriteSpec) -> None:
    plan = planned(write_spec("m", ["tool"]), stocked, constraints=["tool<2", "extra<1"])
    assert installs(plan) == ["tool==1.0"]


def test_upgrade_prefers_the_newest(stocked: Host, write_spec: WriteSpec) -> None:
    plan = planned(write_spec("m", ["tool"]), stocked, upgrade=True)
    assert installs(plan) == ["base==2.0", "tool==2.0"]


def test_what_may_not_be_inherited_is_installed(stocked: Host, write_spec: WriteSpec) -> None:
    plan = planned(write_spec("m", ["tool"]), stocked, no_inherit=["base"])
    assert installs(plan) == ["base==2.0", "tool==2.0"]


def test_a_host_distribution_that_would_break_is_repaired(
    stocked: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec
) -> None:
    wheelhouse.add("top", "2.0", requires=["base<4"])
    plan = planned(write_spec("m", ["needs-new"]), stocked)
    assert installs(plan) == ["base==3.0", "needs-new==1.0", "top==2.0"]
    assert [(item.name, item.host_version, item.version) for item in plan.repaired] == [("top", "1.0", "2.0")]
    assert plan.broken == ()


def test_what_is_protected_is_not_broken(stocked: Host, write_spec: WriteSpec) -> None:
    error = failed(write_spec("m", ["needs-new"]), stocked, protect=["top"])
    assert isinstance(error, NoSolutionError)


def test_a_direct_reference_keeps_its_address(stocked: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec) -> None:
    wheel = Wheelhouse(wheelhouse.path.parent / "elsewhere").add("direct", "1.5", requires=["base"])
    plan = planned(write_spec("m", [f"direct @ {wheel.as_uri()}"]), stocked)
    assert [(item.name, item.version, item.url) for item in plan.install] == [("direct", "1.5", wheel.as_uri())]
    assert plan.install[0].description.size == wheel.stat().st_size
    assert plan.install[0].description.requires == ("base",)
    env = ensure_env(write_spec("m", [f"direct @ {wheel.as_uri()}"]), host_python=stocked.python)
    assert env.run(["python", "-c", "import direct, base; print(direct.__version__)"], capture=True).stdout == "1.5\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that builds itself, in a folder of a checkout."""
    place = tmp_path / "checkout" / "part"
    place.mkdir(parents=True)
    (place / "backend.py").write_text(BACKEND)
    (place / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "built"\nversion = "3.0"\ndependencies = ["base"]\n'
    )
    return place


def test_a_checkout_is_built_at_its_commit(stocked: Host, write_spec: WriteSpec, project: Path, backend: str) -> None:
    commit = checkout(project.parent)
    spec = write_spec("m", [f"built @ git+{project.parent.as_uri()}#subdirectory=part"])
    (item,) = planned(spec, stocked).install
    assert (item.name, item.description.builds) == ("built", True)
    # uv tells no version before the build.
    assert item.version == ("3.0" if backend == "pip" else "")
    assert item.description.url == f"git+{project.parent.as_uri()}@{commit}#subdirectory=part"
    env = ensure_env(spec, host_python=stocked.python)
    assert env.run(["python", "-c", "import built, base; print(built.mark)"], capture=True).stdout == "1\n"


def test_a_source_distribution_is_built(stocked: Host, write_spec: WriteSpec, project: Path, tmp_path: Path) -> None:
    archive = tmp_path / "built-3.0.tar.gz"
    with tarfile.open(archive, "w:gz") as out:
        out.add(project, "built-3.0")
    spec = write_spec("m", [f"built @ {archive.as_uri()}"])
    (item,) = planned(spec, stocked).install
    assert (item.name, item.url, item.description.builds) == ("built", archive.as_uri(), True)
    env = ensure_env(spec, host_python=stocked.python)
    assert env.run(["python", "-c", "import built; print(built.mark)"], capture=True).stdout == "1\n"


@pytest.mark.parametrize("packages", [["nowhere"], ["tool>=9"], ["extra", "base<2"]])
def test_no_solution(stocked: Host, write_spec: WriteSpec, packages: list[str]) -> None:
    error = failed(write_spec("m", packages), stocked)
    assert isinstance(error, NoSolutionError)
    assert (error.code, error.exit_code) == ("no-solution", 3)
    assert any("nowhere" in line or "tool" in line or "base" in line for line in error.details)
    assert error.remedy


def test_an_index_with_credentials(
    stocked: Host, index: HttpIndex, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    index.user = "me:top-secret"
    spec = write_spec("m", ["tool"], index_url=index.url, find_links=[])
    plan = planned(spec, stocked)
    assert installs(plan) == ["tool==2.0"]
    assert plan.install[0].description.sha256
    env = ensure_env(spec, host_python=stocked.python)
    assert env.run(["python", "-c", "import tool; print(tool.__version__)"], capture=True).stdout == "2.0\n"
    assert all(b"top-secret" not in path.read_bytes() for path in env.path.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("status", "user", "code"),
    [(401, "", "source-refused"), (403, "", "source-refused"), (503, "", "source-unreachable"),
     (0, "me:secret", "source-refused")],
)  # fmt: skip
def test_an_index_that_refuses(
    stocked: Host, index: HttpIndex, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch,
    status: int, user: str, code: str,
) -> None:  # fmt: skip
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("XINFERENCE_DOWNLOAD_MAX_ATTEMPTS", "1")
    url = index.url.replace("://", "://me:wrong@") if user else index.url
    index.fail_with, index.user = status, user
    error = failed(write_spec("m", ["tool"], index_url=url, find_links=[]), stocked)
    assert isinstance(error, SourceError)
    assert (error.code, error.exit_code) == (code, 4)
    assert "wrong" not in str(error)


@pytest.mark.parametrize("also_there", [False, True])
def test_an_index_that_cannot_be_reached(
    stocked: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch, also_there: bool
) -> None:
    """Neither when it alone could answer, nor when another source has an answer, which might be another one."""
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("XINFERENCE_DOWNLOAD_MAX_ATTEMPTS", "1")
    links = [wheelhouse.url] if also_there else []
    error = failed(
        write_spec("m", ["tool"], index_url="http://me:hidden@127.0.0.1:9/simple", find_links=links), stocked
    )
    assert isinstance(error, SourceError)
    assert error.code == "source-unreachable"
    assert "hidden" not in str(error)


def test_a_direct_reference_that_is_not_there(stocked: Host, write_spec: WriteSpec, tmp_path: Path) -> None:
    error = failed(write_spec("m", [f"gone @ {tmp_path.as_uri()}/gone-1.0-py3-none-any.whl"]), stocked)
    assert (type(error), error.code) == (SourceError, "source-unreachable")


def test_the_environment_works_and_the_host_is_untouched(stocked: Host, write_spec: WriteSpec, backend: str) -> None:
    before = tree_hashes(stocked.prefix)
    spec = write_spec("m", ["tool<2", "base>=2"])
    env = ensure_env(spec, host_python=stocked.python)
    assert env.built
    code = "import tool, base, top; print(tool.__version__, base.__version__, top.__file__)"
    assert env.run(["python", "-c", code], capture=True).stdout.split() == [
        "1.0", "2.0", str(stocked.site_packages / "top.py"),
    ]  # fmt: skip
    site_packages = Path(env.receipt.site_packages)
    assert (site_packages / "tool-1.0.dist-info" / "INSTALLER").read_text().strip() == backend
    assert (env.path / "bin" / "tool-run").exists()
    assert tree_hashes(stocked.prefix) == before
    again = ensure_env(spec, host_python=stocked.python)
    assert (again.built, again.path) == (False, env.path)


def test_a_second_build_with_other_pins_keeps_the_first(stocked: Host, write_spec: WriteSpec) -> None:
    first = ensure_env(write_spec("m", ["tool<2"]), host_python=stocked.python)
    second = ensure_env(write_spec("m", ["tool>=2"]), host_python=stocked.python)
    assert first.path != second.path
    assert first.run(["python", "-c", "import tool; print(tool.__version__)"], capture=True).stdout == "1.0\n"
    assert second.run(["python", "-c", "import tool; print(tool.__version__)"], capture=True).stdout == "2.0\n"
