"""Options: each becomes a keyword of the library, and together they decide what is built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from tests.cli.conftest import Invoke, document
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse
from venvkit.cli.options.request import request_options
from venvkit.launch.asked import CHOICES

OPTIONS: list[tuple[list[str], dict[str, Any]]] = [
    ([], {}),
    (["--engine", "vllm"], {"engine": "vllm"}),
    (["--model-format", "awq"], {"model_format": "awq"}),
    (["--type", "llm"], {"model_type": "llm"}),
    (["--variant", "2"], {"variant": 2}),
    (["--specs", "/s", "--specs", "t"], {"specs": ("/s", str(Path.cwd() / "t"))}),
    (["--from-server"], {"from_server": True}),
    (["-p", "a==1", "--package", "b"], {"packages": ("a==1", "b")}),
    (["--var", "size=7", "--var", "x=a=b"], {"variables": {"size": "7", "x": "a=b"}}),
    (["--index-url", "https://i"], {"index_url": "https://i"}),
    (["--extra-index-url", "https://j"], {"extra_index_urls": ("https://j",)}),
    (["--find-links", "/w", "--find-links", "https://k/"], {"find_links": ("/w", "https://k/")}),
    (["--find-links", "w"], {"find_links": (str(Path.cwd() / "w"),)}),
    (["--index-strategy", "first-index"], {"index_strategy": "first-index"}),
    (["--host-python", "/h"], {"host_python": "/h"}),
    (["--python", "3.12"], {"python": "3.12"}),
    (["--no-skip-installed"], {"skip_installed": False}),
    (["--isolated"], {"isolated": True}),
    (["--offline"], {"offline": True}),
    (["--accelerator", "none"], {"accelerator": "none"}),
    (["--constraint", "a<2"], {"constraints": ("a<2",)}),
    (["--override", "a==2"], {"overrides": ("a==2",)}),
    (["--exclude", "a"], {"excludes": ("a",)}),
    (["--no-inherit", "a"], {"no_inherit": ("a",)}),
    (["--protect", "a"], {"protect": ("a",)}),
    (["--orphans", "hold"], {"orphans": "hold"}),
    (["--exclude-newer", "2026-01-01"], {"exclude_newer": "2026-01-01"}),
    (["--backend", "pip"], {"backend": "pip"}),
    (["--only-binary", "a", "--only-binary", ":all:"], {"only_binary": ("a", ":all:")}),
    (["--no-build", "a"], {"no_build": ("a",)}),
    (["--torch-backend", "cu130"], {"torch_backend": "cu130"}),
    (["--optional", "a"], {"optional": ("a",)}),
    (["--verify", "a.b"], {"verify": ("a.b",)}),
    (
        ["--source", "a=https://i/?x=1", "--source", "b=https://j"],
        {"sources": {"a": "https://i/?x=1", "b": "https://j"}},
    ),
    (["--upgrade"], {"upgrade": True}),
]


@click.command()
@request_options
def probe(choices: dict[str, Any]) -> None:
    click.echo(json.dumps(choices))


@pytest.mark.parametrize(("args", "choices"), OPTIONS)
def test_an_option_becomes_a_keyword(args: list[str], choices: dict[str, Any]) -> None:
    done = CliRunner().invoke(probe, args)
    assert json.loads(done.stdout) == json.loads(json.dumps(choices)), done.output


def test_every_keyword_of_the_library_has_an_option() -> None:
    assert {name for _, choices in OPTIONS for name in choices} == set(CHOICES)


def test_options_decide_what_is_built(
    invoke: Invoke, spec: Path, host: Host, wheelhouse: Wheelhouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse.add("tool", "3.0")
    others = Wheelhouse(wheelhouse.path.parent / "others")
    others.add("extra", "1.0")
    monkeypatch.chdir(others.path.parent)

    def plan(*args: str) -> dict[str, list[str]]:
        data = document(invoke("plan", spec, *args, "--json").stdout)["data"]
        return {part: [f"{item['name']}-{item['version']}" for item in data[part]] for part in ("install", "inherit")}

    assert plan() == {"install": ["tool-3.0"], "inherit": []}
    assert plan("-p", "tool<3") == {"install": ["tool-2.0"], "inherit": ["base-1.0"]}
    assert plan("-p", "tool<3", "--no-skip-installed") == {"install": ["base-1.0", "tool-2.0"], "inherit": []}
    assert plan("--constraint", "tool<3", "--isolated") == {"install": ["base-1.0", "tool-2.0"], "inherit": []}
    assert plan("--override", "tool==2.0", "--exclude", "base") == {"install": ["tool-2.0"], "inherit": []}
    assert plan("-p", "extra", "--find-links", "others")["install"] == ["extra-1.0", "tool-3.0"]
    assert plan("-p", "base ; #size# == '7'", "--var", "size=7")["inherit"] == ["base-1.0"]
