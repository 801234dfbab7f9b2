"""Stored JSON and TOML: only regular files of a bounded size, and only documents that every reader can take."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from venvkit.base import reading
from venvkit.base.documents import decode, read_document
from venvkit.base.reading import DEEPEST, content_of, parse_json, parse_toml, read_regular
from venvkit.errors import SpecError

NINES = b"9" * 6000


def odd_places(folder: Path) -> dict[str, Path]:
    """Return paths at which there is something, but no regular file."""
    os.mkfifo(folder / "fifo")
    (folder / "folder").mkdir()
    (folder / "device").symlink_to("/dev/zero")
    (folder / "loop").symlink_to("loop")
    (folder / "to-fifo").symlink_to("fifo")
    return {path.name: path for path in folder.iterdir()}


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    for name, path in odd_places(tmp_path).items():
        with pytest.raises(OSError):
            read_regular(path)
        assert content_of(path) == b"", name
    with pytest.raises(FileNotFoundError):
        read_regular("/with\0null")
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link") == b"x" * 100_000


def test_a_huge_file_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST", 1 << 20)
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match="1 MiB"):
        read_regular(tmp_path / "sparse")


def test_a_pipe_that_the_process_was_given_is_read() -> None:
    """As of `venvkit plan <(command)`, whose writer may be slow."""
    read, write = os.pipe()
    try:
        writer = threading.Timer(0.1, lambda: (os.write(write, b"{}"), os.close(write)))
        writer.start()
        assert read_document(Path(f"/dev/fd/{read}"), code="spec-not-found") == b"{}"
        writer.join()
    finally:
        os.close(read)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"a":' * 500 + b"1" + b"}" * 500,
        b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1),
        b'{"n": ' + NINES + b"}",
        b"[18446744073709551616]",
        b"[-9223372036854775809]",
        b'["\\ud800"]',
        b'{"\\udfff": 1}',
        b"[NaN]",
        b"[-Infinity]",
        b'"\xff"',
        b"",
        b"\xef\xbb\xbf[]",
    ],
)
def test_json_that_some_reader_cannot_take_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError):
        parse_json(content)


@pytest.mark.parametrize(
    "content",
    [
        b"a = " + b"[" * 10_000,
        b"a = " + b"[" * DEEPEST + b"]" * DEEPEST,
        b"a." * 5_000 + b"a = 1",
        b"n = " + NINES,
        b"n = 0x" + b"f" * 5_000,
        b"n = [1, {m = 18446744073709551616}]",
        b'a = "\xff"',
        b"a = 1\na = 2",
    ],
)
def test_toml_that_some_reader_cannot_take_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError):
        parse_toml(content)
    with pytest.raises(SpecError) as caught:
        decode(content, origin="m.toml", format="toml")
    assert caught.value.code == "spec-malformed"


def test_what_every_reader_takes_is_handed_on() -> None:
    deep = b"[" * (DEEPEST - 1) + b"]" * (DEEPEST - 1)
    assert isinstance(parse_json(deep), list)
    assert parse_json(b'[18446744073709551615, -9223372036854775808, 1e400, "\\ud83d\\ude00"]') == [
        (1 << 64) - 1, -(1 << 63), float("inf"), "\N{GRINNING FACE}",
    ]  # fmt: skip
    assert parse_toml(b"n = 9223372036854775807\nd = 2026-01-01") != {}
    assert parse_json(b'{"a": 1, "a": 2}') == {"a": 2}


@pytest.mark.parametrize("text", ['{"a": 1, "b": [{"c": 1, "d": 2, "c": 1}]}', '{"c": {}, "\\u0063": {}}'])
def test_a_repeated_key_is_a_fault_of_a_spec(text: str) -> None:
    with pytest.raises(SpecError, match="the key 'c' is repeated"):
        decode(text.encode(), origin="m.json", format="json")
