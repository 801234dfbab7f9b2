"""What the commands print fits the published schema, and what does not fit is refused by it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from venvkit.cli.app import cli
from venvkit.spec.data import data_dir

jsonschema = pytest.importorskip("jsonschema")
SCHEMA = json.loads((data_dir() / "envelope.schema.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("command", [["list"], ["config"], ["show", "nobody"], ["gc", "--dry-run"], ["nonsense"]])
def test_documents_fit(home: Path, command: list[str]) -> None:
    found = json.loads(CliRunner().invoke(cli, [*command, "--json"]).stdout)
    jsonschema.validate(found, SCHEMA)
    assert list(found) == SCHEMA["required"]
    for change in ({"schema": 1}, {"data": []}, {"status": 8}, {"ok": not found["ok"]}, {"warnings": None}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**found, **change}, SCHEMA)
