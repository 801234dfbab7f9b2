"""Building a fleet: each launch through `ensure_env`, under the name that the next caller will use."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.shelf import Shelf
from tests.wheelhouse import HttpIndex
from venvkit import ensure_env
from venvkit.events import Observer, Step, ignore
from venvkit.fleet.building import Fleet as Built
from venvkit.fleet.building import Order, build_all, order_all
from venvkit.fleet.expand import Wanted
from venvkit.settings import load_settings


def order(shelf: Shelf, wanted: Wanted | None = None, **choices: Any) -> Order:
    environ = dict(os.environ)
    return order_all(
        wanted or Wanted(),
        {"specs": (str(shelf.folder),), **choices},
        settings=load_settings(environ),
        environ=environ,
        observer=ignore,
        cancel=threading.Event(),
    )


def build(wanted: Order, *, jobs: int = 2, cancel: threading.Event | None = None, observer: Observer = ignore) -> Built:
    return build_all(wanted, jobs=jobs, enable=None, observer=observer, cancel=cancel or threading.Event())


def states(built: Built) -> dict[tuple[str, str | None], str]:
    return {(one.model, one.engine): one.state for one in built.made}


def test_what_can_be_built_is_built_whatever_fails(whole: Shelf, home: Path) -> None:
    built = build(order(whole))
    ended = states(built)
    # Which of two equal ones is built and which finds it there is a matter of who comes first.
    assert {place for place, state in ended.items() if state != "failed"} == {
        ("plain", None),
        ("custom", None),
        ("both", None),
        ("both-too", None),
        ("engines", "vllm"),
        ("engines", "transformers"),
        ("breaking", None),
    }
    assert sorted(ended.values()).count("built") == 4
    troubles = {one.model: one.trouble.exit_code for one in built.made if one.trouble}
    assert troubles == {"impossible": 3, "impossible-too": 3, "variable": 2, "faulty": 2}
    assert len({one.environment.path for one in built.made if one.environment}) == 4
    assert all((home / "virtualenv" / "v4" / name).is_dir() for name in ("plain", "both", "custom", "engines"))
    assert built.order.elsewhere == (("mlx", 1),)
    assert all("broken" not in warning for one in built.made if one.model != "breaking" for warning in one.warnings)
    (breaking,) = [one for one in built.made if one.model == "breaking"]
    assert any("server==1.0 requires base<2" in warning for warning in breaking.warnings)


def test_the_next_call_by_name_finds_what_was_built(whole: Shelf, resolves: list[tuple[str, ...]]) -> None:
    build(order(whole))
    resolves.clear()
    specs = (str(whole.folder),)
    assert not ensure_env("plain", specs=specs).built
    assert not ensure_env("engines", engine="vllm", specs=specs).built
    assert resolves == []
    again = build(order(whole))
    assert {one.state for one in again.made} == {"ready", "failed"}


def test_specs_of_one_name_are_told_apart_as_a_caller_would(shelf: Shelf) -> None:
    shelf.put(
        "several.json",
        ("made-for", ['tool ; #engine# == "vLLM"']),
        ("made-for", ['extra ; #engine# == "vLLM"']),
        ("made-for", ['extra ; #engine# == "Transformers"']),
        ("typed", ["tool"]),
        ("typed", ["extra"]),
        ("alike", ["tool"]),
        ("alike", ["tool"]),
        said=[
            {"engine": "Transformers"},
            {"engine": "vLLM"},
            {"engine": "Transformers"},
            {"model_type": "rerank"},
            {"model_type": "embedding"},
        ],
    )
    found = order(shelf)
    assert {(target.model, target.engine): target.spec.packages for target in found.targets} == {
        ("made-for", "vllm"): ('extra ; #engine# == "vLLM"',),
        ("made-for", "transformers"): ('extra ; #engine# == "Transformers"',),
        ("typed", None): ("tool",),
        ("alike", None): ("tool",),
    }
    file = str(shelf.folder / "several.json")
    assert [line.partition(" (")[0] for line in found.passed] == [
        f"made-for for vllm: {file}[0]",
        f"typed: {file}[4]",
    ]
    assert set(states(build(found)).values()) <= {"built", "ready"}
    assert not ensure_env("made-for", engine="vllm", specs=(str(shelf.folder),)).built
    assert ensure_env("made-for", engine="vllm", specs=(str(shelf.folder),)).run(["python", "-c", "import extra"])


def test_an_interrupted_build_leaves_what_is_finished(shelf: Shelf, index: HttpIndex, home: Path) -> None:
    shelf.put("plain.json", ("plain", ["tool"]))
    shelf.wheelhouse.add("slow", "1.0")
    shelf.put("slow.json", ("slow", ["slow"]), index_url=index.url)
    index.hang_on = "/slow/"
    cancel = threading.Event()

    def observe(event: object) -> None:
        if isinstance(event, Step) and event.done == 1:
            cancel.set()

    built = build(order(shelf), jobs=1, cancel=cancel, observer=observe)
    assert states(built) == {("plain", None): "built"}
    assert built.unfinished == 1
    assert sorted(path.name for path in (home / "virtualenv" / "v4").iterdir()) == ["plain"]
    index.hang_on = ""
    assert states(build(order(shelf))) == {("plain", None): "ready", ("slow", None): "built"}


@pytest.mark.parametrize("jobs", [1, 4])
def test_equal_environments_are_built_once(shelf: Shelf, home: Path, jobs: int) -> None:
    shelf.put("same.json", *((f"model-{number}", ["tool"]) for number in range(4)))
    built = build(order(shelf), jobs=jobs)
    assert sorted(states(built).values()) == ["built", "ready", "ready", "ready"]
    assert len(list((home / "virtualenv" / "envs").iterdir())) == 1
