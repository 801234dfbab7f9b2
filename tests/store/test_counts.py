"""What costs of a store grow with: counted, not timed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.faults.world import World
from tests.wheelhouse import Wheelhouse
from venvkit.formats import receipt
from venvkit.formats.receipt import read_receipt
from venvkit.host.distribution import scan
from venvkit.store.collect.gc import collect
from venvkit.store.collect.rules import Wish
from venvkit.store.disk.usage import measure
from venvkit.store.env.seal import installed_size, tree_size
from venvkit.store.look import inventory
from venvkit.store.look.inventory import entries


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The environments whose receipts are read in full."""
    seen: list[str] = []
    real = receipt.read_receipt

    def reading(environment: Path) -> object:
        seen.append(environment.name)
        return real(environment)

    monkeypatch.setattr(inventory, "read_receipt", reading)
    monkeypatch.setattr(receipt, "read_receipt", reading)
    return seen


def test_what_nobody_touched_is_listed_from_the_index(world: World, read: list[str]) -> None:
    env = world.ensure()
    (entry,) = entries(world.layout)
    assert read == []
    known = env.receipt
    assert known is not None
    assert (entry.state, entry.key, entry.size, entry.environment) == ("ready", known.key, known.size, env.path)
    assert entry.receipt == known


@pytest.mark.parametrize("index", ["there", "gone"])
def test_what_was_touched_is_looked_at(world: World, read: list[str], index: str) -> None:
    env = world.ensure()
    if index == "gone":
        shutil.rmtree(world.layout.requests)
    else:
        (next((env.path / "lib").glob("python*/site-packages")) / "new.py").write_text("")
    (entry,) = entries(world.layout)
    assert read == [env.path.name]
    assert entry.state == ("ready" if index == "gone" else "spoilt")


def test_an_entry_of_a_former_environment_says_nothing_of_the_shell(world: World) -> None:
    world.ensure("1.0")
    second = world.ensure("2.0")
    (entry,) = entries(world.layout)
    assert (entry.environment, entry.state) == (second.path, "ready")


def test_a_collection_reads_no_more_of_a_receipt_than_who_sealed_it(world: World, read: list[str]) -> None:
    world.ensure("1.0")
    world.ensure("2.0")
    assert collect(world.layout, Wish(dry_run=True)).removed == ()
    assert read == []


def test_a_file_that_many_environments_share_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").mkdir()
    for number in range(20):
        (tmp_path / "one" / f"f{number}").write_bytes(b"x" * 5000)
    for name in ("two", "three"):
        shutil.copytree(tmp_path / "one", tmp_path / name, copy_function=os.link)
    trees = [tmp_path / name for name in ("one", "two", "three")]
    usage = measure(trees)
    files = {path.stat().st_ino for tree in trees for path in tree.iterdir()}
    assert len(files) == 20
    blocks = sum(path.stat().st_blocks for path in trees[0].iterdir()) * 512
    folders = sum(tree.stat().st_blocks for tree in trees) * 512
    assert usage.size(trees) == blocks + folders
    assert usage.freed(trees) == usage.size(trees)
    assert usage.freed(trees[:2]) == folders // 3 * 2


def test_the_size_that_records_tell_is_that_of_the_files(world: World, wheelhouse: Wheelhouse) -> None:
    env = world.ensure()
    site_packages = next((env.path / "lib").glob("python*/site-packages"))
    installed, _ = scan([str(site_packages)])
    shutil.rmtree(site_packages / "__pycache__")
    (env.path / "venvkit.json").unlink()
    told = installed_size(env.path, site_packages, installed)
    assert told == tree_size(env.path)
    (site_packages / "tool-1.0.dist-info" / "RECORD").unlink()
    assert installed_size(env.path, site_packages, installed) == tree_size(env.path)


def test_the_size_of_a_receipt_is_kept_in_the_index(world: World) -> None:
    env = world.ensure()
    found = read_receipt(env.path)
    assert found is not None
    assert found.size > 0
