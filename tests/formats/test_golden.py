"""What every released version stored stays readable, and what a newer version stores is left alone.

The files in `golden/` were written by the version that their folder names, with paths changed. Never write them anew.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from tests.faults.world import World, imported
from venvkit.errors import MachineError
from venvkit.formats.entry import read_entry
from venvkit.formats.mark import MARK, read_mark, write_mark
from venvkit.formats.receipt import RECEIPT, read_receipt, seal_of
from venvkit.store.change.remove import remove_entry
from venvkit.store.collect.gc import collect
from venvkit.store.collect.rules import Wish
from venvkit.store.layout import Layout
from venvkit.store.look.index import read_index
from venvkit.store.look.inventory import entries

GOLDEN = Path(__file__).with_name("golden")
VERSIONS = sorted(path.name for path in GOLDEN.iterdir())


def stored(version: str, kind: str) -> list[Path]:
    found = sorted((GOLDEN / version).glob(f"{kind}*.json"))
    assert found
    return found


def within(old: object, new: object, place: str = "") -> None:
    """Require that everything of `old` is in `new`: fields may be added, with defaults, and none may be lost."""
    if isinstance(old, dict):
        assert isinstance(new, dict), place
        for name, value in old.items():
            assert name in new, f"{place}.{name} is lost"
            within(value, new[name], f"{place}.{name}")
    elif isinstance(old, list):
        assert isinstance(new, (list, tuple)) and len(new) == len(old), place
        for number, value in enumerate(old):
            within(value, new[number], f"{place}[{number}]")
    else:
        assert new == old, place


@pytest.mark.parametrize("version", VERSIONS)
def test_receipts_are_read_whole(version: str, tmp_path: Path) -> None:
    for path in stored(version, "receipt"):
        shutil.copy(path, tmp_path / RECEIPT)
        receipt = read_receipt(tmp_path)
        assert receipt is not None
        assert seal_of(tmp_path) == "sealed"
        within(json.loads(path.read_bytes()), msgspec.to_builtins(receipt))


def test_a_receipt_of_0_1_says_what_it_said(tmp_path: Path) -> None:
    shutil.copy(GOLDEN / "0.1" / "receipt.json", tmp_path / RECEIPT)
    receipt = read_receipt(tmp_path)
    assert receipt is not None
    assert receipt.id == "862ac48cd901503e-1"
    assert receipt.roots[0] == ("caller packages[0]", "tool==2.0")
    assert receipt.repaired_roots == (("kept whole: user==1.0", "user"),)
    pins = [(item.name, item.version) for item in receipt.plan.install]
    assert pins == [("base", "2.0"), ("tool", "2.0"), ("twin-a", "1.0"), ("twin-b", "1.0"), ("user", "2.0")]
    assert receipt.plan.repaired[0].because == "user==1.0 requires base<2"
    assert [(item.first, item.second, item.kind) for item in receipt.conflicts] == [
        ("twin-a==1.0", "twin-b==1.0", "same-file")
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_marks_are_read_and_written_as_they_were(version: str, tmp_path: Path) -> None:
    for path in stored(version, "mark"):
        shutil.copy(path, tmp_path / MARK)
        mark = read_mark(tmp_path)
        assert mark is not None
        assert [item.id for item in mark.generations] == ["862ac48cd901503e-1", "e2ca027033a83205-1"]
        assert mark.environment == mark.generations[0].environment
        write_mark(tmp_path, mark)
        within(json.loads(path.read_bytes()), json.loads((tmp_path / MARK).read_bytes()))


@pytest.mark.parametrize("version", VERSIONS)
def test_index_entries_are_read_whole(version: str, tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.requests.mkdir(parents=True)
    for path in stored(version, "entry"):
        shutil.copy(path, layout.requests)
        assert read_entry(str(path)) == json.loads(path.read_bytes())
    shells = [item.answer.facts.shell.rpartition("/v4/")[2] for item in read_index(layout) if item.answer is not None]
    assert sorted(shells) == ["m/default/3.11.7", "m/default/3.11.7", "m/vllm/3.11.7"]


def rewrite(path: Path, **changes: object) -> bytes:
    """Change fields of a stored document, and return it as it is then."""
    content = json.dumps({**json.loads(path.read_bytes()), **changes}).encode()
    path.write_bytes(content)
    return content


def test_what_a_newer_version_stored_is_neither_used_nor_harmed(world: World) -> None:
    """The other version upgraded the model on the same home: its environment, its index entry."""
    env = world.ensure("1.0")
    (entry,) = world.layout.requests.iterdir()
    # The version is in the request key.
    entry = entry.rename(entry.with_name(f"{'f' * 64}.json"))
    receipt = rewrite(env.path / RECEIPT, schema=2, added={"by": "a newer version"})
    indexed = rewrite(entry, schema=2, facts="elsewhere now")
    with pytest.raises(MachineError, match="unknown schema"):
        read_receipt(env.path)
    assert [item.state for item in entries(world.layout)] == ["unknown-schema"]
    own = world.ensure("1.0")
    assert own.path != env.path
    assert imported(own.python) == "1.0"
    report = collect(world.layout, Wish(older_than=0.0, keep_last=1))
    assert [(item.path, item.why) for item in report.left if item.path == env.path] != []
    for item in entries(world.layout):
        remove_entry(world.layout, item)
    collect(world.layout, Wish(max_size=0))
    assert (env.path / RECEIPT).read_bytes() == receipt
    assert entry.read_bytes() == indexed
    assert imported(env.path / "bin" / "python") == "1.0"


def test_fields_that_a_newer_version_added_are_passed_over(world: World) -> None:
    env = world.ensure("1.0")
    assert env.shell is not None
    (entry,) = world.layout.requests.iterdir()
    rewrite(env.path / RECEIPT, added=[1, {"deep": [[]]}])
    rewrite(env.shell / MARK, added={})
    rewrite(entry, added=None)
    assert read_receipt(env.path) is not None
    mark = read_mark(env.shell)
    assert mark is not None
    assert mark.environment == env.path
    assert read_entry(str(entry)) is not None
    assert not world.ensure("1.0").built
