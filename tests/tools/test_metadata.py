"""What files require: read from an index, from a wheel's tail, from archives; never more than is bounded."""

from __future__ import annotations

import io
import socket
import tarfile
import threading
import time
from pathlib import Path

import pytest

from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit.errors import CancelledError
from venvkit.spec.request import Sources
from venvkit.tools.metadata import MetadataReader
from venvkit.tools.pylock import LockedFile, read_pylock


def wheel_file(index: HttpIndex, name: str) -> LockedFile:
    url = index.url.replace("/simple", f"/files/{name}")
    return LockedFile("tool", "1.0", "wheel", url, None, None)  # type: ignore[arg-type]


def test_metadata_of_a_remote_wheel(tmp_path: Path, wheelhouse: Wheelhouse, index: HttpIndex) -> None:
    wheel = wheelhouse.add("tool", "1.0", requires=["base>=2"], extras=["x"])
    file = wheel_file(index, wheel.name)
    reader = MetadataReader(tmp_path / "kept", Sources(index_url=index.url))
    assert reader.read([file])[file] == (("base>=2",), ("x",))
    assert index.requests == [f"/files/{wheel.name}.metadata"]
    assert reader.read([file])[file] == (("base>=2",), ("x",))
    assert len(index.requests) == 1


@pytest.mark.parametrize("ranges", [True, False])
def test_metadata_from_the_tail_of_a_wheel_where_the_index_has_no_metadata_files(
    tmp_path: Path, wheelhouse: Wheelhouse, index: HttpIndex, ranges: bool
) -> None:
    padding = {"tool/data.txt": "".join(f"{number}\n" for number in range(40_000))}
    wheel = wheelhouse.add("tool", "1.0", requires=["base>=2"], files=padding)
    index.metadata_files, index.ranges = False, ranges
    file = wheel_file(index, wheel.name)
    found = MetadataReader(tmp_path / "kept", Sources()).read([file])[file]
    assert found == (("base>=2",), ())
    assert (index.sent < wheel.stat().st_size) is ranges


def test_a_source_that_fails_once_is_asked_again(tmp_path: Path, wheelhouse: Wheelhouse, index: HttpIndex) -> None:
    wheel = wheelhouse.add("tool", "1.0", requires=["base>=2"])
    file, reader = wheel_file(index, wheel.name), MetadataReader(tmp_path / "kept", Sources())
    index.fail_with = 503
    assert reader.read([file])[file] is None
    index.fail_with = 0
    assert reader.read([file])[file] == (("base>=2",), ())


def test_cancel_ends_the_reading_of_metadata(tmp_path: Path) -> None:
    deaf = socket.create_server(("127.0.0.1", 0))
    try:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/tool-1.0-py3-none-any.whl"
        file = LockedFile("tool", "1.0", "wheel", url, None, None)  # type: ignore[arg-type]
        cancel = threading.Event()
        threading.Timer(0.3, cancel.set).start()
        started = time.monotonic()
        with pytest.raises(CancelledError):
            MetadataReader(tmp_path, Sources(), cancel=cancel).read([file])
        assert time.monotonic() - started < 2
    finally:
        deaf.close()


def test_metadata_where_nothing_answers_is_none(tmp_path: Path) -> None:
    file = LockedFile("tool", "1.0", "wheel", "http://127.0.0.1:9/tool-1.0-py3-none-any.whl", None, None)  # type: ignore[arg-type]
    assert MetadataReader(tmp_path, Sources()).read([file]) == {file: None}


def sdist(path: Path, members: dict[str, str]) -> LockedFile:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in members.items():
            info = tarfile.TarInfo(f"tool-1.0/{name}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return LockedFile("tool", "1.0", "sdist", path.as_uri(), None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"PKG-INFO": "Metadata-Version: 2.2\nName: tool\nVersion: 1.0\nRequires-Dist: a>1\n"}, (("a>1",), ())),
        (
            {
                "PKG-INFO": "Metadata-Version: 1.0\nName: tool\nVersion: 1.0\n",
                "tool.egg-info/requires.txt": "a>1\n\n[:python_version < '3']\nold\n\n[x]\nb\n",
            },
            (("a>1", "old ; (python_version < '3')", "b ; extra == 'x'"), ("x",)),
        ),
        ({"PKG-INFO": "Metadata-Version: 2.2\nName: tool\nVersion: 1.0\nDynamic: Requires-Dist\n"}, None),
        ({"setup.py": ""}, None),
    ],
)
def test_metadata_of_a_source_distribution(
    tmp_path: Path, members: dict[str, str], expected: tuple[tuple[str, ...], tuple[str, ...]] | None
) -> None:
    file = sdist(tmp_path / "tool-1.0.tar.gz", members)
    assert MetadataReader(tmp_path / "kept", Sources()).read([file])[file] == expected


def test_a_lock_is_read() -> None:
    lock = """
lock-version = "1.0"
[[packages]]
name = "A.b"
version = "1.0"
sdist = { url = "https://x/a.tar.gz", size = 3 }
wheels = [{ url = "https://x/a.whl", size = 5, hashes = { sha256 = "00" } }]
[[packages]]
name = "c"
vcs = { type = "git", url = "https://x/c.git", commit-id = "abc" }
[[packages]]
name = "d"
version = "2"
sdist = { url = "https://x/d.tar.gz", size = 7 }
"""
    first, second, third = read_pylock(lock)
    assert (first.name, first.kind, first.size, first.sha256) == ("a-b", "wheel", 5, "00")
    assert (second.kind, second.url, second.version) == ("checkout", "git+https://x/c.git@abc", "")
    assert (third.kind, third.size) == ("sdist", 7)
