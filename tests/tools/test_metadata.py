"""What files require: read from an index, from a wheel's tail, from archives; never more than is bounded."""

from __future__ import annotations

import gzip
import hashlib
import io
import socket
import tarfile
import threading
import time
import tracemalloc
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.servers import Reply, Scripted
from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit import plan_env
from venvkit.errors import CancelledError, VenvkitError
from venvkit.events import Event, Warned
from venvkit.spec.request import Sources
from venvkit.tools.metadata import MetadataReader
from venvkit.tools.pylock import LockedFile, read_pylock


def wheel_file(index: HttpIndex, name: str) -> LockedFile:
    url = index.url.replace("/simple", f"/files/{name}")
    return LockedFile("tool", "1.0", "wheel", url, None, None)  # type: ignore[arg-type]


def test_metadata_of_a_remote_wheel(tmp_path: Path, wheelhouse: Wheelhouse, index: HttpIndex) -> None:
    wheel = wheelhouse.add("tool", "1.0", requires=["base>=2"], extras=["x"])
    file = wheel_file(index, wheel.name)
    reader = MetadataReader(tmp_path / "kept", Sources.said("spec", index_url=index.url))
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


@pytest.mark.parametrize(
    "lock", ["[", 'packages = [{ name = "a" }]', 'packages = [{ name = "a", wheels = [{ size = "x" }] }]']
)
def test_a_lock_of_another_form_is_told(lock: str) -> None:
    with pytest.raises(VenvkitError) as caught:
        read_pylock(lock)
    assert caught.value.code == "uv-answer"


# -- answers that are none, and answers without an end ---------------------------------------------------------------

NAME = "tool-1.0-py3-none-any.whl"
SOUND = b"Metadata-Version: 2.1\nName: tool\nVersion: 1.0\nRequires-Dist: base\n\nAbout it.\n"
PAGE = b"<!DOCTYPE html><html><body>Sign in</body></html>"
NO_METADATA: dict[str, Reply] = {
    "a page for people": Reply(body=PAGE, kind="text/html"),
    "nothing": Reply(),
    "no Metadata-Version": Reply(body=SOUND.partition(b"\n")[2]),
    "another distribution's": Reply(body=SOUND.replace(b"tool", b"fool")),
    "another version's": Reply(body=SOUND.replace(b"1.0", b"1.1")),
    "two names": Reply(body=SOUND.replace(b"Name: tool", b"Name: tool\nName: tool")),
    "a version that is none": Reply(body=SOUND.replace(b"1.0", b"one")),
    "too much of it": Reply(body=SOUND.replace(b"About", b"About" * 2_000_000)),
}


def locked(url: str, *, kind: str = "wheel", sha256: str | None = None) -> LockedFile:
    return LockedFile("tool", "1.0", kind, url, None, sha256)  # type: ignore[arg-type]


@pytest.mark.parametrize("case", NO_METADATA)
def test_what_is_no_metadata_of_a_file_is_never_believed_nor_kept(
    tmp_path: Path, wheelhouse: Wheelhouse, case: str
) -> None:
    wheel = wheelhouse.add("tool", "1.0", requires=["base"]).read_bytes()
    reader = MetadataReader(tmp_path / "kept", Sources())
    with Scripted(replies={f"/{NAME}.metadata": NO_METADATA[case]}) as server:
        file = locked(f"{server.url}/{NAME}")
        assert reader.read([file]) == {file: None}
        # The server ignores ranges.
        server.replies[f"/{NAME}"] = Reply(body=wheel)
        assert reader.read([file]) == {file: (("base",), ())}
        server.replies.clear()
        assert reader.read([file]) == {file: (("base",), ())}


def test_versions_and_names_are_compared_as_such(tmp_path: Path) -> None:
    body = SOUND.replace(b"Name: tool", b"name: Tool").replace(b"1.0", b"1.0.0").replace(b"\n", b"\r\n")
    with Scripted(replies={f"/{NAME}.metadata": Reply(body=body)}) as server:
        file = locked(f"{server.url}/{NAME}")
        assert MetadataReader(tmp_path, Sources()).read([file]) == {file: (("base",), ())}


@contextmanager
def memory(most: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def test_no_answer_takes_the_memory(tmp_path: Path) -> None:
    bomb = Reply(body=gzip.compress(bytes(500_000_000), 1), headers={"Content-Encoding": "gzip"})
    endless = Reply(body=b" " * 65536, endless=True)
    with Scripted(replies={"/a/": bomb, "/b/": endless}) as server:
        files = [locked(f"{server.url}/{folder}/{NAME}") for folder in "ab"]
        with memory(150_000_000):
            assert set(MetadataReader(tmp_path, Sources()).read(files).values()) == {None}


def test_a_wheel_that_unpacks_to_much_is_read_to_a_bound(tmp_path: Path) -> None:
    path = tmp_path / NAME
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr("tool-1.0.dist-info/METADATA", SOUND + bytes(300_000_000))
    file = locked(path.as_uri())
    with memory(60_000_000):
        assert MetadataReader(tmp_path, Sources()).read([file]) == {file: (("base",), ())}


def test_a_source_distribution_that_unpacks_to_much_is_left(tmp_path: Path) -> None:
    path = tmp_path / "tool-1.0.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, content in (("big", bytes(310_000_000)), ("PKG-INFO", SOUND.replace(b"2.1", b"2.2"))):
            info = tarfile.TarInfo(f"tool-1.0/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    file = locked(path.as_uri(), kind="sdist")
    with memory(60_000_000):
        assert MetadataReader(tmp_path, Sources()).read([file]) == {file: None}


def test_a_remote_source_distribution_is_read_once_and_must_be_the_one_of_the_lock(tmp_path: Path) -> None:
    metadata = SOUND.decode().replace("2.1", "2.2")
    for members, expected in (({"PKG-INFO": metadata}, (("base",), ())), ({"setup.py": ""}, None)):
        content = sdist_bytes(tmp_path, members)
        reader = MetadataReader(tmp_path / f"kept-{len(members)}-{expected is None}", Sources())
        with Scripted(replies={"/": Reply(body=content)}) as server:
            url = f"{server.url}/tool-1.0.tar.gz"
            file = locked(url, kind="sdist", sha256=hashlib.sha256(content).hexdigest())
            other = locked(url, kind="sdist", sha256="00")
            assert reader.read([file, other]) == {file: expected, other: None}
            server.asked.clear()
            assert reader.read([file]) == {file: expected}
            assert server.asked == []


def sdist_bytes(tmp_path: Path, members: dict[str, str]) -> bytes:
    path = tmp_path / "tool-1.0.tar.gz"
    sdist(path, members)
    return path.read_bytes()


@pytest.mark.parametrize("damage", [(b"base", b"bass"), (b'"base"', b""), (b"[", b"{"), (b"", b"\xff")])
def test_damage_to_what_is_kept_is_noticed(tmp_path: Path, damage: tuple[bytes, bytes]) -> None:
    reader = MetadataReader(tmp_path / "kept", Sources())
    with Scripted(replies={f"/{NAME}.metadata": Reply(body=SOUND)}) as server:
        file = locked(f"{server.url}/{NAME}")
        expected = reader.read([file])
        (path,) = (tmp_path / "kept").iterdir()
        path.write_bytes(path.read_bytes().replace(*damage))
        assert reader.read([file]) == expected == {file: (("base",), ())}
        assert len(server.asked) == 2


@pytest.mark.parametrize("slow", [Reply(body=SOUND, drip_s=0.5), Reply(slow_headers_s=0.5), Reply(after_s=60)])
def test_all_reads_of_a_call_end_in_time(tmp_path: Path, slow: Reply) -> None:
    with Scripted(replies={"/": slow}) as server:
        files = [locked(f"{server.url}/{number}/{NAME}") for number in range(20)]
        started = time.monotonic()
        assert set(MetadataReader(tmp_path, Sources(), seconds=1.0).read(files).values()) == {None}
        assert time.monotonic() - started < 8


@dataclass(kw_only=True)
class OddIndex(Scripted):
    """An index that gives uv what it asks for, and drips to everybody else."""

    wheelhouse: Wheelhouse

    def answer(self, path: str, headers: Mapping[str, str]) -> Reply:
        name = path.rstrip("/").rpartition("/")[2]
        if path.startswith("/simple/"):
            links = "".join(f'<a href="/files/{one.name}">{one.name}</a>' for one in self.wheelhouse.path.glob("*.whl"))
            return Reply(body=links.encode(), kind="text/html")
        if not headers.get("User-Agent", "").startswith("uv/"):
            return Reply(body=b"x" * 1000, drip_s=0.5)
        return Reply(404) if name.endswith(".metadata") else Reply(body=(self.wheelhouse.path / name).read_bytes())


def test_the_time_limit_of_the_settings_holds_for_metadata(
    home: Path, host: Host, tmp_path: Path, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Wheelhouse(tmp_path / "shelf")
    shelf.add("tool", "1.0")
    monkeypatch.setenv("VENVKIT_TIMEOUT", "3")
    events: list[Event] = []
    with OddIndex(wheelhouse=shelf) as server:
        spec = write_spec("m", ["tool"], index_url=f"{server.url}/simple", find_links=[])
        started = time.monotonic()
        plan = plan_env(spec, host_python=host.python, observer=events.append).plan
        assert time.monotonic() - started < 15
    assert [item.name for item in plan.install] == ["tool"]
    assert [event.code for event in events if isinstance(event, Warned)] == ["metadata-unread"]


def test_a_reading_without_an_optional_index_is_not_taken_for_one_with_it(
    home: Path, host: Host, wheelhouse: Wheelhouse, index: HttpIndex, write_spec: WriteSpec, tmp_path: Path
) -> None:
    """One version may require other distributions on another index, as builds for CUDA do."""
    wheelhouse.add("base", "1.0")
    wheelhouse.add("tool", "1.0", requires=["base"])
    plain = Wheelhouse(tmp_path / "plain")
    plain.add("tool", "1.0")
    plain.add("base", "1.0")
    other = HttpIndex(plain).start()
    try:
        data = home / "venvkit" / "engines.toml"
        data.parent.mkdir(parents=True)
        lists = f'["{index.url}"]'
        data.write_text(f"[engines.far]\nextra_index_urls = {lists}\noptional_index_urls = {lists}\n")
        spec = write_spec("m", ['tool ; #engine# == "far"', "base"], index_url=other.url, find_links=[])

        def plan() -> tuple[str, dict[str, tuple[str, ...]]]:
            items = plan_env(spec, engine="far", host_python=host.python).plan.install
            (tool,) = (item for item in items if item.name == "tool")
            return tool.description.url or "", {item.name: item.description.requires or () for item in items}

        far, near = (one.url.rpartition("/")[0] for one in (index, other))
        index.fail_with = 503
        for _ in range(2):
            assert plan() == (f"{near}/files/{NAME}", {"tool": (), "base": ()})
        index.fail_with = 0
        for _ in range(2):
            assert plan() == (f"{far}/files/{NAME}", {"tool": ("base",), "base": ()})
    finally:
        other.stop()
