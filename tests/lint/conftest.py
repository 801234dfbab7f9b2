"""What the tests of lint share: the shipped engine data, and specs written on the spot."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from venvkit.lint.check import Checked, lint
from venvkit.spec.data import data_dir
from venvkit.spec.engines import EngineTable, load_engines

Look = Callable[..., list[tuple[str, str]]]


@pytest.fixture(scope="session")
def engines() -> EngineTable:
    return load_engines([data_dir() / "engines.toml"])


@pytest.fixture
def spec_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a document as JSON."""

    def write(document: object, name: str = "spec.json") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2), encoding="utf-8")
        return path

    return write


@pytest.fixture
def check(spec_file: Callable[..., Path], engines: EngineTable) -> Callable[..., Checked]:
    """Lint one spec with these packages and further fields of its block."""

    def run(packages: list[str], **block: object) -> Checked:
        path = spec_file({"model_name": "m", "virtualenv": {"packages": packages, **block}})
        return lint([str(path)], engines=engines, variables={"model_src"})

    return run


def pairs(checked: Checked) -> list[tuple[str, str]]:
    """Return the code and the place of each finding, the block's name left out."""
    return [(one.code, one.spot.place.removeprefix("virtualenv.")) for one in checked.findings]
