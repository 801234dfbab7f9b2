"""Every kind of host, each with an import in the child that shows which copy is really found."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.hosts import UV, Host, make_host, tree_hashes, uv
from tests.wheelhouse import Wheelhouse
from venvkit import Environment, ensure_env, plan_env
from venvkit.host.distribution import scan
from venvkit.spec.language.requires import unreadable_requires

DEBIAN = "/usr/bin/python3"


def origins(env: Environment, *names: str) -> dict[str, str]:
    """Import in the child and return where each module was found."""
    code = f"import json, {', '.join(names)}; print(json.dumps({{n: __import__(n).__file__ for n in {names!r}}}))"
    done = env.run(["python", "-c", code], capture=True)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def inside(path: str, env: Environment) -> bool:
    return path.startswith(f"{env.path}/")


@pytest.fixture
def stocked(wheelhouse: Wheelhouse) -> Wheelhouse:
    """`shared` in two versions, `need` that wants the new one, `kept` that any host may have."""
    for version in ("1.0", "2.0"):
        wheelhouse.add("shared", version)
    wheelhouse.add("kept", "1.0")
    wheelhouse.add("need", "1.0", requires=["shared>=2", "kept"])
    return wheelhouse


def test_plain_interpreter(home: Path, tmp_path: Path, stocked: Wheelhouse, write_spec: WriteSpec) -> None:
    base = Path(os.path.realpath(sys.executable))
    env = ensure_env(write_spec("m", ["need"]), host_python=str(base))
    found = origins(env, "need", "shared", "kept")
    assert all(inside(path, env) for path in found.values())


def test_a_server_in_a_venv(home: Path, host: Host, stocked: Wheelhouse, write_spec: WriteSpec) -> None:
    host.install("shared==1.0", "kept")
    before = host.file_hashes()
    env = ensure_env(write_spec("m", ["need"]), host_python=host.python)
    found = origins(env, "need", "shared", "kept")
    assert inside(found["shared"], env)
    assert found["kept"] == str(host.site_packages / "kept.py")
    assert host.run("import shared; print(shared.__version__)") == "1.0"
    assert host.file_hashes() == before


def test_a_venv_with_system_site_packages(
    home: Path, tmp_path: Path, stocked: Wheelhouse, write_spec: WriteSpec
) -> None:
    # The base has to be an installation that a test may write to: a copy of a venv's layout is none, so the packages
    # of the base come from its user site, which such a venv sees as well.
    base = make_host(tmp_path / "base", stocked, python=os.path.realpath(sys.executable))
    user = tmp_path / "user-base"
    site = Path(base.run("import site; print(site.getusersitepackages())", PYTHONUSERBASE=str(user)))
    uv("pip", "install", "-q", "--no-index", "--find-links", stocked.url, "--target", str(site), "kept")
    host = make_host(tmp_path / "host", stocked, "--system-site-packages")
    host.install("shared==1.0")
    os.environ["PYTHONUSERBASE"] = str(user)
    try:
        env = ensure_env(write_spec("m", ["need"]), host_python=host.python)
        found = origins(env, "need", "shared", "kept")
    finally:
        del os.environ["PYTHONUSERBASE"]
    assert inside(found["shared"], env)
    assert found["kept"] == str(site / "kept.py")


@pytest.mark.skipif(not Path(DEBIAN).exists(), reason="no Debian interpreter here")
def test_debians_interpreter(home: Path, stocked: Wheelhouse, write_spec: WriteSpec) -> None:
    probe = "import sys, json; print(json.dumps([p for p in sys.path if p.endswith('dist-packages')]))"
    done = subprocess.run([DEBIAN, "-c", probe], capture_output=True, text=True, check=True)
    dist_packages = [path for path in json.loads(done.stdout) if Path(path).is_dir()]
    if not any(list(Path(path).glob("*-info")) for path in dist_packages):
        pytest.skip("Debian's interpreter has no packages here")
    env = ensure_env(write_spec("m", ["need"]), host_python=DEBIAN)
    assert inside(origins(env, "shared")["shared"], env)
    seen = env.run(["python", "-c", "import sys; print('\\n'.join(sys.path))"], capture=True).stdout.split("\n")
    assert [path for path in seen if path in dist_packages] == dist_packages


def _editable(project: Path, name: str, version: str) -> None:
    project.mkdir()
    (project / f"{name}.py").write_text(f"__version__ = {version!r}\n")
    backend = (
        "import pathlib, zipfile\n"
        f"NAME, VERSION = {name!r}, {version!r}\n"
        "def build_editable(folder, config_settings=None, metadata_directory=None):\n"
        "    info = f'{NAME}-{VERSION}.dist-info'\n"
        "    wheel = f'{NAME}-{VERSION}-py3-none-any.whl'\n"
        "    with zipfile.ZipFile(pathlib.Path(folder, wheel), 'w') as out:\n"
        "        out.writestr(f'_{NAME}.pth', str(pathlib.Path.cwd()))\n"
        "        out.writestr(f'{info}/METADATA', f'Metadata-Version: 2.1\\nName: {NAME}\\nVersion: {VERSION}\\n')\n"
        "        out.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
        "        out.writestr(f'{info}/RECORD', '')\n"
        "    return wheel\n"
        "build_wheel = build_editable\n"
    )
    (project / "backend.py").write_text(backend)
    (project / "pyproject.toml").write_text(
        f'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        f'[project]\nname = "{name}"\nversion = "{version}"\n'
    )


def test_an_editable_install_on_the_host_is_inherited(
    home: Path, tmp_path: Path, host: Host, stocked: Wheelhouse, write_spec: WriteSpec
) -> None:
    _editable(tmp_path / "project", "kept", "1.5")
    uv("pip", "install", "-q", "--no-deps", "--python", host.python, "-e", str(tmp_path / "project"))
    env = ensure_env(write_spec("m", ["need"]), host_python=host.python)
    assert origins(env, "kept")["kept"] == str(tmp_path / "project" / "kept.py")


def test_an_editable_install_on_the_host_gives_way_to_a_shadow(
    home: Path, tmp_path: Path, host: Host, stocked: Wheelhouse, write_spec: WriteSpec
) -> None:
    _editable(tmp_path / "project", "shared", "1.5")
    uv("pip", "install", "-q", "--no-deps", "--python", host.python, "-e", str(tmp_path / "project"))
    env = ensure_env(write_spec("m", ["need"]), host_python=host.python)
    assert inside(origins(env, "shared")["shared"], env)


def test_an_editable_install_in_the_child_beats_the_host(
    home: Path, tmp_path: Path, host: Host, stocked: Wheelhouse, write_spec: WriteSpec
) -> None:
    host.install("shared==2.0", "kept")
    env = ensure_env(write_spec("m", ["need"]), host_python=host.python)
    _editable(tmp_path / "project", "kept", "9.0")
    assert env.shell is not None
    uv("pip", "install", "-q", "--no-deps", "--python", str(env.shell / "bin/python"), "-e", str(tmp_path / "project"))
    done = subprocess.run(
        [str(env.shell / "bin/python"), "-c", "import kept; print(kept.__version__)"],
        capture_output=True, text=True, check=True, env=env.environ(),
    )  # fmt: skip
    assert done.stdout.strip() == "9.0"


def test_a_pythonpath_directory_that_holds_what_the_plan_shadows(
    home: Path, tmp_path: Path, host: Host, stocked: Wheelhouse, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "on-path"
    uv(
        "pip",
        "install",
        "-q",
        "--no-index",
        "--find-links",
        stocked.url,
        "--target",
        str(folder),
        "shared==1.0",
        "kept",
    )
    before = tree_hashes(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    env = ensure_env(write_spec("m", ["need"]), host_python=host.python)
    found = origins(env, "shared", "kept")
    assert inside(found["shared"], env)
    assert found["kept"] == str(folder / "kept.py")
    # Whoever starts the child with our own PYTHONPATH still in force gets the right copy too.
    done = subprocess.run(
        [env.python, "-c", "import shared; print(shared.__version__)"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "2.0"
    assert tree_hashes(folder) == before


def test_a_user_site_that_holds_what_the_plan_shadows(
    home: Path, tmp_path: Path, stocked: Wheelhouse, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = os.path.realpath(sys.executable)
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "user-base"))
    done = subprocess.run(
        [base, "-c", "import site; print(site.getusersitepackages())"], capture_output=True, text=True, check=True
    )
    site = Path(done.stdout.strip())
    uv("pip", "install", "-q", "--no-index", "--find-links", stocked.url, "--target", str(site), "shared==1.0", "kept")
    env = ensure_env(write_spec("m", ["need"]), host_python=base)
    found = origins(env, "shared", "kept")
    assert inside(found["shared"], env)
    assert found["kept"] == str(site / "kept.py")


def test_a_host_pth_that_inserts_at_the_front(
    home: Path, tmp_path: Path, host: Host, stocked: Wheelhouse, write_spec: WriteSpec
) -> None:
    front = tmp_path / "front"
    uv("pip", "install", "-q", "--no-index", "--find-links", stocked.url, "--target", str(front), "shared==1.0", "kept")
    (host.site_packages / "front.pth").write_text(f"import sys; sys.path.insert(0, {str(front)!r})\n")
    host.install("kept")
    env = ensure_env(write_spec("m", ["need"]), host_python=host.python)
    found = origins(env, "shared", "kept")
    assert inside(found["shared"], env)
    assert found["kept"] == str(front / "kept.py") == host.run("import kept; print(kept.__file__)")


def test_one_name_in_many_spellings(home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec) -> None:
    wheelhouse.add("Typing.Thing", "1.0", files={"typing_thing.py": ""})
    wheelhouse.add("need", "1.0", requires=["typing_thing>=1"])
    host.install("typing-thing")
    env = ensure_env(write_spec("m", ["need", "TYPING-thing"]), host_python=host.python)
    assert origins(env, "typing_thing")["typing_thing"] == str(host.site_packages / "typing_thing.py")


def test_broken_folders_on_the_host_stop_nothing(
    home: Path, host: Host, stocked: Wheelhouse, write_spec: WriteSpec
) -> None:
    host.install("kept")
    site = host.site_packages
    for name, version in (("odd", "not.a.version!"), ("shared", "0.5"), ("shared", "0.7")):
        info = site / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    shutil.copytree(site / "kept-1.0.dist-info", site / "~ept-1.0.dist-info")
    (site / "empty-1.0.dist-info").mkdir()
    env = ensure_env(write_spec("m", ["need"]), host_python=host.python)
    found = origins(env, "shared", "kept")
    assert inside(found["shared"], env)
    assert found["kept"] == str(site / "kept.py")


def test_odd_requirement_lines_of_the_host_are_read_as_uv_reads_them(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec
) -> None:
    wheelhouse.add("mended", "1.0")
    wheelhouse.add("marked", "1.0")
    wheelhouse.add("unread", "1.0")
    wheelhouse.add("commas", "1.0")
    wheelhouse.add("anew", "1.0", requires=["commas (>=0.5<2)"])
    lines = ("mended (>=0.5.*)", 'marked ; sys_platform ~= "linux"', "unread >> 1 ?")
    info = host.site_packages / "odd-1.0.dist-info"
    info.mkdir()
    requires = "".join(f"Requires-Dist: {line}\n" for line in lines)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n{requires}")
    plan = plan_env(write_spec("m", ["odd", "anew"]), host_python=host.python).plan
    wanted = {
        name: f"odd==1.0 requires {line}" for name, line in zip(("mended", "marked", "unread"), lines, strict=True)
    }
    wanted |= {"anew": "virtualenv.packages[1]: anew", "commas": "anew==1.0 requires commas (>=0.5<2)"}
    assert {item.name: item.reason[-1] for item in plan.install} == wanted
    (unreadable,) = unreadable_requires(scan([str(host.site_packages)])[0])
    assert (unreadable.path, "unread >> 1 ?" in unreadable.why) == (str(info), True)


def test_inherited_console_scripts_start_the_child(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec
) -> None:
    code = "import sys\ndef main():\n    print(sys.executable)\n"
    wheelhouse.add("tool", "1.0", files={"tool.py": code}, scripts={"tool-run": "tool:main"})
    wheelhouse.add("need", "1.0", requires=["tool"])
    host.install("tool")
    env = ensure_env(write_spec("m", ["need"]), host_python=host.python)
    assert env.run(["tool-run"], capture=True).stdout.strip() == str(env.python)


@pytest.mark.parametrize("options", [{"skip_installed": False}, {"isolated": True}])
def test_without_inheritance_all_that_is_reached_is_installed(
    home: Path, host: Host, stocked: Wheelhouse, write_spec: WriteSpec, options: dict[str, bool]
) -> None:
    stocked.add("alone", "1.0")
    host.install("shared==2.0", "kept", "alone")
    env = ensure_env(write_spec("m", ["need"]), host_python=host.python, **options)
    assert all(inside(path, env) for path in origins(env, "need", "shared", "kept").values())
    visible = env.run(["python", "-c", "import alone"], capture=True).returncode == 0
    assert visible is not options.get("isolated", False)


def test_another_python_sees_no_host(home: Path, host: Host, stocked: Wheelhouse, write_spec: WriteSpec) -> None:
    other = _other_python()
    host.install("shared==2.0", "kept")
    env = ensure_env(write_spec("m", ["need"]), host_python=host.python, python=other)
    assert all(inside(path, env) for path in origins(env, "need", "shared", "kept").values())
    done = env.run(["python", "-c", "import sys; print('.'.join(map(str, sys.version_info[:3])))"], capture=True)
    assert done.stdout.strip() == env.version != ".".join(map(str, sys.version_info[:3]))


# Where version managers keep interpreters; looked up before a test gives itself another HOME.
_KEPT = sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/3.1[0-9].*/bin/python"))


def _other_python() -> str:
    mine = f"{sys.version_info.major}.{sys.version_info.minor}"
    kept = [str(path) for path in _KEPT if not path.parent.parent.name.startswith(f"{mine}.")]
    for wanted in (*kept, "3.12", "3.13", "3.10", "3.11"):
        command = [UV, "python", "find", "--system", "--no-project", "--no-python-downloads", wanted]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        if wanted != mine and found.returncode == 0:
            return wanted
    pytest.skip("this machine has one Python only")
