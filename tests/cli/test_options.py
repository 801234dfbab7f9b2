"""Options: one table, from which the call, the command line, the levers, the schema and the docs are made."""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from tests import tables
from tests.cli.conftest import Invoke, document
from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse
from venvkit import ensure_env, plan_env
from venvkit.cli.options.request import RequestCommand, request_options
from venvkit.errors import UsageError
from venvkit.launch import asked
from venvkit.spec.levers import Levers
from venvkit.spec.model import load_specs
from venvkit.spec.options import LEVERS, OPTIONS, Option, read_choices

# Form -> words of a command line after an option's name, given twice where it may be, and the value they become.
GIVEN: dict[str, tuple[tuple[str, ...], Any]] = {
    "text": (("x",), "x"),
    "program": (("/p",), "/p"),
    "number": (("2",), 2),
    "texts": (("a", "b"), ["a", "b"]),
    "lines": (("a<2", "b @ https://k/b.whl"), ["a<2", "b @ https://k/b.whl"]),
    "folders": (("/a", "/b"), ["/a", "/b"]),
    "places": (("/a", "https://k/"), ["/a", "https://k/"]),
}
ANNOTATIONS = {
    "text": "str | None",
    "program": "str | os.PathLike[str] | None",
    "texts": "Sequence[str] | str",
    "lines": "Sequence[str] | str",
    "folders": "Sequence[str | os.PathLike[str]] | str | os.PathLike[str]",
    "places": "Sequence[str | os.PathLike[str]] | str | os.PathLike[str]",
    "pairs": "Mapping[str, str]",
    "number": "int | None",
}


@click.command(cls=RequestCommand)
@request_options
def probe(choices: dict[str, Any]) -> None:
    click.echo(json.dumps(choices))


def _given(option: Option) -> tuple[list[str], Any]:
    """Return words of a command line that choose an option, and the keyword's value."""
    if option.form == "flag":
        return [option.names[-1]], option.name != "skip_installed"
    if option.form == "pairs":
        return [option.names[-1], "a=https://i/?x=1", option.names[-1], "b=c"], {"a": "https://i/?x=1", "b": "c"}
    words, value = ((option.words[-1],), option.words[-1]) if option.words else GIVEN[option.form]
    return [part for word in words for part in (option.names[-1], word)], value


@pytest.mark.parametrize("option", OPTIONS, ids=[option.name for option in OPTIONS])
def test_every_option_is_a_keyword_with_a_spelling_and_a_meaning(option: Option) -> None:
    words, value = _given(option)
    done = CliRunner().invoke(probe, words)
    assert json.loads(done.stdout) == {option.name: value}, done.output
    assert option.meaning[-1] == "."
    assert option.section + ":" in CliRunner().invoke(probe, ["--help"]).stdout
    # What the command line hands on is what a call takes.
    assert option.read(value) == (tuple(value) if isinstance(value, list) else value)


def test_checkers_know_the_keywords_of_the_table() -> None:
    (choices,) = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(asked)))
        if isinstance(node, ast.ClassDef) and node.name == "Choices"
    ]
    annotations = {ast.unparse(item.target): ast.unparse(item.annotation) for item in choices.body[1:]}  # type: ignore[attr-defined]
    assert annotations.keys() == {option.name for option in OPTIONS}
    for option in OPTIONS:
        if option.words:
            expected = f"Literal[{', '.join(map(repr, option.words))}] | None"
        elif option.form == "flag":
            expected = "bool" if option.unset is False else "bool | None"
        else:
            expected = ANNOTATIONS[option.form]
        assert annotations[option.name] == expected, option.name


def test_the_levers_are_those_of_the_table() -> None:
    assert set(Levers.__struct_fields__) == {lever.name for lever in LEVERS}
    assert {lever.form for lever in LEVERS} == {"texts", "lines", "text", "pairs"}


@pytest.mark.parametrize("name", tables.TABLES)
def test_the_tables_of_the_docs_are_those_of_the_product(name: str) -> None:
    text = (tables.DOCS / tables.TABLES[name][0]).read_text(encoding="utf-8")
    assert tables.placed(name, text) == text
    assert tables.TABLES[name][1]() in text


WRONG: list[tuple[str, Any]] = [
    *[(option.name, wrong) for option in OPTIONS for wrong in (3.5, b"x", object())],
    *[(option.name, [None]) for option in OPTIONS],
    *[(option.name, ["a\0b"]) for option in OPTIONS if option.several],
    *[(option.name, "a\0b") for option in OPTIONS],
    *[(option.name, {"a": 1}) for option in OPTIONS],
    *[(option.name, "elsewhere") for option in OPTIONS if option.words],
    *[(option.name, 1) for option in OPTIONS if option.form != "number"],
    *[(option.name, "no") for option in OPTIONS if option.form == "flag"],
    ("variant", 0),
    ("variant", True),
    ("find_links", ""),
    ("specs", ["a", ""]),
    ("host_python", "~no-such-user-here/python"),
    ("packages", [Path("a")]),
    ("no_such", 1),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_value_of_another_form_is_refused(home: Path, name: str, value: Any) -> None:
    with pytest.raises(UsageError) as caught:
        ensure_env("m", **{name: value})
    assert caught.value.code == ("option-unknown" if name == "no_such" else "option-invalid")
    assert caught.value.where in (name, "")
    assert caught.value.remedy


def test_wrong_values_are_refused_where_environments_are_off(home: Path) -> None:
    with pytest.raises(UsageError):
        ensure_env("m", enable=False, isolated="no")  # type: ignore[arg-type]


@pytest.mark.parametrize("written", ["wheels", "./wheels", "~/wheels", "{here}/wheels", "path"])
def test_a_folder_is_one_of_here_wherever_the_installer_runs(
    home: Path, host: Host, write_spec: WriteSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    place = tmp_path / "place"
    Wheelhouse(place / "wheels").add("only-there", "1.0")
    monkeypatch.chdir(place)
    monkeypatch.setenv("HOME", str(place))
    links = Path("wheels") if written == "path" else written.format(here=place)
    spec = write_spec("m", ["only-there"])
    plan = plan_env(spec, host_python=host.python, find_links=links).plan
    assert [item.name for item in plan.install] == ["only-there"]
    first = ensure_env(spec, host_python=host.python, find_links=links)
    monkeypatch.chdir("/")
    assert ensure_env(spec, host_python=host.python, find_links=[place / "wheels"]).key == first.key


@pytest.mark.parametrize("written", ["tool @ ./{wheel}", "tool @ file:{wheel}", "tool @ ~/{wheel}"])
def test_the_path_of_a_requirement_is_one_of_here(
    home: Path, host: Host, write_spec: WriteSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    wheel = Wheelhouse(tmp_path / "place").add("tool", "1.0")
    monkeypatch.chdir(wheel.parent)
    monkeypatch.setenv("HOME", str(wheel.parent))
    line = written.format(wheel=wheel.name)
    plan = plan_env(write_spec("m", ["tool"]), host_python=host.python, packages=f"{line} ; os_name == 'posix'").plan
    assert [item.url for item in plan.install] == [wheel.as_uri()]
    for lever in ("constraints", "overrides"):
        expected = (f"tool @ {wheel.as_uri()}",)
        assert read_choices({lever: line}, {"HOME": str(wheel.parent)})[lever] == expected
        block = {"packages": ["tool"], lever: line}
        Path("m.json").write_text(json.dumps({"model_name": "m", "virtualenv": block}), encoding="utf-8")
        (spec,) = load_specs("m.json")
        assert getattr(spec.levers, lever) == expected


def test_an_interpreter_is_one_of_here(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse.add("tool", "1.0")
    spec = write_spec("m", ["tool"])
    expected = ensure_env(spec, host_python=host.python, python=host.python).path
    folder = Path(host.python).parent
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))
    for python in ("./python", "~/python", Path("~/python")):
        assert ensure_env(spec, host_python=python, python=python).path == expected
    monkeypatch.chdir("/")


def test_the_limit_of_age_is_the_callers_then_the_specs_then_the_settings(
    home: Path, host: Host, tmp_path: Path, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def limit(**more: str) -> str | None:
        said = {"exclude_newer": more.pop("spec")} if "spec" in more else {}
        made = plan_env(write_spec("m", [], **said), host_python=host.python, **more)  # type: ignore[arg-type]
        return made.recipe.levers.exclude_newer

    assert limit() is None
    monkeypatch.setenv("VENVKIT_EXCLUDE_NEWER", "2026-01-01")
    assert limit() == "2026-01-01"
    assert limit(spec="2026-02-02") == "2026-02-02"
    assert limit(spec="2026-02-02", exclude_newer="2026-03-03") == "2026-03-03"
    assert limit(exclude_newer="2026-03-03") == "2026-03-03"


def test_options_decide_what_is_built(
    invoke: Invoke, spec: Path, host: Host, wheelhouse: Wheelhouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse.add("tool", "3.0")
    others = Wheelhouse(wheelhouse.path.parent / "others")
    others.add("extra", "1.0")
    monkeypatch.chdir(others.path.parent)

    def plan(*args: str) -> dict[str, list[str]]:
        data = document(invoke("plan", spec, *args, "--json").stdout)["data"]
        return {part: [f"{item['name']}-{item['version']}" for item in data[part]] for part in ("install", "inherit")}

    assert plan() == {"install": ["tool-3.0"], "inherit": []}
    assert plan("-p", "tool<3") == {"install": ["tool-2.0"], "inherit": ["base-1.0"]}
    assert plan("-p", "tool<3", "--no-skip-installed") == {"install": ["base-1.0", "tool-2.0"], "inherit": []}
    assert plan("--constraint", "tool<3", "--isolated") == {"install": ["base-1.0", "tool-2.0"], "inherit": []}
    assert plan("--override", "tool==2.0", "--exclude", "base") == {"install": ["tool-2.0"], "inherit": []}
    assert plan("-p", "extra", "--find-links", "others")["install"] == ["extra-1.0", "tool-3.0"]
    assert plan("-p", "base ; #size# == '7'", "--var", "size=7")["inherit"] == ["base-1.0"]
