"""`venvkit.Store`: what a program does with a store, and what it is told."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.store.fakes import MINOR, VERSION, fake_environment, fake_model
from venvkit import Store
from venvkit.api.results import Result
from venvkit.cli.app import cli
from venvkit.errors import UsageError
from venvkit.formats.receipt import RECEIPT
from venvkit.store.layout import Layout
from venvkit.store.lock.lease import Lease


@pytest.fixture
def store(home: Path) -> Store:
    """Model `a` for no engine and for `vllm`, of one environment; model `b` with two generations."""
    layout = Layout(home)
    layout.prepare()
    shared, first, second = (fake_environment(layout, f"{number:016x}-1") for number in (1, 2, 3))
    fake_model(layout, "a", shared)
    fake_model(layout, "a", shared, engine="vllm")
    fake_model(layout, "b", first)
    fake_model(layout, "b", second)
    return Store()


def places(store: Store, *args: str, **options: str) -> list[tuple[str, str]]:
    return [(entry.model, entry.engine) for entry in store.list(*args, **options).entries]


def test_a_store_is_that_of_the_settings_or_of_a_home(store: Store, home: Path, tmp_path: Path) -> None:
    assert len(places(Store(home))) == 3
    assert places(Store(tmp_path / "other")) == []
    assert not (tmp_path / "other").exists()


def test_list(store: Store) -> None:
    assert places(store) == [("a", "default"), ("a", "vllm"), ("b", "default")]
    assert places(store, "a", engine="VLLM") == [("a", "vllm")]
    assert store.list().warnings == ()
    with pytest.raises(UsageError) as refused:
        store.list("c")
    assert refused.value.code == "model-not-built"


@pytest.mark.parametrize("python", [VERSION, MINOR, f"python{MINOR}", sys.executable, os.path.realpath(sys.executable)])
def test_python_tells_places_apart(python: str, store: Store, home: Path) -> None:
    layout = Layout(home)
    other = layout.shell("b", None, "3.1.4")
    layout.shell("b", None, VERSION).rename(other)
    (other / "bin" / "python").unlink()
    fake_model(layout, "b", fake_environment(layout, f"{9:016x}-1"))
    with pytest.raises(UsageError) as refused:
        store.find("b")
    assert refused.value.code == "model-ambiguous"
    assert store.find("b", python=python).python == VERSION
    assert store.find("b", python="3.1").python == "3.1.4"
    assert [entry.python for entry, _ in store.history("b", python=python).places] == [VERSION]
    assert [len(verdicts.verdicts) for verdicts in (store.check("b"), store.check("b", python=python))] == [2, 1]
    for command in ("list", "check", "history", "show", "rollback", "remove"):
        told = CliRunner().invoke(cli, [command, "b", "--python", "3.1.4", "--json"])
        document = json.loads(told.stdout)
        assert document["error"] is None or document["error"]["code"] not in ("usage", "model-ambiguous"), command
    assert [entry.python for entry in store.list("b").entries] == [VERSION]


def test_check(store: Store, home: Path) -> None:
    assert store.check().failure is None
    assert store.check().warnings == ()
    environment = store.find("b").environment
    assert environment is not None
    (environment / "pyvenv.cfg").write_text("home = /nowhere\n")
    found = store.check("b")
    assert [warning.code for warning in found.warnings] == ["spoilt"]
    assert found.failure is not None
    assert found.to_dict()["environments"][0]["ok"] is False


def test_remove_tells_what_stays(store: Store) -> None:
    entry = store.find("b")
    assert entry.environment is not None
    with Lease(store.layout.lease(entry.environment.name)):
        kept = store.remove("b")
        assert (kept.removed, kept.refused[0].code, kept.warnings[0].code) == ((), "in-use", "in-use")
        assert kept.failure is kept.refused[0]
        assert store.users(store.find("b")) == (os.getpid(),)
    gone = store.remove("b")
    assert gone.failure is None
    assert gone.to_dict()["freed_bytes"] == gone.removed[0].freed > 0
    assert places(store) == [("a", "default"), ("a", "vllm")]
    store.remove(None)
    assert places(store) == []


def test_gc_tells_what_was_not_reached(store: Store) -> None:
    dry = store.gc(keep_last=1, dry_run=True)
    assert [item.path.name for item in dry.report.removed] == [f"{2:016x}-1"]
    done = store.gc(max_size=0, keep=("a",))
    assert done.failure is not None
    assert (done.failure.code, done.failure.exit_code) == ("max-size", 6)
    assert [warning.code for warning in done.warnings] == ["max-size"]
    assert places(store) == [("a", "default"), ("a", "vllm")]


def test_history_and_rollback(store: Store) -> None:
    ((_, past),) = store.history("b").places
    assert [item.current for item in past] == [True, False]
    done = store.rollback("b")
    assert (done.former, done.environment) == (past[0].id, past[1].id)
    assert store.find("b").to_dict()["rolled_back"] is True
    with pytest.raises(UsageError):
        store.rollback("a", engine="vllm")


def test_results_are_what_the_commands_print(store: Store) -> None:
    def printed(*command: str) -> object:
        return json.loads(CliRunner().invoke(cli, [*command, "--json"]).stdout)["data"]

    def told(result: Result) -> dict[str, object]:
        return json.loads(json.dumps(result.to_dict()))

    assert printed("list") == told(store.list())
    assert printed("check", "--all") == told(store.check())
    assert printed("history", "b") == told(store.history("b"))
    assert printed("gc", "--dry-run", "--keep-last", "1") == told(store.gc(keep_last=1, dry_run=True))


def test_what_another_made_is_told(store: Store) -> None:
    theirs = store.layout.shell("theirs", None, VERSION)
    theirs.mkdir(parents=True)
    (theirs / RECEIPT).touch()
    assert [warning.code for warning in store.list().warnings] == ["foreign"]
    assert [error.code for error in store.remove("theirs").refused] == ["not-ours"]
    assert store.remove(None).refused == ()
    assert theirs.is_dir()
