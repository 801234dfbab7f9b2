"""What is shown never holds a credential, and nothing else is hidden."""

from __future__ import annotations

import pytest

from venvkit.base.mask import mask


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:pw@index.example/simple", "https://****@index.example/simple"),
        ("https://token@index.example/", "https://****@index.example/"),
        ("https://me:p@ss@index.example/", "https://****@index.example/"),
        ("me:hunter2@index.example/simple", "****@index.example/simple"),
        ("`me:hunter2@index` is not the URL of an index", "`****@index` is not the URL of an index"),
        ("a=me:hunter2@index", "a=****@index"),
        ("GET /simple?token=abc&x=1", "GET /simple?token=****&x=1"),
    ],
)
def test_credentials_are_masked(text: str, shown: str) -> None:
    assert mask(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "tool @ git+https://host.example/group/tool.git@v1.0#subdirectory=python",
        "tool @ git+ssh://host.example/tool@refs/pull/1/head",
        "somebody@host.example",
        "at 12:30 @ noon",
        "file:///opt/wheels/a@b.whl",
        "torch==2.13.0+cu130 ; python_version < '3.12'",
        "/srv/models:/opt/models",
        "name: me @here",
    ],
)
def test_nothing_else_is_hidden(text: str) -> None:
    assert mask(text) == text
