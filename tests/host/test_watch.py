from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from venvkit.base.process import Runner
from venvkit.base.watch import changed, exists_watch, stat_watch, text_watch


def _rewrite(path: Path) -> None:
    path.write_text("longer than before")


def _touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def _replace(path: Path) -> None:
    """Put another file of the same size and time in its place."""
    before = path.stat()
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def _remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("change", [_rewrite, _touch, _replace, _remove])
def test_stat_watch_notices_every_way_a_file_changes(tmp_path: Path, change: Callable[[Path], None]) -> None:
    path = tmp_path / "file"
    path.write_text("text")
    watches = [stat_watch(str(tmp_path / "absent")), stat_watch(str(path))]
    assert changed(watches) is None
    change(path)
    assert changed(watches) == str(path)


def test_stat_watch_follows_links(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("text")
    (tmp_path / "two").write_text("text")
    link = tmp_path / "link"
    link.symlink_to("one")
    watch = stat_watch(str(link))
    link.unlink()
    link.symlink_to("two")
    assert changed([watch]) == str(link)


def test_directory_watch_notices_entries_but_not_edits_inside_files(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    os.utime(tmp_path, ns=(5, 5))
    watch = stat_watch(str(tmp_path))
    (tmp_path / "file").write_text("edited")
    assert changed([watch]) is None
    (tmp_path / "new").mkdir()
    assert changed([watch]) == str(tmp_path)


def test_what_was_absent_is_noticed_when_it_comes(tmp_path: Path) -> None:
    path = tmp_path / "late"
    for take in (stat_watch, text_watch, exists_watch):
        watch = take(str(path))
        path.write_text("text")
        assert changed([watch]) == str(path)
        path.unlink()
        assert changed([watch]) is None


def test_text_watch_compares_content_and_only_the_first_4096_bytes(tmp_path: Path) -> None:
    path = tmp_path / "fact"
    path.write_bytes(b"\xff" * 4096 + b"a")
    watch = text_watch(str(path))
    assert watch == ["text", str(path), "\ufffd" * 4096]
    path.write_bytes(b"\xff" * 4096 + b"b")
    assert changed([watch]) is None
    path.write_bytes(b"other")
    assert changed([watch]) == str(path)


def test_exists_watch_does_not_mind_another_inode(tmp_path: Path) -> None:
    path = tmp_path / "node"
    path.write_text("")
    watch = exists_watch(str(path))
    _replace(path)
    assert changed([watch]) is None


@pytest.mark.parametrize(
    "watch",
    [
        [],
        ["stat"],
        ["unknown", "/"],
        [3, "/"],
        ["stat", None],
        ["stat", "/", 1, 2, 3, 4],
        ["stat", "a\0b", 1],
    ],
)
def test_a_watch_that_makes_no_sense_never_holds(watch: list[str | int | None]) -> None:
    assert changed([watch]) is not None


def test_a_directory_has_no_text(tmp_path: Path) -> None:
    assert text_watch(str(tmp_path)) == ["text", str(tmp_path), None]


def test_watches_survive_json_and_tuples(tmp_path: Path) -> None:
    watches = [stat_watch(str(tmp_path)), text_watch("/proc/sys/kernel/ostype"), exists_watch("/dev/null")]
    assert changed(json.loads(json.dumps(watches))) is None
    assert changed([tuple(watch) for watch in watches]) is None


def test_the_warm_path_pays_only_for_os(runner: Runner) -> None:
    script = (
        "import sys; before = set(sys.modules); import venvkit.base.watch;"
        "print(*sorted(n for n in set(sys.modules) - before if not n.startswith('venvkit')))"
    )
    root = str(Path(__file__).parents[2])
    done = runner.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": root})
    assert (done.status, done.stdout.strip()) == (0, "__future__")
