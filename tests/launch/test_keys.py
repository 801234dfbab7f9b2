"""Everything that decides a result changes the key of the request, the key of the plan, or a watch.

The lists here are this test's own: an entry that is taken out of the product's list fails the test of that entry.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import readings
from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse
from venvkit import ModelSpec, ensure_env
from venvkit.base.watch import changed
from venvkit.launch.asked import Call
from venvkit.launch.reading import Reading
from venvkit.settings import load_settings
from venvkit.spec.options import OPTIONS

INTERPRETER = ("HOME", "PYTHONPATH", "PYTHONNOUSERSITE", "PYTHONUSERBASE", "PYTHONSAFEPATH", "PYTHONPLATLIBDIR")
VARIABLES = {
    **dict.fromkeys(INTERPRETER[1:], "/elsewhere"),
    "CUDA_VISIBLE_DEVICES": "1",
    "XINFERENCE_HOME": "/elsewhere",
    "XINFERENCE_MODEL_SRC": "modelscope",
    "XINFERENCE_VIRTUAL_ENV_FIND_LINKS_ALLOWED_ROOTS": "/elsewhere",
    "XINFERENCE_VIRTUAL_ENV_SKIP_INSTALLED": "0",
    "XINFERENCE_VIRTUAL_ENV_OFFLINE_INSTALL": "1",
    "VENVKIT_ACCELERATOR": "none",
    "VENVKIT_BACKEND": "pip",
    "VENVKIT_ENGINES": "/elsewhere/engines.toml",
    "VENVKIT_EXCLUDE_NEWER": "2026-01-01",
    "VENVKIT_ORPHANS": "hold",
    "VENVKIT_PROTECT": "tool",
    "VENVKIT_PROVE": "metadata",
    "UV_CONFIG_FILE": "/elsewhere/uv.toml",
    "UV_CONSTRAINT": "/elsewhere/c.txt",
    "UV_DEFAULT_INDEX": "https://index.example/simple",
    "UV_INDEX_CORP_USERNAME": "me",
    "UV_NO_SYSTEM_CONFIG": "1",
    "UV_OVERRIDE": "/elsewhere/o.txt",
    "UV_PRERELEASE": "allow",
    "UV_RESOLUTION": "lowest",
    "UV_TORCH_BACKEND": "auto",
    "UV_OF_A_NEWER_UV": "1",
    "PIP_CONFIG_FILE": "/elsewhere/pip.conf",
    "PIP_CONSTRAINT": "/elsewhere/c.txt",
    "PIP_EXTRA_INDEX_URL": "https://index.example/simple",
    "PIP_NO_BINARY": "tool",
    "PIP_no_index": "1",
}
SETTINGS = {
    "XINFERENCE_VIRTUAL_ENV_SKIP_INSTALLED": "false",
    "XINFERENCE_VIRTUAL_ENV_OFFLINE_INSTALL": "true",
    "VENVKIT_BACKEND": '"pip"',
    "VENVKIT_EXCLUDE_NEWER": '"2026-01-01"',
    "VENVKIT_ORPHANS": '"hold"',
    "VENVKIT_PROTECT": '"tool"',
    "VENVKIT_PROVE": '"metadata"',
}
CHOICES: dict[str, Any] = {
    "engine": "vllm",
    "model_format": "gptq",
    "model_type": "LLM",
    "variant": 2,
    "specs": "/elsewhere",
    "from_server": True,
    "packages": ["tool==1.0"],
    "variables": {"a": "b"},
    "index_url": "https://index.example/simple",
    "extra_index_urls": ["https://index.example/simple"],
    "find_links": ["/elsewhere"],
    "index_strategy": "unsafe-best-match",
    "host_python": "/elsewhere/python",
    "python": "3.99",
    "skip_installed": False,
    "isolated": True,
    "offline": True,
    "accelerator": "none",
    "orphans": "report",
    "backend": "pip",
    "constraints": ["tool<9"],
    "overrides": ["tool<9"],
    "excludes": ["other"],
    "no_inherit": ["tool"],
    "optional": ["tool"],
    "verify": ["tool"],
    "protect": ["tool"],
    "runtime": ["tool"],
    "prove": "import",
    "sources": {"tool": "https://index.example/simple"},
    "only_binary": ["tool"],
    "no_build": ["tool"],
    "exclude_newer": "2026-01-01",
    "torch_backend": "cpu",
}
PLAIN = ModelSpec("m", ("tool",))


def key(spec: object = PLAIN, environ: dict[str, str] | None = None, **choices: Any) -> str:
    variables = {**os.environ, **(environ or {})}
    return Call(spec, choices, load_settings(variables), variables).key()  # type: ignore[arg-type]


@pytest.mark.parametrize("name", VARIABLES)
def test_each_variable_is_in_the_key_of_a_request(home: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name, raising=False)
    assert key() != key(environ={name: VARIABLES[name]})


_CONFIGURED = [
    ("HOME", ".config/pip/pip.conf"), ("HOME", ".pip/pip.conf"), ("HOME", ".config/uv/uv.toml"),
    ("HOME", ".local/lib/x"), ("XDG_CONFIG_HOME", "pip/pip.conf"), ("XDG_CONFIG_HOME", "uv/uv.toml"),
    ("XDG_CONFIG_DIRS", "pip/pip.conf"), ("XDG_CONFIG_DIRS", "uv/uv.toml"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "file"), _CONFIGURED)
def test_a_folder_of_configuration_counts_where_something_is_there(
    home: Path, tmp_path: Path, name: str, file: str
) -> None:
    """Users who share a store have homes of their own: empty ones ask the same."""
    empty, full = tmp_path / "empty", tmp_path / "full"
    empty.mkdir()
    (full / file).parent.mkdir(parents=True)
    (full / file).write_text("")
    assert key(environ={name: str(empty)}) == key(environ={name: str(tmp_path / "nowhere")})
    assert key(environ={name: str(full)}) != key(environ={name: str(empty)})


def test_every_option_is_varied() -> None:
    assert {option.name for option in OPTIONS} == {*CHOICES, "upgrade"}


@pytest.mark.parametrize("name", CHOICES)
def test_each_option_is_in_the_key_of_a_request(home: Path, name: str) -> None:
    assert key("m") != key("m", **{name: CHOICES[name]})


@pytest.mark.parametrize("name", ["model_type", "variant", "specs", "from_server"])
def test_options_that_look_for_a_name_change_nothing_for_a_value(home: Path, name: str) -> None:
    assert key() == key(**{name: CHOICES[name]})


def test_an_upgrade_answers_the_same_request(home: Path) -> None:
    assert key() == key(upgrade=True)


SPECS = {
    "its packages": ModelSpec("m", ("tool", "other")),
    "its name": ModelSpec("n", ("tool",)),
    "its links": ModelSpec("m", ("tool",), find_links=("/elsewhere",)),
    "its isolation": ModelSpec("m", ("tool",), no_build_isolation=True),
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_a_value_is_in_the_key_by_its_fields(home: Path, spec: ModelSpec) -> None:
    assert key(spec) != key()
    assert key(ModelSpec("m", ("tool",))) == key()


RELATIVE: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "PYTHONPATH": ({"PYTHONPATH": "lib"}, {}),
    "UV_CONSTRAINT": ({"UV_CONSTRAINT": "c.txt"}, {}),
    "UV_CONFIG_FILE": ({"UV_CONFIG_FILE": "uv.toml"}, {}),
    "UV_FIND_LINKS": ({"UV_FIND_LINKS": "/a,wheels"}, {}),
    "UV_INDEX": ({"UV_INDEX": "corp=wheels"}, {}),
    "UV_DEFAULT_INDEX": ({"UV_DEFAULT_INDEX": "./wheels"}, {}),
    "PIP_CONSTRAINT": ({"PIP_CONSTRAINT": "/a/c.txt c.txt"}, {}),
    "PIP_FIND_LINKS": ({"PIP_FIND_LINKS": "wheels"}, {}),
    "VENVKIT_ENGINES": ({"VENVKIT_ENGINES": "engines.toml"}, {}),
    "VENVKIT_HOST_PYTHON": ({"VENVKIT_HOST_PYTHON": "./bin/python"}, {}),
    "find_links": ({}, {"find_links": "wheels"}),
    "python": ({}, {"python": "./bin/python"}),
    "host_python": ({}, {"host_python": "./bin/python"}),
    "specs": ({}, {"specs": "specs"}),
}


@pytest.mark.parametrize("form", RELATIVE.values(), ids=RELATIVE)
def test_a_relative_path_is_another_one_in_another_folder(
    home: Path, tmp_path: Path, form: tuple[dict[str, str], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    environ, choices = form
    keys = set()
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        keys.add(key("m", environ, **choices))
    assert len(keys) == 2


def test_an_absolute_path_is_the_same_in_another_folder(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {
        "UV_CONSTRAINT": "/a/c.txt",
        "UV_DEFAULT_INDEX": "https://index.example/simple",
        "UV_FIND_LINKS": "/a,/b",
        "UV_INDEX": "https://index.example/simple corp=/srv/wheels",
    }
    before = key(environ=environ)
    monkeypatch.chdir(tmp_path)
    assert key(environ=environ) == before


def test_a_program_is_looked_for_in_the_path(home: Path) -> None:
    for choices in ({"host_python": "python3"}, {"python": "3.11"}):
        assert key(**choices) != key(environ={"PATH": "/elsewhere"}, **choices)
    assert key() == key(environ={"PATH": "/elsewhere"})


def test_equal_specs_of_two_folders_are_two(home: Path, tmp_path: Path) -> None:
    """Relative paths in a spec start at its folder."""
    keys = set()
    for folder in ("one", "two"):
        path = tmp_path / folder / "m.json"
        path.parent.mkdir()
        path.write_text('{"model_name": "m"}')
        keys.add(key(path))
    assert len(keys) == 2


@pytest.fixture
def read(host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec) -> Callable[..., Reading]:
    wheelhouse.add("tool", "1.0")
    spec = write_spec("m", ["tool"])

    def open_reading(**choices: Any) -> Reading:
        return readings.opened(spec, host_python=host.python, **choices)[0]

    return open_reading


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_of_the_file_is_in_the_key_of_a_plan(home: Path, read: Callable[..., Reading], name: str) -> None:
    before = read()
    file = home / "venvkit" / "settings.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f"{name} = {SETTINGS[name]}\n")
    assert changed(before.watches) == str(file)
    assert read().alike != before.alike


@pytest.mark.parametrize("choices", [{"upgrade": True}, {"backend": "pip"}, {"orphans": "hold"}, {"offline": True}])
def test_what_a_plan_follows_from_is_in_its_key(read: Callable[..., Reading], choices: dict[str, Any]) -> None:
    assert read(**choices).alike != read().alike


def test_the_version_of_the_tool_is_in_the_key_of_a_plan(read: Callable[..., Reading]) -> None:
    from msgspec.structs import replace

    reading = read()
    assert reading.tool[0] == "uv"
    assert replace(reading, tool=("uv", "0.0.1")).alike != reading.alike


@pytest.mark.parametrize("name", INTERPRETER)
def test_each_variable_of_the_interpreter_has_its_own_snapshot(
    home: Path, host: Host, write_spec: WriteSpec, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = write_spec("m", [])

    def probed() -> bool:
        _, services = readings.opened(spec, host_python=host.python)
        return any(argv[0] == host.python for argv in services.runner.spawned)

    assert probed()
    assert not probed()
    # PYTHONPLATLIBDIR names the folder of the standard library: any other one would break the interpreter.
    value = "lib" if name == "PYTHONPLATLIBDIR" else str(tmp_path / "other")
    monkeypatch.setenv(name, value)
    assert probed()


Place = Callable[[Path, Host, pytest.MonkeyPatch], Path]


def _under(variable: str, *parts: str) -> Place:
    def place(folder: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv(variable, str(folder))
        return folder.joinpath(*parts)

    return place


def _named(variable: str, name: str = "c.txt") -> Place:
    def place(folder: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv(variable, str(folder / name))
        return folder / name

    return place


def _nested(folder: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> Path:
    (folder / "outer.txt").write_text("-c c.txt\n")
    monkeypatch.setenv("UV_CONSTRAINT", str(folder / "outer.txt"))
    return folder / "c.txt"


FILES: dict[str, tuple[Place, str, str]] = {
    "uv.toml of XDG_CONFIG_HOME": (_under("XDG_CONFIG_HOME", "uv", "uv.toml"), "", 'resolution = "lowest"'),
    "uv.toml of HOME": (_under("HOME", ".config", "uv", "uv.toml"), "", 'resolution = "lowest"'),
    "uv.toml of XDG_CONFIG_DIRS": (_under("XDG_CONFIG_DIRS", "uv", "uv.toml"), "", 'resolution = "lowest"'),
    "UV_CONFIG_FILE": (_named("UV_CONFIG_FILE", "uv.toml"), "", 'resolution = "lowest"'),
    "UV_CONSTRAINT": (_named("UV_CONSTRAINT"), "tool<2", "tool<3"),
    "UV_OVERRIDE": (_named("UV_OVERRIDE"), "tool<2", "tool<3"),
    "UV_EXCLUDE": (_named("UV_EXCLUDE"), "other", "third"),
    "UV_BUILD_CONSTRAINT": (_named("UV_BUILD_CONSTRAINT"), "tool<2", "tool<3"),
    "PIP_CONSTRAINT": (_named("PIP_CONSTRAINT"), "tool<2", "tool<3"),
    "what a file of constraints includes": (_nested, "tool<2", "tool<3"),
    "pip.conf of XDG_CONFIG_HOME": (
        _under("XDG_CONFIG_HOME", "pip", "pip.conf"), "", "[global]\nextra-index-url = https://a.example",
    ),
    "pip.conf of HOME": (_under("HOME", ".pip", "pip.conf"), "", "[global]\nextra-index-url = https://a.example"),
    "pip.conf of XDG_CONFIG_DIRS": (
        _under("XDG_CONFIG_DIRS", "pip", "pip.conf"), "", "[global]\nextra-index-url = https://a.example",
    ),
    "PIP_CONFIG_FILE": (_named("PIP_CONFIG_FILE", "pip.conf"), "", "[global]\nextra-index-url = https://a.example"),
    "pip.conf of the host": (
        lambda folder, host, patch: host.prefix / "pip.conf", "", "[global]\nextra-index-url = https://a.example",
    ),
}  # fmt: skip


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_each_file_of_configuration_is_watched_and_in_the_key_of_a_plan(
    tmp_path: Path, host: Host, read: Callable[..., Reading], file: tuple[Place, str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    place, first, second = file
    folder = tmp_path / "configuration"
    folder.mkdir()
    monkeypatch.delenv("UV_NO_CONFIG")
    monkeypatch.delenv("PIP_CONFIG_FILE")
    path = place(folder, host, monkeypatch)
    if first:
        path.write_text(first + "\n")
    before = read()
    assert changed(before.watches) is None
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = path.stat() if first else None
    path.write_text(second + "\n")
    if kept is not None:
        os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert changed(before.watches) == str(path)
    assert read().alike != before.alike


def test_a_relative_path_in_a_pip_conf_is_read_from_the_working_directory(
    tmp_path: Path, read: Callable[..., Reading], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip.conf").write_text("[install]\nfind-links = links\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    (tmp_path / "one" / "links").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "one")
    before = read()
    assert changed(before.watches) is None
    monkeypatch.chdir(tmp_path)
    assert changed(before.watches) == str(tmp_path / "one")


@pytest.mark.parametrize("by", ["option", "variable"])
def test_what_uv_takes_torch_by_is_watched(
    read: Callable[..., Reading], by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by == "variable":
        monkeypatch.setenv("UV_TORCH_BACKEND", "auto")
    reading = read(torch_backend="auto") if by == "option" else read()
    watched = {str(watch[1]) for watch in reading.watches}
    # Where there is no device, the folder tells that one has come.
    assert "/dev" in watched or {"/sys/module/nvidia/version", "/dev/nvidia0", "/proc/driver/nvidia/version"} <= watched
    assert reading.driver is not None


def test_another_user_in_another_folder_finds_the_answer_again(
    home: Path,
    host: Host,
    wheelhouse: Wheelhouse,
    write_spec: WriteSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The wheels of the spec lie below the working directory of the first call, and the homes hold nothing."""
    wheelhouse.add("tool", "1.0")
    spec = write_spec("m", ["tool"])
    monkeypatch.chdir(tmp_path)
    assert ensure_env(spec, host_python=host.python).built
    monkeypatch.chdir("/")
    monkeypatch.setenv("HOME", str(tmp_path / "other"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other-cache"))
    for folder in (home / "virtualenv" / "requests", home / "virtualenv" / "locks"):
        for file in folder.iterdir():
            file.chmod(0o444)
    events: list[object] = []
    assert not ensure_env(spec, host_python=host.python, observer=events.append).built
    assert events == []
