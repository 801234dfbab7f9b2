"""`venvkit models`: what can be named, and where it lies."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke, document
from tests.hosts import Host
from venvkit.catalogue.values import Listing, Model, Place
from venvkit.cli.commands.models import Shelf
from venvkit.cli.page.plain import plain_text
from venvkit.cli.page.text import masked


@pytest.fixture
def registered(home: Path) -> Path:
    folder = home / "model" / "v2" / "audio"
    folder.mkdir(parents=True)
    path = folder / "mine.json"
    block = {"packages": ["tool"]}
    path.write_text(
        json.dumps(
            [
                {"model_name": "mine", "engine": "transformers", "virtualenv": block},
                {"model_name": "mine", "engine": "MLX", "model_format": "mlx", "virtualenv": block},
                {"model_name": "other", "model_specs": [{"model_format": "awq"}], "virtualenv": block},
                {"model_name": "without", "virtualenv": None},
            ]
        )
    )
    return path


def test_models_and_where_they_lie(invoke: Invoke, registered: Path, host: Host) -> None:
    (registered.parent / "broken.json").write_text("{")
    found = document(invoke("models", "--host-python", host.python, "--json").stdout)
    data = found["data"]
    mine = [model for model in data["models"] if model["place"] == "custom"]
    assert mine == [
        {"name": "mine", "type": "audio", "variant": 1, "engine": "transformers", "formats": [], "place": "custom",
         "origin": f"{registered}[0]"},
        {"name": "mine", "type": "audio", "variant": 2, "engine": "MLX", "formats": ["mlx"], "place": "custom",
         "origin": f"{registered}[1]"},
        {"name": "other", "type": "audio", "variant": 1, "engine": "", "formats": ["awq"], "place": "custom",
         "origin": f"{registered}[2]"},
    ]  # fmt: skip
    assert "hello" in {model["name"] for model in data["models"] if model["place"] == "own"}
    (fault,) = data["faults"]
    assert "broken.json" in fault


def test_a_text_and_a_type_narrow_the_list(invoke: Invoke, registered: Path, host: Host) -> None:
    page = invoke("models", "MIN", "--type", "audio", "--host-python", host.python).stdout
    lines = [line.split() for line in page.splitlines()]
    assert lines[0] == ["1", "model"]
    assert lines[2:4] == [
        ["mine", "audio", "1", "transformers", "custom"],
        ["mine", "audio", "2", "MLX", "mlx", "custom"],
    ]
    nothing = invoke("models", "no-such-model", "--host-python", host.python)
    assert (nothing.exit_code, nothing.stdout.splitlines()[0]) == (0, "no model")
    assert str(registered.parent.parent) in nothing.stdout


def test_a_folder_that_is_none(invoke: Invoke, host: Host) -> None:
    found = document(invoke("models", "--specs", "/no/such", "--host-python", host.python, "--json").stdout)
    assert (found["ok"], found["error"]["code"], found["error"]["where"]) == (False, "specs-not-found", "/no/such")


def test_a_long_list_is_shown_at_once() -> None:
    place = Place("specs", "/many")
    models = tuple(Model(f"m{n}", "llm", place, f"/many/m{n}.json") for n in range(10_000))
    started = time.process_time()
    page = plain_text(Shelf.of(Listing(models), "").blocks())
    assert time.process_time() - started < 5
    assert page.startswith("10000 models\n")


def test_variants_are_numbered_where_types_differ_in_case_alone() -> None:
    models = tuple(Model("m", type, Place("specs", "/s"), "/s", variant=n) for n, type in ((1, "LLM"), (2, "llm")))
    lines = plain_text(Shelf.of(Listing(models), "").blocks()).splitlines()
    assert [line.split() for line in (lines[0], *lines[2:])] == [
        ["1", "model"],
        ["m", "LLM", "1", "specs"],
        ["m", "llm", "2", "specs"],
    ]


@pytest.mark.parametrize("known", ["file", "environment"])
def test_the_secrets_of_the_settings_are_masked(home: Path, monkeypatch: pytest.MonkeyPatch, known: str) -> None:
    if known == "file":
        (home / "venvkit").mkdir(parents=True)
        (home / "venvkit/settings.toml").write_text('VENVKIT_API_KEY = " xf-from-the-settings "\n')
    else:
        monkeypatch.setenv("VENVKIT_API_KEY", " xf-from-the-settings ")
    assert masked("Bearer xf-from-the-settings") == "Bearer ****"


@pytest.mark.parametrize("content", [b"VENVKIT_API_KEY = ", b"\xff", b"UNKNOWN = 1\nVENVKIT_API_KEY = []\n"])
def test_a_spoilt_settings_file_breaks_no_message(invoke: Invoke, home: Path, content: bytes) -> None:
    (home / "venvkit").mkdir(parents=True)
    (home / "venvkit/settings.toml").write_bytes(content)
    done = invoke("models")
    assert done.exit_code == 2
    assert "settings" in done.stderr
    assert "Traceback" not in done.output
