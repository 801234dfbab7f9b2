"""What lint holds to be certain of markers and bounds is so: no machine, launch or version contradicts it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from venvkit.errors import SpecError
from venvkit.host.accelerator import Accelerator
from venvkit.host.probe import _OLDEST
from venvkit.lint.facts import OLDEST_PYTHON
from venvkit.lint.versions import contradicts_itself
from venvkit.lint.worlds import Worlds
from venvkit.spec.data import data_dir
from venvkit.spec.engines import load_engines
from venvkit.spec.language.marker import MarkerContext, parse_marker

ENGINES = load_engines([data_dir() / "engines.toml"])
WORLDS = Worlds(ENGINES)

_PLATFORMS = (
    [("linux", "Linux", "posix", machine) for machine in ("x86_64", "aarch64", "riscv64", "loongarch64", "armv8l")]
    + [("darwin", "Darwin", "posix", machine) for machine in ("arm64", "x86_64")]
    + [("win32", "Windows", "nt", machine) for machine in ("AMD64", "ARM64")]
    + [("freebsd14", "FreeBSD", "posix", "amd64"), ("android", "Android", "posix", "aarch64")]
)
_OPS = ("<", "<=", "==", "!=", ">=", ">", "~=", "in", "not in", "===")
_LITERALS = {
    "python_version": ("3.7", "3.8", "3.10", "3.11", "3.13", "3.1", "3", "3.*", "3.11.*", "4.0", "3.10 3.12", "3.26"),
    "python_full_version": ("3.10.0", "3.11.4", "3.11", "3.12.0rc1", "3.12.*", "3.11.4 3.12.0", "4"),
    "sys_platform": ("linux", "darwin", "win32", "macos", "linux darwin", "freebsd14", "freebsd", "win", "Linux"),
    "platform_system": ("Linux", "Darwin", "Windows", "FreeBSD", "linux"),
    "os_name": ("posix", "nt", "java"),
    "platform_machine": ("x86_64", "arm64", "aarch64", "AMD64", "amd64", "loongarch64", "aarch64 arm64", "64", "arm"),
    "platform_python_implementation": ("CPython", "PyPy", "cpython", "Other"),
    "implementation_name": ("cpython", "pypy", "CPython", "other"),
    "implementation_version": ("3.11", "7.3"),
    "platform_release": ("5.10", "6"),
    "extra": ("gpu", ""),
    "#engine#": ("vllm", "vLLM", "SGLang", "trt-llm", "tensorrt_llm", "mine", "vllm sglang", "vllm, mine"),
    "#model_engine#": ("vllm", "mlx"),
    "cuda_version": ("12", "12.8", "13.0", "13", "12.*", "12.8, 13.0", "12.8.1", "11"),
    "cuda_arch": ("sm_80", "sm_81", "sm_90", "90", "sm_80 sm_90"),
    "#x#": ("7", "7.0", "10", "a", "b", "a b", "", "ab", "8.1"),
}


@st.composite
def _comparisons(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(sorted(_LITERALS)))
    literal = draw(st.sampled_from(_LITERALS[name]))
    sides = [name, f'"{literal}"']
    if draw(st.booleans()) and draw(st.booleans()):
        sides.reverse()
    return f"{sides[0]} {draw(st.sampled_from(_OPS))} {sides[1]}"


def _is_marker(text: str) -> bool:
    if text.endswith("~= cuda_version"):  # has no meaning on a machine whose version has one part
        return False
    try:
        parse_marker(text, known=None)
    except SpecError:
        return False
    return True


_MARKERS = st.recursive(
    st.one_of(_comparisons().filter(_is_marker), st.sampled_from(["has_cuda", "has_npu"])),
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=4).map(" and ".join),
        st.tuples(inner, inner).map(" or ".join),
        inner.map(lambda text: f"not ({text})"),
        inner.map(lambda text: f"({text})"),
    ),
    max_leaves=8,
)
_ACCELERATORS = st.one_of(
    st.builds(Accelerator, has_npu=st.booleans()),
    st.builds(
        Accelerator,
        st.just(True),
        st.booleans(),
        st.sampled_from([None, "11.8", "12", "12.0", "12.4", "12.8", "12.8.1", "12.9", "13.0", "13.2", "14.1"]),
        st.sampled_from([None, "sm_75", "sm_79", "sm_80", "sm_81", "sm_86", "sm_90", "sm_120"]),
    ),
)
_TEXTS = st.one_of(
    st.sampled_from(
        ["", "7", "7.0", "7.0.0", "7.0.1", "8", "8.1", "9.99", "10", "10.0", "a", "b", "ab", "a b", " ", "z"]
    ),
    st.text("ab 7.0", max_size=4),
)


@st.composite
def _contexts(draw: st.DrawFn) -> MarkerContext:
    platform, system, os_name, machine = draw(st.sampled_from(_PLATFORMS))
    minor = draw(st.integers(8, 27))
    patch = draw(st.sampled_from(["0", "1", "4", "5", "18", "0a3", "0b4", "0rc1", "0rc2"]))
    name, short = draw(st.sampled_from([("CPython", "cpython"), ("PyPy", "pypy"), ("Other", "other")]))
    launched = draw(st.sampled_from([None, "mine", "another", *(engine.name for engine in ENGINES.engines)]))
    engine, aliases = (None, frozenset[str]()) if launched is None else WORLDS.launch(launched)
    accelerator = draw(_ACCELERATORS)
    environment = {
        "sys_platform": platform,
        "platform_system": system,
        "os_name": os_name,
        "platform_machine": machine,
        "python_version": f"3.{minor}",
        "python_full_version": f"3.{minor}.{patch}",
        "platform_python_implementation": name,
        "implementation_name": short,
        "implementation_version": draw(st.sampled_from([f"3.{minor}.{patch}", "7.3.17"])),
        "platform_release": draw(st.sampled_from(["6.8.0-generic", "5.10", "23.1.0"])),
        "platform_version": "#1 SMP",
    }
    return MarkerContext(environment, engine, lambda: accelerator, {"x": draw(_TEXTS)}, aliases)


@given(_MARKERS, st.lists(_contexts(), min_size=20, max_size=20))
@settings(deadline=None, max_examples=150)
def test_no_machine_contradicts_what_is_certain_of_a_marker(text: str, contexts: list[MarkerContext]) -> None:
    marker = parse_marker(text, known=None)
    certain = WORLDS.outcomes(marker.root)
    for context in contexts:
        assert certain is None or marker.evaluate(context) in certain, (text, context)
        if context.engine is not None:
            with_engine = WORLDS.outcomes(marker.root, (context.engine, context.engine_names))
            assert with_engine is None or marker.evaluate(context) in with_engine, (text, context)


@pytest.mark.parametrize(
    ("text", "outcomes"),
    [
        ("has_cuda", {True, False}),
        ("has_cuda and not has_cuda", {False}),
        ('#engine# == "trt-llm" and #engine# == "TensorRT_LLM"', {True, False}),
        ('#engine# == "a" and #engine# == "b"', {False}),
        ('#engine# in "a b" and #engine# == "b"', {True, False}),
        ('#engine# == "a" or #engine# != "a"', {True, False}),  # neither holds without an engine
        ('#engine# == "a" or not #engine# == "a"', {True}),
        ('cuda_version > "12.8" and cuda_version < "12.8.1"', {True, False}),
        ('cuda_version == "12.*" and cuda_version >= "13"', {False}),
        ('cuda_version != "12.8" and not has_cuda', {False}),
        ('cuda_version === "12.8"', None),
        ('cuda_version >= "13.0rc1"', None),
        ('has_cuda and (cuda_version < "13" or cuda_version >= "13")', {True, False}),  # a device that tells no version
        ('python_version >= "3.8"', {True}),
        ('python_version >= "3.9"', {True, False}),
        ('python_version > "3.99"', {True, False}),
        ('python_version == "3.15" and python_full_version < "3.15"', {False}),
        ('python_version == "3.15" and not python_full_version >= "3.15"', {True, False}),  # a beta of it
        ('python_full_version > "3.14.0b2" and python_full_version < "3.14.0b4"', {True, False}),
        ('"1.7" in python_full_version', None),
        ('sys_platform == "linux" and platform_system == "Darwin"', {False}),
        ('sys_platform == "freebsd13" and platform_system == "FreeBSD"', {True, False}),
        ('platform_machine == "arm64" and sys_platform == "linux"', {False}),
        ('"arm" in platform_machine', None),
        ('platform_python_implementation == "cpython"', {False}),
        ('#x# in "a b" and #x# == "c"', {False}),
        ('#x# in "abc" and #x# in "bcd" and #x# != "b" and #x# != "c" and #x# != "bc" and #x# != ""', {False}),
        ('#x# <= "7" and #x# >= "7" and #x# != "7"', {True, False}),
        ('"a" in #x#', None),
        ('platform_version == "1" and has_cuda and not has_cuda', None),
        (" and ".join(f'#v{number}# == "a"' for number in range(10)) + ' and #x# == "b" and #x# == "c"', {False}),
        (
            " and ".join(f'#v{number}# == "a"' for number in range(16)) + ' and #x# == "b" and #x# == "c"',
            None,
        ),  # enough
    ],
)
def test_what_a_marker_can_say(text: str, outcomes: set[bool] | None) -> None:
    assert WORLDS.afresh().outcomes(parse_marker(text, known=None).root) == outcomes


def test_the_oldest_python_is_that_of_the_probe() -> None:
    assert OLDEST_PYTHON == _OLDEST


_NUMBERS = st.sampled_from(["0", "1", "1.0", "1.0.0", "1.1", "1.0.1", "1.2", "2", "1.10"])
_PRE = st.sampled_from(["", "", "", "a1", "b2", "rc1", "rc2"])
_POST = st.sampled_from(["", "", "", ".post1", ".post2"])
_DEV = st.sampled_from(["", "", "", ".dev1", ".dev2"])
_LOCAL = st.sampled_from(["", "", "", "", "+cpu", "+cu130"])
_EPOCH = st.sampled_from(["", "", "", "", "1!"])


@st.composite
def _bounds(draw: st.DrawFn) -> str:
    op = draw(st.sampled_from(["<", "<=", "==", "!=", ">=", ">", "~="]))
    version = draw(_EPOCH) + draw(_NUMBERS)
    if op in ("==", "!=") and draw(st.booleans()):
        return f"{op}{version}.*"
    version += draw(_PRE) + draw(_POST) + draw(_DEV)
    if op in ("==", "!="):
        version += draw(_LOCAL)
    return f"{op}{version}.0" if op == "~=" and Version(version).release[1:] == () else f"{op}{version}"


_SPECIFIERS = st.lists(_bounds(), min_size=1, max_size=4).map(",".join).filter(lambda text: "~=1a" not in text)
_VERSIONS = st.builds(
    "".join, st.tuples(_EPOCH, st.one_of(_NUMBERS, st.just("1.0.0.0.5")), _PRE, _POST, _DEV, _LOCAL)
).map(Version)


def _parses(text: str) -> bool:
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        return False
    return True


@given(_SPECIFIERS.filter(_parses), st.lists(_VERSIONS, min_size=15, max_size=15))
@settings(deadline=None, max_examples=200)
def test_no_version_satisfies_bounds_that_contradict_themselves(specifier: str, versions: list[Version]) -> None:
    if contradicts_itself(specifier):
        assert not [one for one in versions if SpecifierSet(specifier).contains(one, prereleases=True)]


@pytest.mark.parametrize(
    ("specifier", "contradiction"),
    [
        ("", False),
        ("<1,>2", True),
        (">=1,<=1", False),
        (">1,<1.0.1", False),
        ("==1.*,<1", True),
        ("==1.*,!=1.0", False),
        ("~=1.4,<1.4", True),
        (">1.0rc1,<1.0", True),
        (">1.0rc1,<=1.0,!=1.0", False),
        (">=1.0,<1.0.post1", False),
        (">1.0,<1.0.post2", True),
        ("==1.0+cpu,==1.0", False),
        ("==1.0,!=1.0", True),
        ("<0", True),
        ("===anything,>2", False),
        ("==1!1.0,<2", True),
    ],
)
def test_bounds_that_contradict_themselves(specifier: str, contradiction: bool) -> None:
    assert contradicts_itself(specifier) is contradiction
