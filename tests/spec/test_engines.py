from __future__ import annotations

import re
from pathlib import Path

import pytest

from venvkit.errors import SpecError
from venvkit.spec.configuration.sources import Sources, with_public
from venvkit.spec.data import data_dir
from venvkit.spec.engines import load_engines
from venvkit.spec.language.requirement import parse_line

ROOT = Path(__file__).resolve().parents[2]


def write(tmp_path, text, name="engines.toml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def faults_of(tmp_path, text):
    with pytest.raises(SpecError) as caught:
        load_engines([write(tmp_path, text)])
    return caught.value


def test_the_shipped_data_knows_every_engine_and_every_line_of_it_parses(engines):
    names = {engine.name for engine in engines.engines}
    assert names == {
        "vllm",
        "sglang",
        "transformers",
        "sentence_transformers",
        "diffusers",
        "mlx",
        "llama.cpp",
        "trt-llm",
    }
    for engine in engines.engines:
        assert all(parse_line(text, place="p") for text in engine.packages)
        assert engine.packages


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("vLLM", "vllm"),
        ("MLX", "mlx"),
        ("llama_cpp", "llama.cpp"),
        ("Llama-CPP", "llama.cpp"),
        ("TRT_LLM", "trt-llm"),
        ("tensorrt_llm", "trt-llm"),
        ("sentence-transformers", "sentence_transformers"),
    ],
)
def test_engines_are_found_by_any_spelling(engines, written, name):
    assert engines.find(written).name == name


def test_what_is_not_there_is_not_found_but_the_nearest_is_named(engines):
    assert engines.find("vlm") is None
    assert engines.nearest("vlm") == "vllm"
    assert engines.nearest("Sentence_Transformer") == "sentence_transformers"
    assert engines.nearest("flog", ["flag"]) == "flag"
    assert engines.nearest("zzzzzz") is None


@pytest.mark.parametrize(
    ("version", "url"),
    [
        ("12.6", None),
        ("12.8", "https://xorbitsai.github.io/xllamacpp/whl/cu128"),
        ("12.9", "https://xorbitsai.github.io/xllamacpp/whl/cu128"),
        ("13.0", "https://xorbitsai.github.io/xllamacpp/whl/cu132"),
        ("13", "https://xorbitsai.github.io/xllamacpp/whl/cu132"),
        ("odd", None),
    ],
)
def test_llama_cpp_has_an_index_per_cuda_line(engines, version, url):
    fitting = [index.index_url for index in engines.find("llama.cpp").cuda_indexes if index.fits(version)]
    assert fitting == ([url] if url else [])


def test_a_later_file_adds_engines_and_wins_by_name(tmp_path, engines):
    own = write(
        tmp_path,
        """
        [engines.mine]
        packages = ["mine>=1"]
        aliases = "ours"
        [engines.mine.formats]
        GPTQ = ["gptqmodel"]
        [engines.vllm]
        packages = ["vllm==9"]
        [rules.sglang-kernel]
        requires = ["sglang-kernel"]
        excludes = ["other"]
        """,
    )
    table = load_engines([data_dir() / "engines.toml", own])
    assert table.find("vllm").packages == ("vllm==9",)
    assert table.find("vllm").extra_index_urls == ()
    assert table.find("ours").format_packages("gptq") == ("gptqmodel",)
    assert table.find("mine").origin == str(own)
    assert table.find("mlx") == engines.find("mlx")
    assert [rule.levers.excludes for rule in table.rules if rule.name == "sglang-kernel"] == [("other",)]


def test_what_is_replaced_is_told_in_order(tmp_path):
    shipped = str(data_dir() / "engines.toml")
    paths = [shipped]
    for name in ("first", "second"):
        text = f"""
        [engines.NAME]
        [engines.llama_cpp]
        packages = ["{name}"]
        [rules.sglang-kernel]
        requires = ["{name}"]
        [host_indexes.torch]
        packages = ["{name}"]
        indexes = {{cu1 = "https://a.example"}}
        """
        paths.append(str(write(tmp_path, text.replace("NAME", f"only-{name}"), f"{name}.toml")))
    table = load_engines(paths)
    (torch,) = table.host_indexes
    (kernel,) = [rule for rule in table.rules if rule.name == "sglang-kernel"]
    for found in (table.find("llama.cpp"), torch, kernel):
        assert (found.origin, found.replaces) == (paths[2], (shipped, paths[1]))
    assert (table.find("llama.cpp").name, table.find("llama.cpp").packages) == ("llama_cpp", ("second",))
    assert (table.find("vllm").replaces, table.find("only-second").replaces) == ((), ())


def test_an_optional_index_may_be_one_of_a_cuda_version(tmp_path):
    text = """
    [engines.mine]
    optional_index_urls = ["https://a.example/cu130"]
    [[engines.mine.cuda_indexes]]
    cuda = ">=13"
    index_url = "https://a.example/cu130"
    """
    engine = load_engines([write(tmp_path, text)]).find("mine")
    assert engine.optional_index_urls == (engine.cuda_indexes[0].index_url,)


def test_a_public_index_stands_for_no_other_host(tmp_path):
    (public,) = load_engines([write(tmp_path, 'public_indexes = ["https://a.example"]')]).public_indexes
    named = Sources.said(
        "spec",
        extra_index_urls=(
            "https://a.example", "https://a.example/cu130", "https://me:pw@a.example/whl/",
            "https://a.example.of.b/x", "https://a.example@b.example/x", "https://b.example/x@a.example/",
        )
    )  # fmt: skip
    assert with_public(named, (public,)).optional_index_urls == named.extra_index_urls[:3]


def test_a_rule_may_name_an_engine_by_an_alias_of_any_file(tmp_path):
    rule = '[rules.r]\nengines = ["Mine_Server", "mine", "nobody"]\n'
    later = '[engines.mine]\naliases = ["mine-server"]\n'
    table = load_engines([write(tmp_path, rule), write(tmp_path, later, "later.toml")])
    (found,) = table.rules
    assert found.engines == ("mine", "nobody")
    assert found.concerns("m", table.find("mine-server").name, ())


def test_the_example_of_the_documentation_is_sound(tmp_path):
    (example,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "specs.md").read_text(encoding="utf-8"), re.DOTALL)
    table = load_engines([write(tmp_path, example)])
    assert table.find("mine-server").format_packages("gptq") == ("gptqmodel",)
    assert [rule.name for rule in table.rules] == ["mine-big"]


def test_the_faults_of_all_files_are_gathered(tmp_path):
    first = write(tmp_path, "[engines.a]\nx = 1", "first.toml")
    sound = write(tmp_path, "[engines.b]", "sound.toml")
    second = write(tmp_path, "[rules.c]\n[engines.d]\npackages = 1", "second.toml")
    with pytest.raises(SpecError) as caught:
        load_engines([first, sound, second])
    assert [line.split(": ")[:2] for line in caught.value.details] == [
        [str(first), "engines.a.x"],
        [str(second), "engines.d.packages"],
        [str(second), "rules.c"],
    ]
    assert caught.value.where == str(first)


def test_all_faults_of_a_file_are_gathered_with_their_places(tmp_path):
    error = faults_of(
        tmp_path,
        """
        [engine.x]
        [engines.vllm]
        aliases = ["v-llm", "v llm"]
        platforms = ["Linux 6"]
        packages = ["ok", "vllm", "-r x", "#mlx_dependencies#"]
        package = []
        extra_index_urls = ["https://a.example", "no"]
        optional_index_urls = ["https://b.example"]
        index_strategy = "best"
        excludes = ["a b"]
        formats = {gptq = "gptqmodel"}
        [[engines.vllm.cuda_indexes]]
        cuda = "new"
        [engines."../x"]
        [engines.v_llm]
        aliases = "vllm"
        [engines.VLLM]
        [rules.r]
        when = "colour"
        packages = ["a[" ]
        [rules.s]
        requires = ["a ; has_cuda"]
        [host_indexes.torch]
        packages = ["torch ; has_cuda"]
        indexes = {cu130 = "x"}
        [host_indexes.mine]
        """,
    )
    assert (error.code, error.where) == ("engines-invalid", str(tmp_path / "engines.toml"))
    assert [line.partition(": ")[0] for line in error.details] == [
        "engine",
        "engines.vllm.package",
        "engines.vllm.extra_index_urls[1]",
        "engines.vllm.cuda_indexes[0].index_url",
        "engines.vllm.cuda_indexes[0].cuda",
        "engines.vllm.optional_index_urls",
        "engines.vllm.aliases[1]",
        "engines.vllm.platforms[0]",
        "engines.vllm.packages[2]",
        "engines.vllm.packages[3]",
        "engines.vllm.formats.gptq",
        "engines.vllm.index_strategy",
        "engines.vllm.excludes[0]",
        "engines.../x",
        "engines.v_llm",
        "engines.v_llm.aliases[0]",
        "engines.VLLM",
        "engines.VLLM",
        "rules.r.when",
        "rules.r.packages[0]",
        "rules.r",
        "rules.s.requires[0]",
        "host_indexes.torch.indexes.cu130",
        "host_indexes.torch.packages[0]",
        "host_indexes.mine.packages",
        "host_indexes.mine.indexes",
    ]
    assert "did you mean `engines`?" in error.details[0]
    assert "`VLLM` is a name of the engine `vllm` above" in "\n".join(error.details)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("engines = 1", "engines"),
        ("[engines]\nvllm = 1", "engines.vllm"),
        ("[engines.x]\ncuda_indexes = 1", "engines.x.cuda_indexes"),
        ("[engines.x]\ncuda_indexes = [1]", "engines.x.cuda_indexes[0]"),
    ],
)
def test_a_table_is_wanted_where_there_is_none(tmp_path, text, place):
    assert [line.partition(": ")[0] for line in faults_of(tmp_path, text).details] == [place]


def test_files_that_are_missing_or_malformed(tmp_path):
    assert faults_of(tmp_path, "[engines").code == "spec-malformed"
    with pytest.raises(SpecError) as caught:
        load_engines([tmp_path / "none.toml"])
    assert caught.value.code == "engines-not-found"


def test_the_data_folder_is_found_and_its_absence_is_an_error(monkeypatch, tmp_path):
    assert (data_dir() / "spec.schema.json").is_file()
    monkeypatch.setattr("venvkit.spec.data._PACKAGE", tmp_path / "venvkit")
    (tmp_path / "venvkit" / "_specs").mkdir(parents=True)
    with pytest.raises(Exception, match="install venvkit again") as caught:
        data_dir()
    assert caught.value.exit_code == 7
    (tmp_path / "venvkit" / "_specs" / "engines.toml").touch()
    assert data_dir() == tmp_path / "venvkit" / "_specs"
