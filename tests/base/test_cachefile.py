"""Files that only save work: whatever is in one, it is an answer or none."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from venvkit.base import cachefile
from venvkit.plan.values import Description, Pin
from venvkit.spec.request import Sources
from venvkit.tools.descriptions import Descriptions

SPOILT = [b"", b"{", b"\xff\xfe", b'{"name": "a\xffb"}', b"[" * 100_000, b"null", b'{"name": "\xed\xa0\x80"}']


@pytest.mark.parametrize("content", SPOILT)
def test_a_spoilt_file_is_no_answer(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.json"
    assert cachefile.store(path, {"name": "sound"})
    assert cachefile.load(path, dict[str, str]) == {"name": "sound"}
    path.write_bytes(content)
    assert cachefile.load(path, dict[str, str]) is None


@pytest.mark.parametrize("damage", [b"b\xffse", b"bass", b'ba"e'])
def test_a_spoilt_description_is_none(tmp_path: Path, damage: bytes) -> None:
    kept, pin = Descriptions(tmp_path, "context"), Pin(canonicalize_name("tool"), "1.0")
    said = Description(requires=("base",), url="https://files.example/tool-1.0-py3-none-any.whl")
    kept.put(pin, Sources(), said)
    assert kept.get(pin, Sources()) == said
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes().replace(b"base", damage))
    assert kept.get(pin, Sources()) is None
