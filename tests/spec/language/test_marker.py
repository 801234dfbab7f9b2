from __future__ import annotations

import packaging
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker as PackagingMarker
from packaging.version import Version

from tests.spec.conftest import LINUX, World
from venvkit.errors import SpecError
from venvkit.spec.language.marker import MarkerContext, parse_marker


@pytest.mark.parametrize(
    ("text", "engine", "expected"),
    [
        ('#engine# == "vLLM"', "vllm", True),
        ('#model_engine# == "MLX"', "mlx", True),
        ('"vllm" == #engine#', "vllm", True),
        ('#engine# == "llama.cpp"', "llama_cpp", True),
        ('#engine# == "trt_llm"', "TRT-LLM", True),
        ('#engine# == "vllm"', "sglang", False),
        ('#engine# != "vllm"', "sglang", True),
        ('#engine# in "vllm, SGLang"', "sglang", True),
        ('#engine# not in "vllm SGLang"', "mlx", True),
        ('#engine# == "vllm"', None, False),
        ('#engine# != "vllm"', None, False),
        ('not #engine# == "vllm"', None, True),
        ('#engine# == "vllm" or #engine# == "mlx"', "mlx", True),
    ],
)
def test_engines_compare_without_case_and_never_hold_without_one(world, text, engine, expected):
    assert parse_marker(text, known=()).evaluate(world.context(engine)) is expected


@pytest.mark.parametrize(
    ("text", "with_gpu", "without"),
    [
        ("has_cuda", True, False),
        ("not has_cuda", False, True),
        ("has_npu", False, False),
        ('cuda_version == "13.0"', True, False),
        ('cuda_version == "13"', True, False),
        ('cuda_version < "13.0"', False, False),
        ('cuda_version != "12.8"', True, False),
        ('cuda_version >= "9.2"', True, False),
        ('cuda_version == "13.*"', True, False),
        ('cuda_version ~= "13.0"', True, False),
        ('"12.8" < cuda_version', True, False),
        ('cuda_version in "12.8 13.0"', True, False),
        ('cuda_version not in "12.8 13.0"', False, False),
        ('cuda_arch >= "sm_80"', True, False),
        ('cuda_arch > "sm_9"', True, False),
        ('cuda_arch == "sm_120"', False, False),
        ('"sm_75" < cuda_arch', True, False),
        ('cuda_arch in "sm_80,sm_90"', True, False),
        ('not cuda_version == "13.0"', False, True),
    ],
)
def test_devices_compare_by_number_and_are_absent_without_cuda(world, text, with_gpu, without):
    marker = parse_marker(text, known=())
    assert marker.evaluate(world.gpu().context()) is with_gpu
    assert marker.evaluate(world.context()) is without


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('python_version in "3.10 3.11"', True),
        ('python_version not in "3.10 3.12"', True),
        ('python_version < "3.9"', False),
        ('python_version >= "3.9" and sys_platform == "linux"', True),
        ('"linux" in sys_platform', True),
        ("sys_platform != 'linux' or platform_machine != 'x86_64'", False),
        ('extra == "gpu"', False),
        ('python_full_version ~= "3.11.2"', True),
    ],
)
def test_plain_markers(world, text, expected):
    assert parse_marker(text, known=()).evaluate(world.context()) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('#model_src# == "modelscope"', True),
        ('#model_src# in "huggingface modelscope"', True),
        ('#model_src# != "modelscope"', False),
        ('#size# < "10"', True),
        ('"10" > #size#', True),
        ('#size# ~= "7.0"', True),
        ('#model_src# < "z"', False),
        ('#model_src# ~= "1.0"', False),
    ],
)
def test_variables_compare_as_text_and_are_ordered_as_versions(world, text, expected):
    context = world.context(model_src="modelscope", size="7")
    assert parse_marker(text, known={"model_src", "size"}).evaluate(context) is expected


def test_the_accelerator_is_asked_only_when_its_answer_counts(world):
    marker = parse_marker('#engine# == "vllm" and has_cuda', known=())
    assert marker.evaluate(world.context("mlx")) is False
    assert world.machine.asked == 0
    assert marker.evaluate(world.context("vllm")) is False
    assert world.machine.asked == 1


@pytest.mark.parametrize(
    ("text", "code", "quotes"),
    [
        ('platform == "linux"', "marker-unknown", "platform"),
        ('#engin# == "vllm"', "marker-unknown", "#engin#"),
        ("has_gpu", "marker-unknown", "has_gpu"),
        ("", "requirement-invalid", "ends too early"),
        ('sys_platform == "linux" and', "requirement-invalid", "ends too early"),
        ('(sys_platform == "linux"', "requirement-invalid", "parenthesis"),
        ('sys_platform == "linux")', "requirement-invalid", "`)`"),
        ('"a" == "b"', "requirement-invalid", "one variable"),
        ("os_name == sys_platform", "requirement-invalid", "one variable"),
        ('sys_platform = "linux"', "requirement-invalid", "= "),
        ('sys_platform "linux"', "requirement-invalid", '"linux"'),
        ('has_cuda == "yes"', "requirement-invalid", "=="),
        ('"yes" == has_cuda', "requirement-invalid", "stands alone"),
        ('and == "x"', "requirement-invalid", "and"),
        ('cuda_arch >= "8.0"', "requirement-invalid", "sm_80"),
        ('cuda_version >= "new"', "requirement-invalid", "13.0"),
        ('#engine# >= "vllm"', "requirement-invalid", ">="),
        ('sys_platform ~= "linux"', "requirement-invalid", "~="),
        ('python_version ~= "3"', "requirement-invalid", "two parts"),
        ('"12" ~= cuda_version', "requirement-invalid", "~="),
        ("(" * 5000, "requirement-invalid", "nested"),
        ("not " * 5000, "requirement-invalid", "nested"),
    ],
)
def test_what_is_no_marker_is_refused_with_its_text_and_place(text, code, quotes):
    with pytest.raises(SpecError) as caught:
        parse_marker(text, known=(), place="virtualenv.packages[3]")
    assert caught.value.code == code
    assert caught.value.where == "virtualenv.packages[3]"
    assert quotes in caught.value.message


def test_a_misspelt_name_is_answered_with_the_nearest():
    with pytest.raises(SpecError, match=r"did you mean `#engine#`\?"):
        parse_marker('#engin# == "vllm"', known=())
    with pytest.raises(SpecError, match=r"did you mean `cuda_version`\?"):
        parse_marker('cuda_versio == "13.0"', known=())


def test_a_variable_that_was_accepted_but_has_no_value_is_an_error_when_evaluated(world):
    with pytest.raises(SpecError) as caught:
        parse_marker('#colour# == "red"', known=None).evaluate(world.context())
    assert caught.value.code == "marker-unknown"
    with pytest.raises(SpecError):
        parse_marker('os_name == "posix"', known=None).evaluate(MarkerContext({}, None, world.machine.look))


def test_names_and_engines():
    marker = parse_marker(
        '(#engine# == "vLLM" or #engine# in "mlx sglang") and not has_cuda and cuda_arch > "sm_80"', known=()
    )
    assert marker.names() == {"#engine#", "has_cuda", "cuda_arch"}
    assert marker.engines() == {"vLLM", "mlx", "sglang"}


_VERSIONS = ("3.9", "3.10", "3.11", "3.11.9", "3.12", "4")
_VERSION_ATOMS = st.tuples(
    st.sampled_from(["python_version", "python_full_version", "implementation_version"]),
    st.sampled_from(["<", "<=", "==", "!=", ">=", ">", "in", "not in"]),
    st.sampled_from(_VERSIONS),
)
# Older packaging compares any two texts that look like versions as versions: keep to those that do not.
_TEXT_OPS = ["==", "!=", "in", "not in"]
if Version(packaging.__version__) >= Version("26"):
    _TEXT_OPS += ["<", "<=", ">=", ">"]
_TEXT_ATOMS = st.tuples(
    st.sampled_from(["os_name", "sys_platform", "platform_machine", "implementation_name"]),
    st.sampled_from(_TEXT_OPS),
    st.sampled_from(["posix", "nt", "linux", "linux win", "x86_64", "cpython", "it's", ""]),
)


@st.composite
def _atoms(draw: st.DrawFn) -> str:
    name, op, value = draw(st.one_of(_VERSION_ATOMS, _TEXT_ATOMS))
    quote = "'" if "'" not in value and draw(st.booleans()) else '"'
    sides = [name, f"{quote}{value}{quote}"]
    if draw(st.booleans()):
        sides.reverse()
    blank = draw(st.sampled_from([" ", "  "]))
    return f"{sides[0]}{blank}{op}{blank}{sides[1]}"


_PLAIN = st.recursive(
    _atoms(),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join),
        inner.map(lambda text: f"({text})"),
    ),
    max_leaves=8,
)
_EXTENDED = st.recursive(
    st.one_of(
        _atoms(),
        st.sampled_from(["has_cuda", "has_npu", '#engine# == "vLLM"', 'cuda_version >= "12.8"', '"a" != #x#']),
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join),
        inner.map(lambda text: f"({text})"),
        inner.map(lambda text: f"not ({text})"),
    ),
    max_leaves=8,
)


@given(_PLAIN)
def test_plain_markers_mean_what_packaging_says(text):
    expected = PackagingMarker(text).evaluate(LINUX)
    assert parse_marker(text, known=()).evaluate(World().context()) is expected


@given(_EXTENDED, st.booleans())
def test_a_printed_marker_parses_to_the_same_one(text, gpu):
    marker = parse_marker(text, known={"x"})
    again = parse_marker(str(marker), known={"x"})
    assert again == marker
    world = World().gpu() if gpu else World()
    context = world.context("vllm", x="b")
    assert again.evaluate(context) is marker.evaluate(context)
