from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from venvkit.base.process import Runner
from venvkit.errors import MachineError, UsageError
from venvkit.host import _probe
from venvkit.host.interpreter import Interpreter
from venvkit.host.probe import find_host_python, find_python, probe, probe_environ

from .conftest import MakeVenv, PutDistribution

Ask = Callable[..., Interpreter]
DEBIAN = Path("/usr/lib/python3/dist-packages")


def site_packages(python: Path) -> Path:
    minor = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return python.parent.parent / "lib" / minor / "site-packages"


def script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_a_plain_interpreter_describes_itself(ask: Ask, plain_python: str) -> None:
    found = ask(plain_python)
    assert found.python == plain_python
    assert found.base_python == plain_python
    assert found.version.split("+")[0] == ".".join(map(str, sys.version_info[:3]))
    assert found.minor == f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert (found.is_venv, found.prefix, found.isolated_tool) == (False, found.base_prefix, "")
    assert found.purelib in (*found.site_dirs, *found.missing_dirs)
    facts = dict(found.environment)
    assert facts["python_version"] == found.minor
    assert facts["sys_platform"] == sys.platform


def test_the_marker_environment_is_that_of_packaging(ask: Ask, plain_python: str) -> None:
    from packaging.markers import default_environment

    expected = {key: value for key, value in default_environment().items() if key != "extra"}
    assert dict(ask(plain_python).environment) == expected


def test_a_venv_keeps_its_own_path_and_knows_its_base(ask: Ask, make_venv: MakeVenv, plain_python: str) -> None:
    python = make_venv()
    found = ask(python)
    assert python.is_symlink()
    assert found.python == str(python)
    assert found.is_venv
    assert found.prefix == str(python.parent.parent)
    assert Path(found.base_python).samefile(plain_python)
    assert "host" not in Path(found.base_python).parts
    assert found.site_dirs == (str(site_packages(python)),) == found.pth_dirs
    assert not found.externally_managed


def test_a_venv_made_by_the_standard_library(ask: Ask, runner: Runner, tmp_path: Path, plain_python: str) -> None:
    home = tmp_path / "stdlib-venv"
    assert runner.run([plain_python, "-m", "venv", "--without-pip", str(home)]).status == 0
    found = ask(home / "bin" / "python")
    assert (found.is_venv, found.site_dirs) == (True, (found.purelib,))
    assert Path(found.base_python).samefile(plain_python)


def test_system_site_packages_come_behind_those_of_the_venv(ask: Ask, make_venv: MakeVenv, plain_python: str) -> None:
    base = ask(plain_python)
    found = ask(make_venv("host", "--system-site-packages"))
    own = str(site_packages(Path(found.python)))
    assert found.site_dirs == (own, *base.site_dirs)
    assert set(found.pth_dirs) == set(found.site_dirs)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="no Debian interpreter on this machine")
def test_debians_interpreter_has_its_dist_packages_and_is_managed(ask: Ask) -> None:
    found = ask("/usr/bin/python3")
    assert found.python == "/usr/bin/python3"
    assert str(DEBIAN) in found.site_dirs
    assert str(DEBIAN) in found.pth_dirs
    assert found.externally_managed == (Path(found.stdlib) / "EXTERNALLY-MANAGED").exists()
    assert found.stdlib not in found.site_dirs
    assert not [path for path in found.site_dirs if "lib-dynload" in path or path.endswith(".zip")]


def test_pythonpath_and_user_site_count_where_the_host_sees_them(
    ask: Ask, plain_python: str, make_venv: MakeVenv, tmp_path: Path
) -> None:
    listed, base = tmp_path / "listed", tmp_path / "userbase"
    listed.mkdir()
    minor = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    user = base / "lib" / minor / "site-packages"
    user.mkdir(parents=True)
    variables = {"PYTHONPATH": f"{listed}:{tmp_path / 'nowhere'}", "PYTHONUSERBASE": str(base)}
    found = ask(plain_python, **variables)
    assert found.site_dirs[0] == str(listed)
    assert str(user) in found.site_dirs
    assert str(listed) not in found.pth_dirs
    assert str(user) in found.pth_dirs
    assert str(tmp_path / "nowhere") in found.missing_dirs
    assert str(user) not in ask(plain_python, **variables, PYTHONNOUSERSITE="1").site_dirs
    assert ask(make_venv(), **variables).site_dirs[0] == str(listed)
    assert str(user) not in ask(make_venv("other"), **variables).site_dirs


def test_a_user_site_that_may_come_is_named(ask: Ask, plain_python: str, tmp_path: Path) -> None:
    found = ask(plain_python, PYTHONUSERBASE=str(tmp_path / "later"))
    assert any(path.startswith(str(tmp_path / "later")) for path in found.missing_dirs)


def test_pth_lines_add_directories_behind_and_in_front(ask: Ask, make_venv: MakeVenv, tmp_path: Path) -> None:
    python = make_venv()
    behind, front, gone = tmp_path / "behind", tmp_path / "front", tmp_path / "gone"
    behind.mkdir()
    front.mkdir()
    lines = f"{behind}\n{gone}\nimport sys; sys.path.insert(0, {str(front)!r}); sys.path.append(42)\n"
    (site_packages(python) / "links.pth").write_text(lines)
    found = ask(python)
    assert found.site_dirs == (str(front), str(site_packages(python)), str(behind))
    assert found.pth_dirs == (str(site_packages(python)),)


def test_the_working_directory_is_never_a_site_directory(
    ask: Ask, make_venv: MakeVenv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work" / "lib").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    (tmp_path / "work" / "json.py").write_text("raise SystemExit('imported from the working directory')")
    found = ask(make_venv(), PYTHONPATH=":lib:")
    assert found.site_dirs[0] == str(tmp_path / "work" / "lib")
    assert str(tmp_path / "work") not in found.site_dirs
    assert "/" not in found.site_dirs


def test_the_probe_passes_on_what_the_host_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    env = probe_environ({"PYTHONHOME": "/x", "PYTHONINSPECT": "1", "PYTHONPATH": ":a:/b:", "HOME": "/h"})
    assert env == {"PYTHONPATH": f"{tmp_path / 'a'}:/b", "HOME": "/h"}
    assert probe_environ({"PYTHONPATH": ":"}) == {}


def test_noise_at_start_does_not_spoil_the_answer(ask: Ask, make_venv: MakeVenv) -> None:
    python = make_venv()
    noise = "import sys, atexit; print('{\"python\": 1}'); atexit.register(print, 'bye')\n"
    (site_packages(python) / "noise.pth").write_text(noise)
    assert ask(python).is_venv


def test_start_up_files_are_named(ask: Ask, make_venv: MakeVenv) -> None:
    python = make_venv()
    custom = site_packages(python) / "sitecustomize.py"
    custom.write_text("")
    assert str(custom) in ask(python).startup_files


def test_the_host_is_left_as_it_was(ask: Ask, make_venv: MakeVenv) -> None:
    python = make_venv()
    (site_packages(python) / "hooked.py").write_text("")
    (site_packages(python) / "hook.pth").write_text("import hooked\n")
    before = sorted(map(str, python.parent.parent.rglob("*")))
    ask(python)
    assert sorted(map(str, python.parent.parent.rglob("*"))) == before


@pytest.mark.parametrize(
    ("place", "file", "tool"),
    [
        ("pipx/venvs/xinference", "", "pipx"),
        ("uv/tools/xinference", "", "uv tool"),
        ("elsewhere/one", "pipx_metadata.json", "pipx"),
        ("elsewhere/two", "uv-receipt.toml", "uv tool"),
        ("pipx/other/name", "", ""),
    ],
)
def test_the_environment_of_a_tool_is_recognised(
    ask: Ask, make_venv: MakeVenv, place: str, file: str, tool: str
) -> None:
    python = make_venv(place)
    if file:
        (python.parent.parent / file).write_text("{}")
    assert ask(python).isolated_tool == tool


def test_a_path_that_is_not_unicode_does_not_stop_the_probe(ask: Ask, make_venv: MakeVenv, tmp_path: Path) -> None:
    strange = tmp_path / "caf\udce9"
    strange.mkdir()
    found = ask(make_venv(), PYTHONPATH=str(strange))
    assert found.site_dirs[0] == str(tmp_path / "caf?")


def test_a_missing_interpreter(runner: Runner, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        probe(str(tmp_path / "nothing"), runner)
    assert (caught.value.code, caught.value.where) == ("interpreter-missing", str(tmp_path / "nothing"))
    assert caught.value.remedy


def test_a_file_that_may_not_be_executed(runner: Runner, tmp_path: Path) -> None:
    (tmp_path / "python").write_text("")
    with pytest.raises(UsageError, match="not executable") as caught:
        probe(str(tmp_path / "python"), runner)
    assert caught.value.code == "interpreter-missing"


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        ("#!/bin/sh\necho no python here >&2; exit 3\n", "no python here"),
        ("#!/bin/sh\necho hello\n", "hello"),
        ("#!/bin/sh\necho 'venvkit-probe:{\"python\": 3}'\n", "Expected `str`"),
        ("\x7fELF no more than a header\n", ""),
    ],
)
def test_a_broken_interpreter(runner: Runner, tmp_path: Path, text: str, evidence: str) -> None:
    python = script(tmp_path / "python", text)
    with pytest.raises(MachineError) as caught:
        probe(str(python), runner)
    assert (caught.value.code, caught.value.where) == ("interpreter-broken", str(python))
    assert evidence in "\n".join(caught.value.details)


def test_an_interpreter_that_hangs_is_not_called_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("venvkit.host.probe._TIMEOUT_S", 0.3)
    with pytest.raises(MachineError) as caught:
        probe(str(script(tmp_path / "python", "#!/bin/sh\nexec sleep 20\n")), Runner())
    assert caught.value.code == "timeout"


@pytest.mark.parametrize("version", ["2.7.18", "3.6.15"])
def test_an_old_interpreter_that_cannot_run_the_probe(runner: Runner, tmp_path: Path, version: str) -> None:
    text = f"#!/bin/sh\ncase $# in 3) echo {version};; *) echo SyntaxError >&2; exit 1;; esac\n"
    with pytest.raises(UsageError, match=version) as caught:
        probe(str(script(tmp_path / "python", text)), runner)
    assert caught.value.code == "interpreter-unsupported"


def _elsewhere(*minors: str) -> list[str]:
    """Interpreters of these versions, where a version manager keeps them."""
    root = Path("~/.pyenv/versions").expanduser()
    return [str(found[0]) for minor in minors if (found := sorted(root.glob(f"{minor}.*/bin/python")))]


@pytest.mark.parametrize("python", _elsewhere("2.7", "3.6", "3.7"))
def test_really_old_interpreters(ask: Ask, python: str) -> None:
    with pytest.raises(UsageError) as caught:
        ask(python)
    assert caught.value.code == "interpreter-unsupported"


@pytest.mark.parametrize("python", _elsewhere("3.8", "3.9", "3.10", "3.12", "3.13"))
def test_other_versions_and_their_venvs(ask: Ask, make_venv: MakeVenv, python: str) -> None:
    base = ask(python)
    child = ask(make_venv(python=python))
    assert child.version == base.version
    assert f".{base.minor.split('.')[1]}." in child.version
    assert Path(child.base_python).samefile(python)
    assert child.base_prefix == base.prefix


def test_a_shim_is_replaced_by_what_it_starts(ask: Ask, make_venv: MakeVenv, tmp_path: Path) -> None:
    python = make_venv()
    shim = script(tmp_path / "shim", f'#!/bin/sh\nexec {python} "$@"\n')
    assert ask(shim).python == str(python)


def test_the_script_gives_the_same_facts_in_this_process() -> None:
    facts = _probe.collect()
    assert facts["python"] == sys.executable
    assert json.loads(json.dumps(facts)) == json.loads(json.dumps(_probe.collect()))
    assert "lib-dynload" not in json.dumps(facts["site_dirs"])


def test_main_writes_one_marked_line(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    _probe.main()
    lines = capfdbinary.readouterr().out.decode().splitlines()
    assert [line.startswith(_probe.MARK) for line in lines] == [False, True]
    assert json.loads(lines[1][len(_probe.MARK) :]).keys() == set(Interpreter.__slots__)


class TestFindHostPython:
    def test_the_argument_comes_before_the_setting_and_ours_last(self, make_venv: MakeVenv) -> None:
        one, two = str(make_venv("one")), str(make_venv("two"))
        assert find_host_python(one, two) == one
        assert find_host_python(None, two) == two
        assert find_host_python("", "") == sys.executable

    def test_a_directory_means_the_interpreter_in_it(self, make_venv: MakeVenv) -> None:
        python = make_venv()
        assert find_host_python(str(python.parent.parent), None) == str(python)

    def test_a_bare_name_is_looked_up_on_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        named = script(tmp_path / "python9.9", "#!/bin/sh\n")
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        assert find_host_python("python9.9", None) == str(named)

    def test_a_relative_path_becomes_absolute_and_links_stay(
        self, make_venv: MakeVenv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        python = make_venv()
        monkeypatch.chdir(tmp_path)
        assert find_host_python("host/bin/python", None) == str(python)

    @pytest.mark.parametrize("name", ["no-such-python", "./nothing", "/nonexistent/python", "empty", "plain.txt"])
    def test_what_is_not_there(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "empty").mkdir()
        (tmp_path / "plain.txt").write_text("not executable")
        with pytest.raises(UsageError) as caught:
            find_host_python(name, None)
        assert (caught.value.code, caught.value.where, caught.value.exit_code) == (
            "interpreter-missing",
            name,
            2,
        )


class TestFindPython:
    @pytest.fixture(autouse=True)
    def own_uv_cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))

    def test_a_version_that_is_there(self, runner: Runner, uv_bin: str, ask: Ask) -> None:
        minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
        assert ask(find_python(minor, runner, uv_bin)).minor == minor

    def test_a_version_that_pyenv_keeps(
        self, runner: Runner, uv_bin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for version in ("3.99.9", "3.99.10", "3.9.1"):
            kept = tmp_path / "versions" / version / "bin" / "python"
            kept.parent.mkdir(parents=True)
            kept.write_text("#!/bin/sh\n")
            kept.chmod(0o755)
        monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
        assert find_python("3.99", runner, uv_bin) == str(tmp_path / "versions" / "3.99.10" / "bin" / "python")
        with pytest.raises(UsageError):
            find_python("3.98", runner, uv_bin)

    def test_an_activated_venv_is_no_answer(
        self, runner: Runner, uv_bin: str, make_venv: MakeVenv, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("VIRTUAL_ENV", str(make_venv().parent.parent))
        found = find_python(f"{sys.version_info[0]}.{sys.version_info[1]}", runner, uv_bin)
        assert not (Path(found).parent.parent / "pyvenv.cfg").exists()

    @pytest.mark.parametrize("wanted", ["3.99", "--help", "python4", "nonsense!!"])
    def test_a_version_that_is_not_there(self, runner: Runner, uv_bin: str, wanted: str) -> None:
        with pytest.raises(UsageError) as caught:
            find_python(wanted, runner, uv_bin)
        assert (caught.value.code, caught.value.where, caught.value.exit_code) == (
            "interpreter-missing",
            wanted,
            2,
        )
        assert caught.value.details

    def test_a_path_is_taken_as_it_is(self, runner: Runner, make_venv: MakeVenv) -> None:
        python = make_venv()
        assert find_python(str(python), runner, "uv-is-not-asked") == str(python)
        assert find_python(str(python.parent.parent), runner, "uv-is-not-asked") == str(python)
        assert not [argv for argv in runner.spawned if argv[0] == "uv-is-not-asked"]


def test_copied_interpreters_are_found_too(ask: Ask, make_venv: MakeVenv, put: PutDistribution) -> None:
    python = make_venv()
    copied = python.with_name("python-copy")
    shutil.copy2(python.resolve(), copied)
    put(site_packages(python), "demo", "1.0")
    assert ask(copied).python == str(copied)
