from __future__ import annotations

import pytest
from msgspec.structs import replace

from venvkit.errors import SpecError, UsageError
from venvkit.spec.engines import load_engines
from venvkit.spec.levers import Levers
from venvkit.spec.model import ModelSpec
from venvkit.spec.request import Choice, Sources, build_request, spec_engines

TORCH_CU130 = "https://download.pytorch.org/whl/cu130"
TORCH_CU128 = "https://download.pytorch.org/whl/cu128"
VLLM_CU130 = "https://wheels.vllm.ai/0.19.0/cu130"
PIP = Sources.said(
    "pip",
    index_url="https://pip.example/simple",
    extra_index_urls=("https://more.example/simple",),
    find_links=("/pip-wheels",),
    trusted_hosts=("pip.example",),
)


@pytest.fixture
def ask(engines, world):
    """Build a request from packages and a choice; keywords that are no field of Choice set up the rest."""

    def build(*packages, host=None, pip=None, spec=None, on=world, table=engines, context=None, **choice):
        return build_request(
            spec or ModelSpec("m", packages),
            Choice(**choice),
            engines=table,
            context=context or on.context(),
            host_versions=host or {},
            pip=pip,
        )

    return build


def asked(request):
    return [str(requirement) for requirement in request.requirements]


def test_markers_are_gone_and_what_does_not_apply_vanishes(ask):
    request = ask('a ; #engine# == "vLLM"', 'b ; #engine# == "mlx"', "c[x]>=1 ; not has_cuda", engine="vllm")
    assert asked(request) == ["a", "c[x]>=1"]
    assert request.engine == "vllm"
    assert request.relied == ("accelerator",)
    assert [one.origin for one in request.requirements] == ["virtualenv.packages[0]", "virtualenv.packages[2]"]


def test_nothing_is_relied_upon_that_was_not_asked(ask, world):
    lines = ('a ; #engine# == "mlx" and has_cuda', "b")
    assert ask(*lines, engine="transformers", host={"torch": "2.13.0"}).relied == ()
    assert world.machine.asked == 0
    # Without torch on the host, the accelerator says whose builds are taken.
    assert ask(*lines, engine="transformers").relied == ("accelerator",)


def test_lines_of_one_layer_are_joined_and_a_later_layer_replaces_them(ask):
    lines = ("Foo_Bar[e]>=1", "x", "foo.bar>=3 ; has_cuda", "foo-bar<2 ; not has_cuda")
    assert asked(ask(*lines)) == ["foo-bar[e]>=1,<2", "x"]
    assert asked(ask(*lines, packages=("foo-bar[f]==5",))) == ["foo-bar[e,f]==5", "x"]


def test_a_line_with_a_bound_is_not_lost_to_a_wish_of_its_layer(ask):
    assert all(
        asked(ask(*lines, host={"foo": "3.0"})) == ["foo<2"]
        for lines in (("foo<2", "#system_foo#"), ("#system_foo#", "foo<2"))
    )


def test_conditional_variants_coexist(ask):
    packages = ('t>=5 ; #engine# == "vllm"', 't<5 ; #engine# == "transformers"')
    assert asked(ask(*packages, engine="vllm")) == ["t>=5"]
    assert asked(ask(*packages, engine="transformers")) == ["t<5"]


def test_the_callers_requirements_replace_every_variant(ask):
    request = ask(
        "#system_numpy#", 'Numpy<2 ; #engine# == "vllm"', "six", packages=("numpy==2.1", "new"), engine="vllm"
    )
    assert asked(request) == ["numpy==2.1", "six", "new"]
    assert request.requirements[0].origin == "caller packages[0]"


def test_a_bare_vcs_url_is_replaced_by_name(ask):
    assert asked(ask("diffusers>=0.3", "git+https://h.example/x/diffusers")) == ["git+https://h.example/x/diffusers"]
    assert asked(ask("git+https://h.example/x/diffusers", packages=("diffusers==1",))) == ["diffusers==1"]


@pytest.mark.parametrize(
    ("version", "printed", "wish"),
    [
        ("2.13.0+cpu", "torch==2.13.0", True),
        ("2.13.0", "torch==2.13.0", True),
        (None, "torch", False),
        ("odd!!", "torch", False),
    ],
)
def test_a_wish_for_the_hosts_version(ask, version, printed, wish):
    request = ask("#system_torch#", host={"torch": version} if version else {})
    assert asked(request) == [printed]
    assert request.requirements[0].wish is wish
    assert request.relied == (("host:torch",) if version else ("accelerator", "host:torch"))


def test_an_engine_placeholder_expands_only_for_the_launched_engine(ask):
    packages = ("#transformers_dependencies#", "mlx_dependencies", "six")
    assert asked(ask(*packages)) == ["six"]
    assert asked(ask(*packages, engine="MLX")) == ["mlx-lm>=0.31.3", "llguidance>=1.7.0", "six"]
    request = ask(*packages, engine="Transformers")
    assert asked(request) == ["transformers>=4.53.3", "accelerate>=0.28.0", "six"]
    assert request.requirements[1].origin == "engine transformers packages[1]"
    assert asked(ask("#mlx_dependencies# ; has_cuda", engine="mlx")) == []
    assert len(asked(ask("#llama_cpp_dependencies#", engine="llama.cpp"))) == 1
    assert len(asked(ask("trt_llm_dependencies", engine="trt_llm"))) == 3


def test_a_placeholder_of_no_engine_is_an_error_where_it_applies(ask):
    with pytest.raises(SpecError) as caught:
        ask("six", "#vlm_dependencies#", engine="vllm")
    assert (caught.value.code, caught.value.where) == ("placeholder-unknown", "virtualenv.packages[1]")
    assert "did you mean `vllm`?" in caught.value.remedy
    assert asked(ask("six", '#vlm_dependencies# ; #engine# == "vlm"', engine="vllm")) == ["six"]


def test_spec_packages_come_after_the_formats_and_win(ask):
    packages = ("#transformers_dependencies#", "datasets==4")
    request = ask(*packages, engine="transformers", model_format="GPTQ")
    assert asked(request) == ["gptqmodel", "optimum", "datasets==4", "transformers>=4.53.3", "accelerate>=0.28.0"]
    assert request.requirements[0].origin == "format GPTQ packages[0]"
    assert "bitsandbytes" in asked(ask(*packages, engine="transformers", model_format="bnb"))
    assert "gptqmodel" not in asked(ask(*packages, engine="vllm", model_format="gptq"))
    spec = ModelSpec("m", packages, formats=("pytorch", "gptq"))
    assert ask(spec=spec, engine="transformers", model_format="Gptq").requirements
    with pytest.raises(UsageError) as caught:
        ask(spec=spec, engine="transformers", model_format="awq")
    assert caught.value.code == "format-unknown"


def test_an_engine_is_one_of_the_data_or_of_the_specs_markers(ask):
    assert ask("six", engine="LLAMA_CPP").engine == "llama.cpp"
    assert ask('six ; #engine# == "Flag"', engine="FLAG").engine == "flag"
    assert ask("six").engine is None
    for engine, near in (("vlm", "vllm"), ("flog", "flag")):
        with pytest.raises(UsageError) as caught:
            ask('six ; #engine# == "flag"', engine=engine)
        assert caught.value.code == "engine-unknown"
        assert caught.value.remedy == f"did you mean `{near}`?"
    with pytest.raises(UsageError, match="known are"):
        ask("six", engine="zzzzzz")


def test_a_marker_cannot_smuggle_in_an_engine_that_is_no_path_component(ask):
    with pytest.raises(UsageError) as caught:
        ask('six ; #engine# == "../../x"', engine="../../x")
    assert caught.value.code == "engine-unknown"


def test_variables_come_from_context_and_caller(ask, world):
    context = world.context(model_src="huggingface")
    text = 'a ; #model_src# == "modelscope"'
    assert asked(ask(text, context=context)) == []
    assert asked(ask(text, context=context, variables=(("model_src", "modelscope"),))) == ["a"]
    with pytest.raises(SpecError) as caught:
        ask("six", text)
    assert (caught.value.code, caught.value.where) == ("marker-unknown", "virtualenv.packages[1]")
    with pytest.raises(UsageError) as caught:
        ask("six", variables=(("engine", "vllm"),))
    assert caught.value.code == "variable-reserved"


def test_the_contexts_engine_gives_way_to_the_choice(ask, world):
    assert asked(ask('a ; #engine# == "vllm"', context=world.context("vllm"))) == []


def test_aliases_of_the_data_count_in_markers(ask):
    assert asked(ask('a ; #engine# == "TensorRT-LLM"', engine="trt-llm")) == ["a"]


def test_pip_is_inherited_unless_the_spec_refuses(ask):
    assert ask("six", pip=PIP).sources.decisive == PIP.decisive
    assert ask(spec=ModelSpec("m", ("six",), inherit_pip_config=False), pip=PIP).sources.decisive == Sources()


@pytest.mark.parametrize(
    ("fields", "choice", "index", "extra"),
    [
        ({"index_url": "https://spec.example"}, {}, "https://spec.example", ()),
        ({"extra_index_urls": ("https://spec.example",)}, {}, None, ("https://spec.example",)),
        ({}, {"index_url": "https://me.example"}, "https://me.example", ()),
        ({}, {"extra_index_urls": ("https://me.example",)}, None, ("https://me.example",)),
        ({"index_url": "https://spec.example"}, {"index_url": "https://me.example"}, "https://me.example", ()),
        (
            {"extra_index_urls": ("https://spec.example",)},
            {"extra_index_urls": ("https://me.example",)},
            None,
            ("https://me.example", "https://spec.example"),
        ),
    ],
)
def test_an_index_of_caller_or_spec_replaces_pips_indexes_but_not_its_find_links(ask, fields, choice, index, extra):
    spec = ModelSpec("m", ("six",), find_links=("/spec-wheels",), no_build_isolation=True, **fields)
    sources = ask(spec=spec, pip=PIP, find_links=("/my-wheels",), **choice).sources
    assert (
        sources.decisive
        == Sources.said(
            "caller",
            index_url=index,
            extra_index_urls=extra,
            find_links=("/my-wheels", "/spec-wheels", "/pip-wheels"),
            trusted_hosts=("pip.example",),
            no_build_isolation=True,
        ).decisive
    )


@pytest.mark.parametrize(
    "choice",
    [
        {"index_url": "--foo"},
        {"extra_index_urls": ("x",)},
        {"find_links": ("-x",)},
        {"index_strategy": "best"},
        {"packages": ("-r x",)},
    ],
)
def test_a_faulty_choice_is_refused(ask, choice):
    with pytest.raises(SpecError):
        ask("six", **choice)


def test_engine_indexes_are_used_on_the_cuda_line_they_name(ask, world):
    on_130 = ask("#vllm_dependencies#", engine="vllm", on=world.gpu("13.0"))
    urls = (VLLM_CU130, TORCH_CU130)
    expected = Sources.said("caller", extra_index_urls=urls, index_strategy="unsafe-best-match")
    assert on_130.sources.decisive == replace(expected.decisive, optional_index_urls=urls)
    assert on_130.relied == ("accelerator",)
    for machine in (world.gpu("12.8"), world):
        assert ask("#vllm_dependencies#", engine="vllm", on=machine).sources.decisive == Sources()
    without_gpu = ask("trt_llm_dependencies", engine="trt-llm").sources
    assert without_gpu.extra_index_urls == ("https://pypi.nvidia.com",)
    assert without_gpu.optional_index_urls == ()


def test_an_extra_index_that_somebody_names_stands_instead_of_the_engines(ask, world):
    gpu = world.gpu("13.0")
    spec = ModelSpec("m", ("six",), extra_index_urls=("https://spec.example",))
    for request in (
        ask(spec=spec, engine="vllm", on=gpu),
        ask("six", engine="vllm", on=gpu, extra_index_urls=("https://spec.example",)),
        ask("six", engine="vllm", on=gpu, pip=Sources.said("pip", extra_index_urls=("https://spec.example",))),
    ):
        assert request.sources.extra_index_urls == ("https://spec.example",)
        assert request.sources.optional_index_urls == ()
        assert request.sources.index_strategy == "unsafe-best-match"
    strategy = ask("six", engine="vllm", on=gpu, index_strategy="first-index").sources.index_strategy
    assert strategy == "first-index"


def test_the_index_of_the_hosts_torch_goes_first(ask, world):
    host = {"torch": "2.9.0+cu128"}
    sources = ask("#system_torch#", host=host).sources
    assert sources.extra_index_urls == sources.optional_index_urls == (TORCH_CU128,)
    both = ask("#system_torch#", "#vllm_dependencies#", host=host, engine="vllm", on=world.gpu("13.0")).sources
    assert both.extra_index_urls == (TORCH_CU128, VLLM_CU130, TORCH_CU130)
    spec = ModelSpec("m", ("#system_torch#",), extra_index_urls=("https://spec.example",))
    assert ask(spec=spec, host=host).sources.extra_index_urls == ("https://spec.example",)
    for line in ("cpu", "cu118", "cu130", "rocm6.4"):
        urls = ask("#system_torch#", host={"torch": f"2.9.0+{line}"}).sources.extra_index_urls
        assert urls == (TORCH_CU128.replace("cu128", line),)
    for other in ("2.9.0", "2.9.0+vendor"):
        assert ask("#system_torch#", host={"torch": other}).sources.extra_index_urls == ()
    assert ask("torch", host=host).sources.extra_index_urls == ()
    assert ask('#system_torch# ; #engine# == "mlx"', host=host, engine="vllm").sources.extra_index_urls == ()


def test_xllamacpp_comes_from_the_index_of_the_cuda_line_and_not_from_the_host(ask, world):
    request = ask("#llama_cpp_dependencies#", engine="llama.cpp", on=world.gpu("13.2"))
    assert request.levers.sources == (("xllamacpp", "https://xorbitsai.github.io/xllamacpp/whl/cu132"),)
    assert request.levers.no_inherit == ("xllamacpp",)
    assert request.sources.decisive == Sources()
    older = ask("#llama_cpp_dependencies#", engine="llama.cpp", on=world.gpu("12.6"))
    without = ask("#llama_cpp_dependencies#", engine="llama.cpp")
    assert older.levers == without.levers == Levers()
    own = Levers(sources=(("xllamacpp", "https://mine.example"),))
    mine = ask("#llama_cpp_dependencies#", engine="llama.cpp", on=world.gpu("13.2"), levers=own)
    assert mine.levers.sources == own.sources


@pytest.mark.parametrize(
    ("version", "kernel"),
    [
        (
            "13.0",
            "sgl-kernel @ https://github.com/sgl-project/whl/releases/download/v0.3.21/sgl_kernel-0.3.21+cu130-cp310-abi3-manylinux2014_x86_64.whl",
        ),
        ("12.8", "sgl-kernel"),
        (None, "sgl-kernel"),
    ],
)
def test_sglang_takes_the_kernel_of_the_machine(ask, world, version, kernel):
    machine = world.gpu(version) if version else world
    lines = asked(ask("#sglang_dependencies#", engine="SGLang", on=machine))
    assert [line for line in lines if line.startswith("sgl-kernel")] == [kernel]
    assert ("nvidia-cusparselt-cu13==0.8.0" in lines) is (version == "13.0")
    assert {"numpy<2.3", "pandas<3"} <= set(lines)


def test_the_kernels_successor_takes_its_place(ask):
    request = ask("#sglang_dependencies#", "sglang-kernel==0.4.3", engine="sglang")
    assert "sgl-kernel" not in {one.name for one in request.requirements}
    assert request.levers.excludes == ("sgl-kernel",)
    kept = ask("#sglang_dependencies#", "sglang-kernel==0.4.3", engine="sglang", packages=("sgl-kernel==0.3",))
    assert "sgl-kernel==0.3" in asked(kept)
    assert kept.levers.excludes == ()


def test_deepdoc_gets_one_onnxruntime(ask, world):
    packages = ("deepdoc-lib[gpu]~=0.2.2 ; has_cuda", "deepdoc-lib~=0.2.2 ; not has_cuda")
    on_gpu = ask(*packages, on=world.gpu())
    assert asked(on_gpu) == ["deepdoc-lib[gpu]~=0.2.2", "onnxruntime-gpu>=1.19.2"]
    assert on_gpu.requirements[1].origin == "rule deepdoc-gpu packages[0]"
    assert on_gpu.levers.excludes == ("onnxruntime",)
    without = ask(*packages)
    assert (asked(without), without.levers) == (["deepdoc-lib~=0.2.2"], Levers())


def test_flashinfer_is_overridden_on_one_gpu_family(ask, world):
    def build(pin="vllm==0.21.0", name="qwen3.6", machine=None):
        return ask(spec=ModelSpec(name, (pin,)), engine="vllm", on=machine or world.gpu("13.0", "sm_120"))

    request = build()
    assert "flashinfer-jit-cache==0.6.11.post3+cu130" in asked(request)
    assert request.levers.overrides == ("flashinfer-python==0.6.11.post3", "flashinfer-cubin==0.6.11.post3")
    assert dict(request.levers.sources)["flashinfer-jit-cache"] == "https://flashinfer.ai/whl/cu130"
    for other in (
        build("vllm==0.22.0"),
        build("vllm==0.21.*"),
        build("vllm>=0.21.0"),
        build(name="other"),
        build(machine=world.gpu("13.0", "sm_90")),
    ):
        assert other.levers == Levers()


def test_flash_attn_of_the_jina_model_is_optional_wheels_only_and_verified(ask, world):
    spec = ModelSpec("jina-embeddings-v3", ("flash-attn==2.8.3.post1", "einops"))
    levers = ask(spec=spec, engine="sentence_transformers", on=world.gpu()).levers
    assert levers == Levers(
        optional=("flash-attn",), only_binary=("flash-attn",), verify=("flash_attn:flash_attn_func",)
    )
    assert ask(spec=spec).levers.verify == ()
    assert ask("flash-attn==2.8.3").levers == Levers()


def test_an_index_for_all_by_cuda_version_is_an_extra_index(ask, world, tmp_path):
    path = tmp_path / "engines.toml"
    rows = [(">=13", "a"), (">=12.8", "b"), (">=11", "c")]
    path.write_text(
        "[engines.x]\n"
        + "".join(
            f'[[engines.x.cuda_indexes]]\ncuda = "{cuda}"\nindex_url = "https://{name}.example"\n'
            for cuda, name in rows
        )
    )
    table = load_engines([path])
    for version, expected in (("13.1", "a"), ("12.9", "b"), ("11.8", "c")):
        request = ask("six", engine="x", table=table, on=world.gpu(version))
        assert request.sources.extra_index_urls == (f"https://{expected}.example",)
        assert request.levers == Levers()
    assert ask("six", engine="x", table=table, on=world.gpu("10.0")).sources.decisive == Sources()


def test_levers_of_engine_spec_and_caller_add_up(ask, tmp_path):
    path = tmp_path / "engines.toml"
    path.write_text('[engines.x]\nconstraints = ["a<1 ; not has_cuda", "z ; has_cuda"]\nexclude_newer = "2026-01-01"\n')
    spec = ModelSpec("m", ("six", "gone"), levers=Levers(constraints=("b<1",), excludes=("gone",), torch_backend="cpu"))
    request = ask(
        spec=spec, table=load_engines([path]), engine="x", levers=Levers(constraints=("c<1",), torch_backend="cu130")
    )
    assert request.levers == Levers(
        constraints=("a<1", "b<1", "c<1"), excludes=("gone",), exclude_newer="2026-01-01", torch_backend="cu130"
    )
    assert asked(request) == ["six"]


def test_the_engines_a_spec_names(engines):
    spec = ModelSpec(
        "m",
        (
            "six",
            'a ; #engine# == "vLLM" or #engine# == "Flag"',
            "#llama_cpp_dependencies#",
            'b ; #model_engine# in "flag pytorch"',
            'c ; #engine# == "VLLM"',
        ),
    )
    assert spec_engines(spec, engines) == ("flag", "vllm", "llama.cpp", "pytorch")
    assert spec_engines(ModelSpec("m", ("six",)), engines) == ()
