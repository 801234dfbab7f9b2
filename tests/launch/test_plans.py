"""A plan of a moment ago is used again where it would be the same, and nowhere else."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit import Environment, ensure_env, plan_env
from venvkit.base.process import Runner
from venvkit.launch import plans as module
from venvkit.launch.plans import Plans
from venvkit.plan.values import Plan

NOTHING = Plan((), ())
Ask = Callable[..., Environment]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What uv is asked from here on, by its first words."""
    seen: list[str] = []
    real = Runner.run

    def run(self: Runner, argv: list[str], **options: object) -> object:
        if "dry-run" in " ".join(argv) or argv[1:3] in (["pip", "compile"], ["pip", "install"]):
            seen.append("ask" if "--dry-run" in argv else argv[2])
        return real(self, argv, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Runner, "run", run)
    return seen


@pytest.fixture
def ask(home: Path, host: Host, wheelhouse: Wheelhouse, index: HttpIndex, write_spec: WriteSpec) -> Ask:
    """Ask for a model that wants `tool`, from the index or, with `local`, from the folder of wheels."""
    wheelhouse.add("tool", "1.0")
    settle(wheelhouse)

    def ensure(name: str, *packages: str, local: bool = False, **choices: object) -> Environment:
        sources = {} if local else {"index_url": index.url, "find_links": []}
        return ensure_env(write_spec(name, packages or ["tool"], **sources), host_python=host.python, **choices)  # type: ignore[arg-type]

    return ensure


def settle(wheelhouse: Wheelhouse) -> None:
    """A folder that was changed this instant could be changed again unseen: then nothing is kept."""
    assert wheelhouse.path.is_dir()
    time.sleep(0.1)


def test_a_second_model_asks_nobody_and_installs_nothing(ask: Ask, index: HttpIndex, ran: list[str]) -> None:
    first = ask("first")
    assert ran == ["ask", "compile", "install"]
    requests = len(index.requests)
    ran.clear()
    second = ask("second")
    assert (second.path, second.built, second.model) == (first.path, False, "second")
    assert second.shell != first.shell
    assert ran == []
    assert len(index.requests) == requests


def test_what_happens_in_the_users_home_is_no_change_of_a_source(ask: Ask, ran: list[str], tmp_path: Path) -> None:
    user = tmp_path / "user"
    user.mkdir()
    (user / "folder").mkdir()
    ask("first")
    (user / "folder" / "new").write_text("")
    (user / "new").write_text("")
    ran.clear()
    ask("second")
    assert ran == []


def test_a_folder_of_wheels_may_hold_a_link_that_leads_nowhere_we_may_read(
    ask: Ask, wheelhouse: Wheelhouse, host: Host, write_spec: WriteSpec
) -> None:
    # Of another process: nobody but its user, root of its namespace, may follow it; in a sandbox not even root.
    (wheelhouse.path / "link").symlink_to("/proc/1/cwd")
    assert plan_env(write_spec("m", ["tool"]), host_python=host.python).plan.install


def test_what_was_planned_is_what_gets_built(
    ask: Ask, host: Host, index: HttpIndex, write_spec: WriteSpec, wheelhouse: Wheelhouse, ran: list[str]
) -> None:
    spec = write_spec("m", ["tool"], index_url=index.url, find_links=[])
    planned = plan_env(spec, host_python=host.python)
    wheelhouse.add("tool", "2.0")
    ran.clear()
    assert ensure_env(spec, host_python=host.python).receipt.plan == planned.plan  # type: ignore[union-attr]
    assert ran == ["install"]


def test_a_plan_is_made_anew_each_time(
    ask: Ask, host: Host, index: HttpIndex, write_spec: WriteSpec, ran: list[str]
) -> None:
    spec = write_spec("m", ["tool"], index_url=index.url, find_links=[])
    for _ in range(2):
        plan_env(spec, host_python=host.python)
    assert ran.count("ask") == 2


@pytest.mark.parametrize(
    ("packages", "choices"),
    [
        (["tool", "other"], {}),
        (["tool==1.0"], {}),
        (["tool"], {"skip_installed": False}),
        (["tool"], {"isolated": True}),
        (["tool"], {"constraints": ["tool<3"]}),
        (["tool"], {"upgrade": True}),
    ],
)
def test_another_question_is_asked(
    ask: Ask, wheelhouse: Wheelhouse, ran: list[str], packages: list[str], choices: dict[str, object]
) -> None:
    wheelhouse.add("other", "1.0")
    ask("first")
    ran.clear()
    ask("second", *packages, **choices)
    assert "ask" in ran


def test_a_host_that_changed_is_asked_about_anew(ask: Ask, host: Host, wheelhouse: Wheelhouse, ran: list[str]) -> None:
    ask("first")
    wheelhouse.add("base", "1.0")
    host.install("base")
    ran.clear()
    ask("second")
    assert "ask" in ran


def test_a_folder_of_wheels_is_watched(ask: Ask, wheelhouse: Wheelhouse, ran: list[str]) -> None:
    ask("first", local=True)
    ran.clear()
    assert not ask("second", local=True).built
    assert ran == []
    wheelhouse.add("tool", "2.0")
    third = ask("third", local=True)
    assert third.built
    assert [pin.version for pin in third.receipt.plan.install] == ["2.0"]  # type: ignore[union-attr]


def test_after_ten_minutes_the_sources_are_asked_again(
    ask: Ask, wheelhouse: Wheelhouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask("first")
    wheelhouse.add("tool", "2.0")
    now = time.time()
    monkeypatch.setattr(module.time, "time", lambda: now + module.KEEP_S + 1)
    third = ask("third")
    assert [pin.version for pin in third.receipt.plan.install] == ["2.0"]  # type: ignore[union-attr]


def test_a_plan_that_cannot_be_carried_out_is_made_anew(
    ask: Ask, wheelhouse: Wheelhouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ask("first")
    (lost,) = (path for path in wheelhouse.made if path.name.startswith("tool-1.0"))
    lost.unlink()
    wheelhouse.add("tool", "2.0")
    # Another store and another cache of uv: nothing of the first is at hand but its plan.
    monkeypatch.setenv("XINFERENCE_HOME", str(tmp_path / "other"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    second = ask("second")
    assert [pin.version for pin in second.receipt.plan.install] == ["2.0"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("tool>=1", True),
        ("https://index.example/simple", True),
        ("tool @ https://files.example/tool-1.0-py3-none-any.whl", True),
        ("tool @ git+https://forge.example/tool", False),
        ("hg+ssh://forge.example/tool", False),
    ],
)
def test_of_a_checkout_nothing_is_kept(tmp_path: Path, source: str, kept: bool) -> None:
    plans = Plans(tmp_path / "plans")
    plans.put("0" * 64, NOTHING, [source], began=time.time())
    assert (plans.get("0" * 64) == NOTHING) is kept


@pytest.mark.parametrize("form", ["{path}", "file://{path}", "tool @ file://{path}", "--find-links {path}"])
def test_a_local_source_that_changed_spoils_the_plan(tmp_path: Path, form: str) -> None:
    folder, plans = tmp_path / "wheels", Plans(tmp_path / "plans")
    (folder / "project").mkdir(parents=True)
    time.sleep(0.1)
    plans.put("0" * 64, NOTHING, [form.format(path=folder)], began=time.time())
    assert plans.get("0" * 64) == NOTHING
    (folder / "project" / "new.whl").write_text("")
    assert plans.get("0" * 64) is None


@pytest.mark.parametrize("place", ["wheels", "wheels/project", "tree"])
def test_a_file_that_was_written_over_spoils_the_plan(tmp_path: Path, place: str) -> None:
    plans, file = Plans(tmp_path / "plans"), tmp_path / place / "tool-1.0-py3-none-any.whl"
    if place == "tree":
        file = tmp_path / place / "src" / "tool" / "version.py"
        file.parent.mkdir(parents=True)
        (tmp_path / place / "pyproject.toml").write_text("")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("one")
    time.sleep(0.1)
    plans.put("0" * 64, NOTHING, [(tmp_path / place.partition("/")[0]).as_uri()], began=time.time())
    assert plans.get("0" * 64) == NOTHING
    file.write_text("two")
    assert plans.get("0" * 64) is None


def test_what_changed_while_it_was_planned_is_not_kept(tmp_path: Path) -> None:
    plans, began = Plans(tmp_path / "plans"), time.time()
    (tmp_path / "wheels").mkdir()
    plans.put("0" * 64, NOTHING, [str(tmp_path / "wheels")], began=began)
    assert plans.get("0" * 64) is None


def test_an_index_with_too_many_projects_to_watch_keeps_nothing(tmp_path: Path) -> None:
    plans = Plans(tmp_path / "plans")
    for number in range(250):
        (tmp_path / "index" / f"p{number}").mkdir(parents=True)
    time.sleep(0.1)
    plans.put("0" * 64, NOTHING, [(tmp_path / "index").as_uri()], began=time.time())
    assert plans.get("0" * 64) is None


def test_a_plan_can_be_let_go(tmp_path: Path) -> None:
    plans = Plans(tmp_path / "plans")
    plans.put("0" * 64, NOTHING, [], began=time.time())
    plans.forget("0" * 64)
    plans.forget("0" * 64)
    assert plans.get("0" * 64) is None


def test_a_uv_that_was_found_is_found_again_without_a_process(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []
    real = Runner.run

    def run(self: Runner, argv: list[str], **options: object) -> object:
        asked.extend(argv[1:] if argv[1:] == ["--version"] else [])
        return real(self, argv, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Runner, "run", run)
    for number in range(2):
        monkeypatch.setattr("venvkit.tools.uv.client._versions", {})
        ask(f"m{number}")
    assert len(asked) == 1
    for kept in (tmp_path / "cache" / "venvkit" / "uv").iterdir():
        kept.write_text(kept.read_text().replace("/uv", "/no-such-uv"))
    monkeypatch.setattr("venvkit.tools.uv.client._versions", {})
    ask("m2", upgrade=True)
    assert len(asked) == 2


def test_a_password_in_an_address_is_in_no_file(ask: Ask, index: HttpIndex, home: Path, tmp_path: Path) -> None:
    wheel = f"{index.url.replace('http://', 'http://me:pw-HIDDEN-7@').removesuffix('/simple')}/files/"
    env = ask("direct", f"tool @ {wheel}tool-1.0-py3-none-any.whl")
    assert env.built
    kept = [path for folder in (home, tmp_path / "cache") for path in folder.rglob("*") if path.is_file()]
    assert (tmp_path / "cache" / "venvkit") in {parent for path in kept for parent in path.parents}
    assert not [path for path in kept if b"pw-HIDDEN-7" in path.read_bytes()]
