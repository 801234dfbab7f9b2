from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venvkit.errors import SpecError
from venvkit.spec.language.requirement import Requirement, parse_line

PLACE = "virtualenv.packages[3]"
WHEEL = "https://h.example/v0.3.21/sgl_kernel-0.3.21+cu130-cp310-abi3-manylinux2014_x86_64.whl"
SHA = "82a06db03535c49aa987719ed0746a76093b1ec4"


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("transformers>=4.57.1,<5.0.0", "transformers<5.0.0,>=4.57.1"),
        ("modelscope[framework]>=1.19.0", "modelscope[framework]>=1.19.0"),
        ("gruut[fr,de, es]", "gruut[de,es,fr]"),
        ("funasr~=1.3.0", "funasr~=1.3.0"),
        ("vllm==0.28.*", "vllm==0.28.*"),
        ("vllm>=0.30.0.dev0", "vllm>=0.30.0.dev0"),
        ("vllm==0.31.1rc1.dev281+gc85616efc", "vllm==0.31.1rc1.dev281+gc85616efc"),
        ("torch==2.13.0+cu130", "torch==2.13.0+cu130"),
        ("Qwen_Omni.Utils", "qwen-omni-utils"),
        ("  six ", "six"),
        ("name (>=1)", "name>=1"),
        ("a @ git+https://h.example/a/b.git", "a @ git+https://h.example/a/b.git"),
        ("a[x] @ git+https://h.example/a@refs/pull/1/head", "a[x] @ git+https://h.example/a@refs/pull/1/head"),
        (
            "a @ git+https://h.example/a@20621aa1#subdirectory=python",
            "a @ git+https://h.example/a@20621aa1#subdirectory=python",
        ),
        (
            "en_core@https://h.example/en_core-3-py3-none-any.whl",
            "en-core @ https://h.example/en_core-3-py3-none-any.whl",
        ),
        ("a @ file:///wheels/a-1-py3-none-any.whl", "a @ file:///wheels/a-1-py3-none-any.whl"),
        ("a @ git+ssh://git@h.example/a", "a @ git+ssh://git@h.example/a"),
        ("a @ https://h.example/x;y.whl", "a @ https://h.example/x;y.whl"),
        (WHEEL, f"sgl-kernel @ {WHEEL}"),
        (WHEEL.replace("+", "%2B"), f"sgl-kernel @ {WHEEL.replace('+', '%2B')}"),
        ("https://h.example/my_pkg-1.0.tar.gz#sha256=ab", "my-pkg @ https://h.example/my_pkg-1.0.tar.gz#sha256=ab"),
    ],
)
def test_requirements_print_as_pep_508(text, printed):
    line = parse_line(text, place=PLACE)
    assert (line.kind, str(line.requirement), line.marker) == ("requirement", printed, None)
    assert line.requirement.origin == PLACE
    assert line.name == line.requirement.name


@pytest.mark.parametrize(
    ("text", "name", "extras"),
    [
        ("git+https://h.example/huggingface/diffusers", "diffusers", ()),
        (f"git+https://h.example/o/diffusers.git@{SHA}", "diffusers", ()),
        ("git+https://h.example/o/repo@refs/pull/14/head#subdirectory=x", "repo", ()),
        ("git+https://h.example/o/repo#egg=Real_Name[gpu]", "real-name", ("gpu",)),
    ],
)
def test_a_bare_vcs_url_stays_bare_and_its_name_is_a_guess(text, name, extras):
    requirement = parse_line(text, place=PLACE).requirement
    assert (requirement.name, requirement.extras, requirement.bare) == (name, extras, True)
    assert str(requirement) == text


@pytest.mark.parametrize(
    ("text", "printed", "marker"),
    [
        ('a[x]>=1 ; #engine# == "vllm"', "a[x]>=1", '#engine# == "vllm"'),
        ("a;python_version<'3.12'", "a", 'python_version < "3.12"'),
        ('a[x] @ https://h.example/a.whl ; os_name == "nt"', "a[x] @ https://h.example/a.whl", 'os_name == "nt"'),
        (f'{WHEEL} ; cuda_version == "13.0"', f"sgl-kernel @ {WHEEL}", 'cuda_version == "13.0"'),
        ("git+https://h.example/b/a ;has_cuda", "git+https://h.example/b/a", "has_cuda"),
        ('a ; #src# == "https://x ; y @ z"', "a", '#src# == "https://x ; y @ z"'),
    ],
)
def test_extras_urls_and_markers_survive_together(text, printed, marker):
    line = parse_line(text, place=PLACE)
    assert (str(line.requirement), str(line.marker)) == (printed, marker)


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("#system_torch#", "system", "torch"),
        ("#system_huggingface_hub#", "system", "huggingface-hub"),
        ("#vllm_dependencies#", "engine", "vllm"),
        ("vllm_dependencies", "engine", "vllm"),
        ("#llama_cpp_dependencies#", "engine", "llama_cpp"),
        ("#sentence_transformers_dependencies#", "engine", "sentence_transformers"),
    ],
)
@pytest.mark.parametrize("marker", ["", ' ; #engine# == "vllm"'])
def test_placeholders(text, kind, name, marker):
    line = parse_line(text + marker, place=PLACE)
    assert (line.kind, line.name, line.marker is not None) == (kind, name, bool(marker))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("-r /etc/passwd", "requirement-option"),
        ("--index-url=x", "requirement-option"),
        (" -e .", "requirement-option"),
        ("git+ext::sh -c id", "requirement-transport"),
        ("git+ext::sh", "requirement-transport"),
        ("a @ git+ext::sh -c id", "requirement-transport"),
        ("hg+https://h.example/a", "requirement-transport"),
        ("svn+https://h.example/a", "requirement-transport"),
        ("bzr+https://h.example/a", "requirement-transport"),
        ("a @ ssh://h.example/a", "requirement-transport"),
        ("a @ ftp://h.example/a", "requirement-transport"),
        ("git+git://h.example/a", "requirement-transport"),
        ("git@h.example:o/a", "requirement-transport"),
        ("a @ git+ssh://-oProxyCommand=id/a", "requirement-transport"),
        ("a @ git+ssh://-l@h.example/a", "requirement-transport"),
        ("git+https://h.example/a@--upload-pack=id", "requirement-transport"),
        ("a @ https://h.example/a b.whl", "requirement-transport"),
        ("a @ https://h.example/a\x00.whl", "requirement-transport"),
        ("https://h.example/a-1-py3-none-any.whl; has_cuda", "requirement-transport"),
        ("a @ https:///a.whl", "requirement-transport"),
        ("a @ https://[::1/a.whl", "requirement-transport"),
        ("a @ https://h.example:port/a.whl", "requirement-transport"),
        ("a @ file:rel", "requirement-transport"),
        ("a @ file://other/x", "requirement-transport"),
        ("a @ ", "requirement-transport"),
        ("./a", "requirement-invalid"),
        ("/wheels/a.whl", "requirement-invalid"),
        ("~/a", "requirement-invalid"),
        ("C:\\a", "requirement-invalid"),
        ("", "requirement-invalid"),
        ("   ", "requirement-invalid"),
        ("torch==1\nevil", "requirement-invalid"),
        ("torch\r", "requirement-invalid"),
        ("torch==", "requirement-invalid"),
        ("torch 1.0", "requirement-invalid"),
        ("a[", "requirement-invalid"),
        ("a ;", "requirement-invalid"),
        ("#torch#", "requirement-invalid"),
        ("#system_#", "requirement-invalid"),
        ("https://h.example/main.zip", "requirement-invalid"),
        ("https://h.example/not_a_wheel.whl", "requirement-invalid"),
        ('a ; colour == "red"', "marker-unknown"),
    ],
)
def test_what_is_refused_is_refused_with_its_code_place_and_text(text, code):
    with pytest.raises(SpecError) as caught:
        parse_line(text, place=PLACE)
    assert (caught.value.code, caught.value.where) == (code, PLACE)
    assert "`" in caught.value.message
    assert "\n" not in caught.value.message


def test_a_local_path_is_answered_with_what_to_write():
    with pytest.raises(SpecError, match="name @ file:///"):
        parse_line("./x", place=PLACE)


def test_secrets_are_masked_in_messages():
    with pytest.raises(SpecError) as caught:
        parse_line("https://me:hunter2@h.example/main.zip", place=PLACE)
    assert "hunter2" not in str(caught.value)


def test_an_unknown_variable_is_an_error_once_the_known_ones_are_given():
    text = 'a ; #colour# == "red"'
    assert parse_line(text, place=PLACE).marker is not None
    assert parse_line(text, place=PLACE, known_variables={"colour"}).marker is not None
    with pytest.raises(SpecError) as caught:
        parse_line(text, place=PLACE, known_variables={"shade"})
    assert caught.value.code == "marker-unknown"
    assert "#colour#" in caught.value.message


_NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?", fullmatch=True).filter(
    lambda name: not name.lower().endswith("_dependencies")
)
_NUMBERS = st.integers(0, 99).map(str)
_VERSIONS = st.lists(_NUMBERS, min_size=1, max_size=3).map(".".join)
_CLAUSES = st.tuples(st.sampled_from(["==", ">=", "<=", "!=", "<", ">"]), _VERSIONS).map("".join)
_SPECIFIERS = st.lists(_CLAUSES, max_size=3).map(",".join)
_URLS = st.from_regex(r"https://h\.example/[a-z0-9;._%-]{1,12}", fullmatch=True)


@st.composite
def _texts(draw: st.DrawFn) -> str:
    extras = draw(st.lists(_NAMES, max_size=3))
    head = draw(_NAMES) + (f"[{','.join(extras)}]" if extras else "")
    return head + (draw(_SPECIFIERS) if draw(st.booleans()) else f" @ {draw(_URLS)}")


@given(_texts())
def test_a_printed_requirement_parses_to_the_same_one(text):
    first = parse_line(text, place="p").requirement
    assert isinstance(first, Requirement)
    assert parse_line(str(first), place="p").requirement == first


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text):
    try:
        line = parse_line(text, place="p")
    except SpecError as error:
        assert error.where == "p"
    else:
        assert not str(line.requirement or line.name).startswith("-")
