"""`why` and `plan --explain`: every distribution has a reason, and those installed say why they were not inherited."""

from __future__ import annotations

import io
import platform
import re
import tarfile
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke, document
from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse

WHY = ["name", "status", "version", "host_version", "reason", "required_by", "cause", "explanation"]


@pytest.fixture
def wide(host: Host, wheelhouse: Wheelhouse, spec: Path) -> Path:
    """`spec`, with a newer `base`, an `aside` that the model never reaches, and a `helper` that breaks with it."""
    wheelhouse.add("base", "3.0")
    wheelhouse.add("aside", "1.0")
    wheelhouse.add("helper", "1.0", requires=["base<2"])
    wheelhouse.add("helper", "2.0", requires=["base>=3"])
    host.install("aside", "helper==1.0")
    return spec


def test_explain_tells_every_distribution(invoke: Invoke, wide: Path) -> None:
    done = invoke("plan", wide, "--explain", "-p", "base>=3", "--json")
    data = document(done.stdout)["data"]
    assert list(data)[-1] == "why"
    assert [list(item) for item in data["why"]] == [WHY] * 3
    assert data["why"] == [
        {
            "name": "base",
            "status": "installed",
            "version": "3.0",
            "host_version": "1.0",
            "reason": ["caller packages[0]: base>=3"],
            "required_by": [
                "caller packages[0] requires base>=3",
                "helper==2.0 requires base>=3",
                "tool==2.0 requires base>=1",
            ],
            "cause": "version",
            "explanation": "the host's 1.0 does not satisfy base>=3 of caller packages[0]",
        },
        {
            "name": "helper",
            "status": "installed",
            "version": "2.0",
            "host_version": "1.0",
            "reason": ["repair of helper==1.0: helper", "helper==1.0 requires base<2 on the host"],
            "required_by": [],
            "cause": "repaired",
            "explanation": "the host's 1.0 would be broken: helper==1.0 requires base<2",
        },
        {
            "name": "tool",
            "status": "installed",
            "version": "2.0",
            "host_version": None,
            "reason": ["virtualenv.packages[0]: tool"],
            "required_by": ["virtualenv.packages[0] requires tool"],
            "cause": "missing",
            "explanation": "the host has none",
        },
    ]
    assert "why" not in document(invoke("plan", wide, "--json").stdout)["data"]


def test_explain_as_text_has_the_whole_chain(invoke: Invoke, spec: Path) -> None:
    text = invoke("plan", spec, "--explain", "-q").stdout
    assert (
        "base 1.0: inherited\n"
        "  because  virtualenv.packages[0]: tool\n"
        "           tool==2.0 requires base>=1\n"
        "  that is  the host's 1.0 satisfies all that asks for it\n"
    ) in text
    assert (
        "tool 2.0: installed\n"
        "  because        virtualenv.packages[0]: tool\n"
        "  not inherited  missing: the host has none\n"
    ) in text
    assert "because" not in invoke("plan", spec, "-q").stdout


def test_a_repair_shows_its_download(invoke: Invoke, wide: Path, wheelhouse: Wheelhouse) -> None:
    text = invoke("plan", wide, "-p", "base>=3", "-q").stdout
    size = (wheelhouse.path / "helper-2.0-py3-none-any.whl").stat().st_size
    assert re.search(rf"repaired: .*\n .*download +because\n  helper +1.0 +2.0 +{size} B +helper==1.0", text), text


@pytest.fixture
def raw(wheelhouse: Wheelhouse) -> None:
    """A distribution without a wheel, whose metadata can be read without a build."""
    info = b"Metadata-Version: 2.2\nName: raw\nVersion: 1.0\n"
    with tarfile.open(wheelhouse.path / "raw-1.0.tar.gz", "w:gz") as archive:
        for name, content in (("raw-1.0/PKG-INFO", info), ("raw-1.0/pyproject.toml", b"")):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


@pytest.mark.usefixtures("raw")
def test_a_plan_marks_what_is_built_from_source(invoke: Invoke, spec: Path) -> None:
    made = document(invoke("plan", spec, "-p", "raw", "--json").stdout)["data"]
    assert {item["name"]: item["builds"] for item in made["install"]} == {"raw": True, "tool": False}
    assert re.search(r"^  raw +1.0 +\d+ B +from source ", invoke("plan", spec, "-p", "raw", "-q").stdout, re.MULTILINE)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the provider that is used here is of this machine")
def test_a_plan_names_wheel_variants(
    invoke: Invoke, spec: Path, wheelhouse: Wheelhouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_PREVIEW_FEATURES", "wheel-variants")
    wheelhouse.add_variants("fast", "1.0", {"level1": {"x86_64": {"level": ["v1"]}}})
    made = document(invoke("plan", spec, "-p", "fast", "--json").stdout)["data"]
    assert {item["name"]: item.get("variant") for item in made["install"]} == {"fast": "level1", "tool": None}
    assert "variant level1" in invoke("plan", spec, "-p", "fast", "-q").stdout


@pytest.mark.usefixtures("raw")
@pytest.mark.parametrize(
    "refusal",
    [
        ["--only-binary", "raw"],
        ["--only-binary", ":all:"],
        ["--no-build", ":all:"],
        ["--no-build", "raw"],
    ],
)
def test_a_build_can_be_forbidden(invoke: Invoke, spec: Path, refusal: list[str]) -> None:
    done = invoke("plan", spec, "-p", "raw", *refusal, "--json")
    assert (done.exit_code, document(done.stdout)["error"]["code"]) == (3, "no-solution")
    tolerated = invoke("plan", spec, "-p", "raw", "--optional", "raw", *refusal, "--json")
    assert [item["requirement"] for item in document(tolerated.stdout)["data"]["absent"]] == ["raw"]


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        ("tool", [], ("installed", "missing", "the host has none")),
        ("BASE", [], ("inherited", "", "the host's 1.0 satisfies all that asks for it")),
        ("base", ["--no-inherit", "base"], ("installed", "barred", "the host's 1.0 may not satisfy this request")),
        ("base", ["--exclude", "base"], ("excluded", "", "the request excludes it")),
        ("aside", [], ("visible", "", "it is on the host, and nothing that the model reaches requires it")),
        ("nothing", [], ("absent", "", "nothing that the model reaches requires it")),
        ("bsae", [], ("absent", "", "nothing that the model reaches requires it; did you mean base?")),
        ("gone", ["-p", "gone", "--optional", "gone"], ("absent", "", "it is optional and has no solution: ")),
    ],
)
def test_why_answers_for_any_name(
    invoke: Invoke, wide: Path, home: Path, name: str, args: list[str], expected: tuple[str, str, str]
) -> None:
    data = document(invoke("why", wide, name, *args, "--json").stdout)["data"]
    assert list(data) == ["model", "environment", *WHY]
    assert (data["model"], data["environment"], data["name"]) == ("hello", "", name.lower())
    assert (data["status"], data["cause"]) == expected[:2]
    assert data["explanation"].startswith(expected[2])
    assert not home.exists()


def test_a_hold_and_another_build_are_causes(invoke: Invoke, spec: Path, host: Host, wheelhouse: Wheelhouse) -> None:
    wheelhouse.add("base", "1.5")
    wheelhouse.add("base", "3.0")
    wheelhouse.add("server", "1.0", requires=["base<2"])
    host.install("server")
    held = document(invoke("why", spec, "base", "-p", "base", "--upgrade", "--json").stdout)["data"]
    assert (held["version"], held["cause"]) == ("1.5", "held")
    assert held["explanation"] == "1.5 keeps server==1.0 whole, which requires base<2"
    url = (wheelhouse.path / "base-1.5-py3-none-any.whl").as_uri()
    built = document(invoke("why", spec, "base", "-p", f"base @ {url}", "--json").stdout)["data"]
    assert (built["cause"], built["explanation"]) == ("build", f"another build is asked for: {url}")


def test_the_two_arguments_come_in_either_order(invoke: Invoke, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = invoke("why", spec, "base", "--json").stdout
    assert invoke("why", "base", spec, "--json").stdout == forward
    assert document(forward)["data"]["status"] == "inherited"
    built = document(invoke("build", spec, "--json").stdout)["data"]
    stored = invoke("why", "hello", "base", "--json").stdout
    assert invoke("why", "base", "hello", "--json").stdout == stored
    environment = Path(built["environment"]).name
    assert document(stored)["data"]["environment"] == environment
    assert invoke("why", "base", environment, "--json").stdout == stored
    bare = spec.with_suffix("")
    bare.write_text(spec.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.chdir(bare.parent)
    bare.rename("plain")
    assert document(invoke("why", "base", "plain", "--json").stdout)["data"]["status"] == "inherited"


def test_an_environment_answers_as_its_plan_did(invoke: Invoke, wide: Path) -> None:
    args = ["-p", "base>=3", "--no-inherit", "aside", "-p", "aside"]
    planned = document(invoke("plan", wide, "--explain", *args, "--json").stdout)["data"]["why"]
    assert {item["name"]: item["cause"] for item in planned} == {
        "aside": "barred",
        "base": "version",
        "helper": "repaired",
        "tool": "missing",
    }
    assert invoke("build", wide, *args).exit_code == 0
    for item in planned:
        told = document(invoke("why", "hello", item["name"], "--json").stdout)["data"]
        kept = {name: told[name] for name in ("name", "status", "version", "host_version", "reason", "cause")}
        assert kept == {name: item[name] for name in kept}
        assert told["explanation"] == item["explanation"]
        assert set(item["required_by"]) <= set(told["required_by"])


def test_an_environment_remembers_the_host_that_it_was_planned_on(
    invoke: Invoke, wide: Path, host: Host, wheelhouse: Wheelhouse
) -> None:
    assert invoke("build", wide, "-p", "base>=3").exit_code == 0
    host.uninstall("helper")
    host.install("base==3.0")
    base = document(invoke("why", "hello", "base", "--json").stdout)["data"]
    assert (base["host_version"], base["cause"]) == ("1.0", "version")
    helper = document(invoke("why", "hello", "helper", "--json").stdout)["data"]
    assert (helper["host_version"], helper["cause"]) == ("1.0", "repaired")


def test_an_isolated_environment_answers_without_a_host(invoke: Invoke, spec: Path) -> None:
    assert invoke("build", spec, "--isolated").exit_code == 0
    base = document(invoke("why", "hello", "base", "--json").stdout)["data"]
    assert (base["status"], base["host_version"], base["cause"]) == ("installed", None, "missing")
    assert base["reason"] == ["virtualenv.packages[0]: tool", "tool==2.0 requires base>=1"]


def test_why_as_text(invoke: Invoke, spec: Path) -> None:
    done = invoke("why", spec, "base", "-q")
    assert done.exit_code == 0
    assert done.stdout == (
        "hello (a new plan)\n"
        "\n"
        "base 1.0: inherited\n"
        "  because      virtualenv.packages[0]: tool\n"
        "               tool==2.0 requires base>=1\n"
        "  that is      the host's 1.0 satisfies all that asks for it\n"
        "  required by  tool==2.0 requires base>=1\n"
    )


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["SPEC"], "usage"),
        (["SPEC", "base>=1"], "name-invalid"),
        (["no-such.json", "base"], "spec-not-found"),
        (["base", "no-such.json"], "spec-not-found"),
        (["nobody", "base"], "model-unknown"),
        (["nobody", "base", "-p", "x"], "model-unknown"),
        (["../../etc", "base"], "spec-not-found"),
    ],
)
def test_failures_of_why(invoke: Invoke, spec: Path, home: Path, args: list[str], code: str) -> None:
    done = invoke("why", *[spec if arg == "SPEC" else arg for arg in args], "--json")
    found = document(done.stdout)
    assert (done.exit_code, found["command"], found["data"]) == (2, "why", {})
    assert found["error"]["code"] == code
    assert found["error"]["remedy"]
    assert not home.exists()


def test_which_environment_must_be_clear(invoke: Invoke, spec: Path, write_spec: WriteSpec) -> None:
    model = write_spec("multi", ["tool", "base ; #engine# == 'one' or #engine# == 'two'"])
    for engine in ("one", "two"):
        assert invoke("build", model, "--engine", engine).exit_code == 0
    unclear = document(invoke("why", "multi", "base", "--json").stdout)["error"]
    assert (unclear["code"], "one on Python" in unclear["message"]) == ("model-ambiguous", True)
    clear = document(invoke("why", "multi", "base", "--engine", "one", "--json").stdout)["data"]
    assert clear["reason"] == ["virtualenv.packages[1]: base"]
    missing = document(invoke("why", "multi", "base", "--engine", "one", "--python", "2.7", "--json").stdout)["error"]
    assert missing["code"] == "model-not-built"


def test_rubble_cannot_answer(invoke: Invoke, spec: Path) -> None:
    built = document(invoke("build", spec, "--json").stdout)["data"]
    Path(built["environment"], "venvkit.json").unlink()
    for name in ("hello", Path(built["environment"]).name):
        error = document(invoke("why", name, "base", "--json").stdout)["error"]
        assert error["code"] == "environment-unusable"
        assert error["remedy"]


def test_options_of_a_plan_are_refused_where_nothing_is_planned(invoke: Invoke, spec: Path) -> None:
    invoke("build", spec)
    for command in (["why", "hello", "base"], ["diff", "hello", "hello"]):
        found = document(invoke(*command, "--isolated", "--json").stdout)
        assert (found["data"], found["error"]["code"]) == ({}, "options-unused")
