"""`venvkit engines`: what is known of engines, and the file that says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Invoke, document
from venvkit.spec.data import data_dir
from venvkit.spec.engines import load_engines

SHIPPED = str(data_dir() / "engines.toml")
MINE = """
[engines.mine]
aliases = ["our-engine"]
packages = ["mine>=1 ; has_cuda"]
formats = {gptq = ["gptqmodel"]}
extra_index_urls = ["https://me:secret@mine.example/cu130", "https://mine.example/simple"]
optional_index_urls = ["https://mine.example/simple"]
excludes = ["unwanted"]
sources = {"kernels" = "https://kernels.example/simple"}

[[engines.mine.cuda_indexes]]
cuda = ">=13"
index_url = "https://mine.example/cuda"
packages = ["kernels"]

[engines.vllm]
packages = ["vllm==9"]

[rules.sglang-kernel]
requires = ["sglang-kernel"]
engines = ["sglang", "our_engine"]
when = "has_cuda"
packages = ["more"]
"""


def found(invoke: Invoke, *args: str) -> dict[str, Any]:
    done = invoke("engines", *args, "--json")
    assert done.exit_code == 0, done.output
    data: dict[str, Any] = document(done.stdout)["data"]
    assert list(data) == ["files", "engines", "rules", "host_indexes", "public_indexes"]
    return data


def named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (item,) = [item for item in items if item["name"] == name]
    return item


@pytest.fixture
def mine(home: Path) -> str:
    path = home / "venvkit" / "engines.toml"
    path.parent.mkdir(parents=True)
    path.write_text(MINE, encoding="utf-8")
    return str(path)


def test_all_that_is_shipped(invoke: Invoke) -> None:
    data = found(invoke)
    table = load_engines([SHIPPED])
    assert data["files"] == [{"path": SHIPPED, "source": "shipped"}]
    assert [item["name"] for item in data["engines"]] == [engine.name for engine in table.engines]
    assert [item["name"] for item in data["rules"]] == [rule.name for rule in table.rules]
    parts = (*data["engines"], *data["rules"], *data["host_indexes"])
    assert {(item["origin"], item["source"], tuple(item["replaces"])) for item in parts} == {(SHIPPED, "shipped", ())}
    assert data["public_indexes"] == list(table.public_indexes)
    (torch,) = data["host_indexes"]
    assert torch["indexes"]["cu130"].endswith("/cu130")
    assert named(data["engines"], "vllm") == {
        "name": "vllm",
        "aliases": [],
        "platforms": [],
        "packages": ["vllm>=0.11.2"],
        "formats": {},
        "indexes": [
            {"url": url, "cuda": "cu130", "packages": [], "optional": True}
            for url in ("https://wheels.vllm.ai/0.19.0/cu130", "https://download.pytorch.org/whl/cu130")
        ],
        "index_strategy": "unsafe-best-match",
        "levers": {},
        "origin": SHIPPED,
        "source": "shipped",
        "replaces": [],
    }


def test_where_each_comes_from_and_what_it_replaces(
    invoke: Invoke, mine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.toml"
    other.write_text('[engines.vllm]\npackages = ["vllm==10"]\n', encoding="utf-8")
    monkeypatch.setenv("VENVKIT_ENGINES", str(other))
    data = found(invoke)
    assert [file["source"] for file in data["files"]] == ["shipped", "home", "setting"]
    assert [file["path"] for file in data["files"]] == [SHIPPED, mine, str(other)]
    vllm, own = named(data["engines"], "vllm"), named(data["engines"], "mine")
    assert (vllm["packages"], vllm["source"], vllm["replaces"]) == (["vllm==10"], "setting", [SHIPPED, mine])
    assert (own["origin"], own["source"], own["replaces"]) == (mine, "home", [])
    rule = named(data["rules"], "sglang-kernel")
    assert (rule["source"], rule["replaces"], rule["when"]) == ("home", [SHIPPED], "has_cuda")
    page = invoke("engines").stdout
    assert f"{other} (in place of shipped, {mine})" in page
    assert f"{mine} (in place of shipped)" in page
    assert [line.split()[:1] for line in page.splitlines()[-3:]] == [["shipped"], ["home"], ["setting"]]


def test_everything_of_one_engine_by_an_alias(invoke: Invoke, mine: str) -> None:
    data = found(invoke, "Our.Engine")
    (engine,) = data["engines"]
    assert engine["indexes"] == [
        {"url": "https://mine.example/cuda", "cuda": ">=13", "packages": ["kernels"], "optional": False},
        {"url": "https://****@mine.example/cu130", "cuda": "cu130", "packages": [], "optional": False},
        {"url": "https://mine.example/simple", "cuda": "", "packages": [], "optional": True},
    ]
    assert engine["levers"] == {"excludes": ["unwanted"], "sources": {"kernels": "https://kernels.example/simple"}}
    assert engine["formats"] == {"gptq": ["gptqmodel"]}
    assert [rule["name"] for rule in data["rules"]] == ["sglang-kernel"]
    page = invoke("engines", "mine").stdout
    for text in ("our-engine", "mine>=1 ; has_cuda", "format gptq", "gptqmodel", "unwanted", "left out", "an error"):
        assert text in page
    assert "kernels = https://kernels.example/simple" in page
    assert "secret" not in page
    assert "transformers" not in page


@pytest.mark.parametrize(
    ("engine", "rules"),
    [("vllm", ["flashinfer-sm120"]), ("sglang", []), ("MLX", []), ("tensorrt-llm", [])],
)
def test_the_special_cases_of_an_engine(invoke: Invoke, engine: str, rules: list[str]) -> None:
    assert [rule["name"] for rule in found(invoke, engine)["rules"]] == rules


def test_a_rule_for_an_engine_that_nobody_knows_is_told(invoke: Invoke, home: Path) -> None:
    path = home / "venvkit" / "engines.toml"
    path.parent.mkdir(parents=True)
    path.write_text('[rules.r]\nengines = ["vllmm", "VLLM"]\npackages = ["more"]\n', encoding="utf-8")
    rule = named(found(invoke)["rules"], "r")
    assert (rule["engines"], rule["unknown_engines"]) == (["vllmm", "vllm"], ["vllmm"])
    for args in ((), ("vllm",)):
        assert "vllmm (no engine is called that) or vllm" in " ".join(invoke("engines", *args).stdout.split())


@pytest.mark.parametrize(("name", "remedy"), [("vlm", "vllm"), ("zzzz", "known are diffusers, llama.cpp, mlx")])
def test_an_engine_that_nobody_knows(invoke: Invoke, name: str, remedy: str) -> None:
    done = invoke("engines", name, "--json")
    assert done.exit_code == 2
    error = document(done.stdout)["error"]
    assert (error["code"], error["where"]) == ("engine-unknown", "NAME")
    assert name in error["message"]
    assert remedy in error["remedy"]


def test_faulty_data_is_told_with_all_its_places(invoke: Invoke, home: Path) -> None:
    path = home / "venvkit" / "engines.toml"
    path.parent.mkdir(parents=True)
    path.write_text("[engines.mine]\npackage = []\n[rules.all]\n", encoding="utf-8")
    done = invoke("engines", "--json")
    assert done.exit_code == 2
    error = document(done.stdout)["error"]
    assert (error["code"], error["where"]) == ("engines-invalid", str(path))
    assert [line.partition(":")[0] for line in error["details"]] == ["engines.mine.package", "rules.all"]
