"""Spoilt files of the store: as good as none, or a fault of the one environment; no command ends over another's."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.world import World, imported
from venvkit import Environment, ensure_env
from venvkit.formats.entry import read_entry
from venvkit.formats.mark import MARK
from venvkit.formats.receipt import RECEIPT
from venvkit.launch.examine import Examiner
from venvkit.settings import load_settings
from venvkit.store.change.remove import remove_entry
from venvkit.store.collect.gc import collect
from venvkit.store.collect.rules import Wish
from venvkit.store.look.history import history
from venvkit.store.look.inventory import entries

DEEP = b"[" * 100_000


def content(text: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(text)


def changed(**fields: object) -> Callable[[Path], object]:
    """Change fields of the document that is there."""
    return lambda path: path.write_bytes(json.dumps({**json.loads(path.read_bytes()), **fields}).encode())


def link(target: str) -> Callable[[Path], object]:
    def put(path: Path) -> None:
        path.unlink()
        path.symlink_to(target)

    return put


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("")


ANY = {
    "empty": content(b""),
    "half": content(b'{"schema": 1, "fac'),
    "null": content(b"null"),
    "list": content(b"[]"),
    "schema alone": content(b'{"schema": 1}'),
    "deep": content(DEEP),
    "deep within": content(b'{"schema": 1, "facts": ' + DEEP),
    "large integer": content(b'{"schema": ' + b"9" * 6000 + b"}"),
    "not UTF-8": content(b'{"schema": 1, "path": "\xff"}'),
    "surrogate": changed(path="\ud800", environment="\ud800", deep="\ud800"),
    "folder": folder,
    "fifo": fifo,
    "device": link("/dev/zero"),
    "loop": link(MARK),
    "nowhere": link("/nowhere/at/all"),
}
RECEIPTS = ANY | {
    "other types": changed(roots=7, plan="none"),
    "null byte": changed(site_packages="/with\0null"),
    "elsewhere": changed(site_packages="/elsewhere"),
}
LONG = f"/{'x' * 300}/{'y' * 5000}"
MARKS = ANY | {
    "too long": changed(environment=LONG),
    "generations too long": changed(generations=[{"environment": LONG, "since": ""}]),
    "no place": changed(environment=""),
    "relative": changed(environment="envs/here"),
    "numbers": changed(environment=7),
    "odd generations": changed(generations=[1, None]),
    "null byte": changed(environment="/with\0null"),
}
ENTRIES = ANY | {
    "too long": lambda path: path.write_bytes(path.read_bytes().replace(b"/envs/", f"/envs/{LONG}/".encode())),
    "no facts": changed(facts=None),
    "empty facts": changed(facts={}),
    "odd facts": changed(facts={"shell": 1, "path": []}),
    "odd watches": changed(watches=7),
    "watches of other shapes": changed(watches=[[], ["stat"], 1, {}]),
    "numbers for text": changed(deep=1),
    "odd call": changed(call=[1]),
    "odd size": changed(size="large"),
    "null byte": lambda path: path.write_bytes(path.read_bytes().replace(b"/m/default/", b"/m/\\u0000/")),
    "another store's": lambda path: path.write_bytes(path.read_bytes().replace(b"/v4/", b"/v5/")),
}


@pytest.fixture
def other(world: World) -> Environment:
    """Another model of the same store: it must not be harmed."""
    spec = world.spec.with_name("other.json")
    spec.write_text(world.spec.read_text().replace('"model_name": "m"', '"model_name": "other"'))
    return ensure_env(spec, host_python=world.host.python, packages=["tool==2.0"])


def everything_works(world: World, other: Environment) -> None:
    """Every command over the whole store ends, and the next build of the model gives what was asked for."""
    layout = world.layout
    assert {item.model: item.state for item in entries(layout)}["other"] == "ready"
    collect(layout, Wish(dry_run=True, older_than=0.0, max_size=0))
    collect(layout, Wish())
    assert other.shell is not None
    assert len(history(layout, other.shell)) == 1
    assert imported(world.ensure("1.0").python) == "1.0"
    assert {item.model: item.state for item in entries(layout)} == {"m": "ready", "other": "ready"}
    collect(layout, Wish(keep_last=1))
    assert imported(other.python) == "2.0"
    for item in entries(layout):
        if item.model == "m":
            remove_entry(layout, item)
    assert [item.model for item in entries(layout)] == ["other"]


@pytest.mark.parametrize("kind", RECEIPTS)
def test_a_spoilt_receipt(world: World, other: Environment, kind: str) -> None:
    env = world.ensure("1.0")
    RECEIPTS[kind](env.path / RECEIPT)
    verdicts = Examiner(world.layout, load_settings(), threading.Event()).examine(entries(world.layout))
    assert {item.model: item.ok for item in verdicts} == {"m": False, "other": True}
    everything_works(world, other)


@pytest.mark.parametrize("kind", MARKS)
def test_a_spoilt_mark(world: World, other: Environment, kind: str) -> None:
    env = world.ensure("1.0")
    assert env.shell is not None
    MARKS[kind](env.shell / MARK)
    everything_works(world, other)


@pytest.mark.parametrize("kind", ENTRIES)
def test_a_spoilt_index_entry(world: World, other: Environment, kind: str) -> None:
    world.ensure("1.0")
    ENTRIES[kind](entry_of(world, "m"))
    everything_works(world, other)


def entry_of(world: World, model: str) -> Path:
    found = ((path, read_entry(str(path))) for path in world.layout.requests.iterdir())
    return next(path for path, entry in found if entry is not None and entry["facts"]["model"] == model)


def test_a_folder_in_place_of_an_index_entry_gives_way_to_the_next_build(world: World) -> None:
    env = world.ensure("1.0")
    place = entry_of(world, "m")
    folder(place)
    assert world.ensure("1.0").path == env.path
    assert place.is_file()


@pytest.mark.parametrize("kind", ["empty", "of a later version"])
def test_what_a_shell_with_an_unreadable_mark_leads_to_is_not_collected(world: World, kind: str) -> None:
    env = world.ensure("1.0")
    assert env.shell is not None
    (content(b"") if kind == "empty" else changed(schema=2))(env.shell / MARK)
    collect(world.layout, Wish(older_than=0.0, keep_last=1, max_size=0))
    assert imported(env.shell / "bin" / "python") == "1.0"
