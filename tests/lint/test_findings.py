"""Faulty specs, and exactly what is said of each; sound ones, of which nothing is said."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.lint.conftest import pairs
from venvkit.lint.check import Checked, lint
from venvkit.lint.findings import SEVERITIES, Finding, Spot, finding, strict
from venvkit.spec.data import data_dir
from venvkit.spec.engines import EngineTable, load_engines
from venvkit.spec.levers import LIST_FIELDS

Check = Callable[..., Checked]
Write = Callable[..., Path]

VLLM = '#engine# == "vllm"'
SGLANG = '#engine# == "sglang"'
FIRST, SECOND = "packages[0]", "packages[1]"


@pytest.mark.parametrize(
    ("packages", "block", "expected"),
    [
        # names that nothing stands behind
        (["#foo_dependencies#"], {}, [("placeholder-unknown", FIRST)]),
        (["foo_dependencies"], {}, [("placeholder-unknown", FIRST)]),
        (["#system_#"], {}, [("placeholder-unknown", FIRST)]),
        (["#vllm_dependancies#"], {}, [("placeholder-unknown", FIRST)]),
        (['six ; platfrm == "linux"'], {}, [("marker-unknown", FIRST)]),
        (['six ; #sze# == "7"', "#system_torch#"], {}, [("marker-unknown", FIRST)]),
        (["six"], {"excludes": ['tqdm ; #sze# == "7"']}, [("marker-unknown", "excludes[0]")]),
        (['six ; #engine# == "vlm"', 'tqdm ; #engine# == "VLM"'], {}, [("engine-unknown", FIRST)]),
        # conditions that decide nothing
        ([f"six ; {VLLM} and {SGLANG}"], {}, [("marker-false", FIRST)]),
        (['six ; #engine# == ""'], {}, [("marker-false", FIRST)]),
        (['six ; sys_platform == "macos"'], {}, [("marker-false", FIRST)]),
        (['six ; sys_platform == "darwin" and platform_machine == "aarch64"'], {}, [("marker-false", FIRST)]),
        (['six ; extra == "gpu"'], {}, [("marker-false", FIRST)]),
        (['six ; python_version < "3.7"'], {}, [("marker-false", FIRST)]),
        (['six ; not has_cuda and cuda_version >= "12"'], {}, [("marker-false", FIRST)]),
        (['six ; cuda_version > "13" and cuda_version <= "12.8"'], {}, [("marker-false", FIRST)]),
        (['six ; cuda_arch > "sm_80" and cuda_arch < "sm_81"'], {}, [("marker-false", FIRST)]),
        (['six ; #model_src# == "a" and #model_src# == "b"'], {}, [("marker-false", FIRST)]),
        (["six"], {"constraints": ['tqdm<4 ; sys_platform == "osx"']}, [("marker-false", "constraints[0]")]),
        (['six ; python_version >= "3.6"'], {}, [("marker-true", FIRST)]),
        (["six ; has_cuda or not has_cuda"], {}, [("marker-true", FIRST)]),
        # heads that mean something elsewhere alone
        ([f"#vllm_dependencies# ; {SGLANG}", f"sglang ; {SGLANG}"], {}, [("head-never-applies", FIRST)]),
        (['#llama_cpp_dependencies# ; #engine# != "llama.cpp"'], {}, [("head-never-applies", FIRST)]),
        # bounds that contradict one another
        (["numpy<1,>2"], {}, [("specifier-empty", FIRST)]),
        (["torch==2.1,==2.2", "six"], {}, [("specifier-empty", FIRST)]),
        # lines that others make void
        (["numpy<2", "NumPy>=1"], {}, [("line-replaced", FIRST)]),
        ([f"numpy<2 ; {VLLM}", "numpy", f"#vllm_dependencies# ; {VLLM}"], {}, [("line-replaced", FIRST)]),
        (["numpy<2 ; has_cuda", "numpy ; has_cuda or has_npu"], {}, [("line-replaced", FIRST)]),
        (["numpy<2", "numpy==1 ; has_cuda", "numpy==2 ; not has_cuda"], {}, [("line-replaced", FIRST)]),
        ([f"vllm==0.11.5 ; {VLLM}", "#vllm_dependencies#"], {}, [("line-replaced", FIRST)]),
        (["numpy==1.26 ; #engine# == 'SGLang'", "#sglang_dependencies#"], {}, [("line-replaced", FIRST)]),
        (["#system_torch#", "torch>=2"], {}, [("line-replaced", FIRST)]),
        (["onnxruntime", "six"], {"excludes": ["onnxruntime"]}, [("line-excluded", FIRST)]),
        # engines without a package
        ([f"tqdm ; {VLLM}"], {}, [("engine-packages", "packages")]),
        ([f"tqdm ; {VLLM}", "sglang"], {}, [("engine-packages", "packages")]),
        # several of a spec, in the order of their places
        (
            [f"tqdm ; {VLLM}", "numpy<1,>2", 'six ; sys_platform == "win"'],
            {},
            [("engine-packages", "packages"), ("specifier-empty", SECOND), ("marker-false", "packages[2]")],
        ),
        # faults of the spec itself
        (
            ["six", "-r x", "tqdm ; colour", 7],
            {"index_ulr": "x", "index_url": "x", "extra_index_url": ["https://i.example", "y"]},
            [
                ("source-invalid", "extra_index_url[1]"),
                ("spec-invalid", "index_ulr"),
                ("source-invalid", "index_url"),
                ("requirement-option", SECOND),
                ("marker-unknown", "packages[2]"),
                ("spec-invalid", "packages[3]"),
            ],
        ),
    ],
)
def test_a_faulty_spec(check: Check, packages: list[object], block: dict[str, object], expected: object) -> None:
    found = check(packages, **block)
    assert pairs(found) == expected
    assert all(one.what and one.remedy for one in found.findings)


@pytest.mark.parametrize(
    "packages",
    [
        [f"#vllm_dependencies# ; {VLLM}", f"#sglang_dependencies# ; {SGLANG}"],
        ["#vllm_dependencies#", "#SGLANG_dependencies#", '#llama_cpp_dependencies# ; #engine# == "Llama.cpp"'],
        # A line of the spec takes the place of an engine's default.
        [f"#vllm_dependencies# ; {VLLM}", f"vllm==0.28.* ; {VLLM}"],
        # The same name under conditions that do not cover one another.
        [f"tqdm<2 ; {VLLM}", f"tqdm ; {SGLANG}", "#vllm_dependencies#", "#sglang_dependencies#"],
        ["numpy<2", "numpy ; has_cuda"],
        ['sgl ; cuda_version >= "13.0"', 'sgl ; cuda_version < "13.0"', "sgl ; not has_cuda"],
        # Another distribution that serves the engine.
        ['mlx-audio[tts]==0.4.6 ; #engine# == "MLX"', 'soundfile ; #engine# == "MLX"'],
        ['qwen-asr[vllm] ; #engine# == "vLLM"'],
        ['tensorrt_llm==1.2.1 ; #engine# == "tensorrt-llm" and #engine# == "TRT-LLM"'],
        ['llama-cpp-python ; #engine# == "llama.cpp"'],
        # A line that is not for an engine only because it is not for another.
        ['tqdm ; #engine# != "vllm"'],
        ['six ; #model_src# == "modelscope"', 'tqdm ; python_version >= "3.9"', 'idna ; python_version > "3.30"'],
        ['a ; platform_machine == "arm64"', 'b ; sys_platform == "freebsd14"', 'c ; platform_machine == "loongarch64"'],
        # What a kernel calls itself is anybody's guess.
        ['six ; platform_release > "6" and platform_release < "5"'],
        ["torch==2.13.0+cu130,<2.14", "numpy>=1,<=1", "six==1.*,!=1.1", "tqdm>1rc1,<=1", "idna===x"],
    ],
)
def test_a_sound_spec(check: Check, packages: list[str]) -> None:
    assert check(packages).findings == ()


def test_the_shipped_specs_are_sound(engines: EngineTable) -> None:
    checked = lint([str(data_dir() / "models")], engines=engines, variables={"model_src"})
    assert checked.specs == len(list((data_dir() / "models").iterdir()))
    assert checked.findings == ()


@pytest.mark.parametrize(
    ("packages", "remedy"),
    [
        (["#sglag_dependencies#"], "did you mean `#sglang_dependencies#`?"),
        (["#lama_cpp_dependencies#"], "did you mean `#llama_cpp_dependencies#`?"),
        (["#sglang_dependencis#"], "did you mean `#sglang_dependencies#`?"),
        (["#system_#"], "name the distribution: `#system_NAME#`"),
        (["#foo#"], "known are `#system_NAME#` and `#ENGINE_dependencies#`"),
        (['six ; #model_scr# == "x"'], "did you mean `#model_src#`?"),
        (['six ; #engin# == "vllm"'], "did you mean `#engine#`?"),
        (['six ; #cuda_version# == "x"'], "did you mean `cuda_version`?"),
        (['six ; #colour# == "x"'], "correct the name, or declare it with --var colour"),
        (['six ; #engine# == "Transformer"'], "did you mean `transformers`?"),
        (['six ; #engine# == "tensorrt-lm"'], "did you mean `trt-llm`?"),
        (['six ; #engine# == "flag"'], "correct the name, or add the engine to your own engine data"),
        (['six ; extra == "gpu"'], "a spec has no extras: write them in the requirement, as `name[extra]`"),
        ([f"six ; {VLLM} and {SGLANG} and has_cuda"], "one engine is launched: join engines by `or`"),
        (['six ; cuda_version > "13" and cuda_version < "12"'], "correct the marker, or remove what it belongs to"),
        (["six ; has_cuda and not has_cuda"], "correct the marker, or remove what it belongs to"),
        (['six ; not has_cuda and cuda_arch > "sm_80"'], "without a CUDA device every comparison with it is false"),
        (['six ; python_version < "3.7"'], "Python 3.8 is the oldest that a host can have"),
        (['six ; sys_platform == "Linux"'], "it is `linux`, `darwin` or `win32`"),
        (["-r x"], "use the fields index_url, extra_index_url, find_links or constraints instead"),
    ],
)
def test_the_remedy_is_what_is_needed(check: Check, packages: list[str], remedy: str) -> None:
    assert check(packages).findings[0].remedy == remedy


def test_each_fault_of_a_spec_has_its_own_remedy(check: Check) -> None:
    found = check(["six", "-r x", ""], package=["six"], index_strategy="best", no_inherit=[1])
    assert {one.spot.place: one.remedy for one in found.findings} == {
        "virtualenv.package": "did you mean `packages`?",
        "virtualenv.index_strategy": "use one of first-index, unsafe-first-match, unsafe-best-match",
        "virtualenv.no_inherit[0]": "correct what is named",
        "virtualenv.packages[1]": "use the fields index_url, extra_index_url, find_links or constraints instead",
        "virtualenv.packages[2]": "remove it, or write a requirement",
    }


def test_the_smallest_part_that_cannot_hold_is_named(check: Check) -> None:
    (found,) = check([f'six ; has_cuda and {VLLM} and sys_platform == "macos"']).findings
    assert found.what.endswith('for `sys_platform == "macos"` never holds')
    (found,) = check(['six ; has_npu and cuda_version > "13" and not has_cuda']).findings
    assert found.what.endswith('for `cuda_version > "13" and not has_cuda` never holds')


def test_one_faulty_spec_hides_nothing_of_the_others(spec_file: Write, engines: EngineTable) -> None:
    path = spec_file(
        [
            {"model_name": "a", "virtualenv": {"packages": ["-e ."]}},
            {"model_name": "no block"},
            {"model_name": "b", "virtualenv": {"packages": ["numpy<1,>2"]}},
            {"virtualenv": {"packages": [], "excludes": "a b"}},
            "text",
            {"model_name": "x/y", "virtualenv": []},
        ]
    )
    checked = lint([str(path)], engines=engines)
    assert checked.specs == 5
    assert [(one.code, str(one.spot).removeprefix(str(path))) for one in checked.findings] == [
        ("requirement-option", "[0]: virtualenv.packages[0] (line 6)"),
        ("specifier-empty", "[2]: virtualenv.packages[0] (line 17)"),
        ("spec-invalid", "[3]: model_name (line 21)"),
        ("requirement-invalid", "[3]: virtualenv.excludes[0] (line 24)"),
        ("spec-invalid", "[4]"),
        ("model-name", "[5]: model_name (line 29)"),
        ("spec-invalid", "[5]: virtualenv (line 30)"),
    ]


def test_folders_are_searched_for_specs(tmp_path: Path, spec_file: Write, engines: EngineTable) -> None:
    spec_file({"model_name": "a", "virtualenv": {"packages": ["numpy<1,>2"]}}, "specs/llm/a.json")
    spec_file({"title": "no spec"}, "specs/schema.json")
    spec_file("no spec either", "specs/text.json")
    (tmp_path / "specs" / "other.json").write_text("{ not JSON, and not of ours", encoding="utf-8")
    (tmp_path / "specs" / "broken.json").write_text('{"virtualenv": ', encoding="utf-8")
    (tmp_path / "specs" / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    many = '[[model]]\nmodel_name = "t"\nvirtualenv = {packages = ["numpy<1,>2"], exclude_newer = 2026-01-31}\n'
    (tmp_path / "specs" / "t.toml").write_text(many, encoding="utf-8")
    (tmp_path / "specs" / "notes.txt").write_text('"virtualenv"', encoding="utf-8")
    folder = tmp_path / "specs"
    checked = lint([str(folder), str(folder / "llm" / "a.json")], engines=engines)
    assert [(one.code, str(one.spot).removeprefix(f"{folder}/")) for one in checked.findings] == [
        ("spec-malformed", "broken.json"),
        ("specifier-empty", "llm/a.json: virtualenv.packages[0] (line 5)"),
        ("spec-invalid", "t.toml[0]: virtualenv.exclude_newer"),
    ]
    assert checked.specs == 3


@pytest.mark.parametrize(
    ("name", "text", "code", "what"),
    [
        ("absent.json", None, "spec-not-found", "there is no such file"),
        ("a.json", "{", "spec-malformed", "line 1"),
        ("a.json", "[]", "spec-invalid", "no model in the file has a `virtualenv` block"),
        ("a.toml", "model = 3", "spec-invalid", "no model in the file has a `virtualenv` block"),
        ("folder/a.txt", "", "spec-not-found", "no file there holds a model"),
    ],
)
def test_what_holds_no_spec(
    tmp_path: Path, engines: EngineTable, name: str, text: str | None, code: str, what: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if text is not None:
        path.write_text(text, encoding="utf-8")
    named = path.parent if name.startswith("folder") else path
    (found,) = lint([str(named)], engines=engines).findings
    assert (found.code, found.severity, found.spot) == (code, "error", Spot(str(named)))
    assert what in found.what


def test_a_model_that_is_there_twice(spec_file: Write, engines: EngineTable, tmp_path: Path) -> None:
    block = {"packages": ["six"]}
    plain = {"model_name": "m", "virtualenv": block}
    spec_file({**plain, "model_type": "LLM"}, "a.json")
    spec_file(plain, "audio/b.json")
    spec_file([{**plain, "engine": "vllm"}, {**plain, "quantization": "int8"}, {**plain, "x": 1}], "llm/c.json")
    spec_file({"model_name": "m", "virtualenv": {"packages": ["tqdm"]}}, "llm/d.json")
    (found,) = lint([str(tmp_path)], engines=engines).findings
    assert (found.code, found.spot.document) == ("model-duplicate", f"{tmp_path / 'llm/c.json'}[2]")
    assert f"is already in {tmp_path / 'a.json'}," in found.what


def test_a_users_engine_data_counts(tmp_path: Path, spec_file: Write) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[engines.flag]\naliases = ["banner"]\npackages = ["FlagEmbedding"]\n', encoding="utf-8")
    table = load_engines([data_dir() / "engines.toml", own])
    packages = ['#flag_dependencies# ; #engine# == "Banner"', 'six ; #engine# == "flag"']
    path = spec_file({"model_name": "m", "virtualenv": {"packages": packages}})
    assert lint([str(path)], engines=table).findings == ()


def test_declared_variables_are_known(spec_file: Write, engines: EngineTable) -> None:
    path = spec_file({"model_name": "m", "virtualenv": {"packages": ['six ; #size# > "7"']}})
    assert [one.code for one in lint([str(path)], engines=engines).findings] == ["marker-unknown"]
    assert lint([str(path)], engines=engines, variables={"size"}).findings == ()


def test_lines_of_a_document_with_everything(tmp_path: Path, engines: EngineTable) -> None:
    text = """\
\ufeff[ {"model_name": "brace } [ \\" , in a name", "n": [[], {}, [1, -2.5e3, null, true]],

  "virtualenv":
    {"packages": ["six",
      "numpy<1,>2"
    ]}}, {"model_name": "m",
     "virtualenv": {"packages": [
        "\\u0073ix ; extra == \\"}\\""]}}]
"""
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    found = lint([str(path)], engines=engines).findings
    assert [(one.spot.index, one.spot.place, one.spot.line) for one in found] == [
        (0, "virtualenv.packages[1]", 5),
        (1, "virtualenv.packages[0]", 8),
    ]


def test_strictness_makes_errors_of_warnings_but_not_of_what_was_not_looked_at() -> None:
    spot = Spot("a.json")
    found = [finding(code, spot, "x", "y") for code in ("marker-true", "marker-false", "not-checked")]
    assert [one.severity for one in found] == ["warning", "error", "warning"]
    assert [one.severity for one in strict(found)] == ["error", "error", "warning"]
    assert Finding("x", "error", spot, "x", "y") == finding("x", spot, "x", "y")


def test_the_page_lists_every_code() -> None:
    page = (Path(__file__).parents[2] / "docs" / "lint.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (error|warning)\b", page, re.MULTILINE))
    assert rows == SEVERITIES


_PIECES = (
    "numpy", "#vllm_dependencies#", "#system_", "#", "<1", ",>2", "==1.*", "===x", " ; ", ";", "has_cuda", "not ", "(",
    " and ", " or ", '#engine# == "vllm"', 'cuda_version > "12.8"', '"sm_80" >= cuda_arch', 'python_version < "3.7rc1"',
    '"a" in #x#', '#x# >= "1"', "extra", " == ", "~=", '"1"', "'", "@ https://a.example/x.whl", "-r", "é", "\x00", "[",
)  # fmt: skip


@given(st.lists(st.lists(st.sampled_from(_PIECES), max_size=7).map("".join), max_size=4), st.sampled_from(LIST_FIELDS))
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_written_has_an_answer(
    spec_file: Write, engines: EngineTable, lines: list[str], field: str
) -> None:
    path = spec_file({"model_name": "m", "virtualenv": {"packages": lines, field: lines[:1]}})
    for found in lint([str(path)], engines=engines).findings:
        assert found.what
        assert found.remedy
        assert found.spot.line


def test_secrets_of_a_spec_are_not_told(spec_file: Write, engines: EngineTable) -> None:
    path = spec_file({"model_name": "m", "virtualenv": {"packages": ["x @ ftp://me:secret@h.example/x"]}})
    (found,) = lint([str(path)], engines=engines).findings
    assert found.code == "requirement-transport"
    assert "secret" not in json.dumps([found.what, found.remedy])


@pytest.mark.parametrize(
    "line",
    [
        f'six ; python_version >= "{"9" * 5000}"',
        f'six ; #model_src# < "{"9" * 5000}"',
        f'six ; cuda_version >= "{"9" * 5000}"',
        f"six=={'9' * 5000}",
    ],
)
def test_a_number_that_cannot_be_read_hides_nothing(check: Check, line: str) -> None:
    assert ("specifier-empty", SECOND) in pairs(check([line, "numpy<1,>2"])) or (
        ("requirement-invalid", FIRST) in pairs(check([line]))
    )


def test_a_spec_too_odd_to_be_looked_over_hides_nothing_of_the_others(
    spec_file: Write, engines: EngineTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    from venvkit.lint import check as module

    real = module.void_lines

    def fall(subject: object, worlds: object) -> object:
        if subject.spec.name == "odd":  # type: ignore[attr-defined]
            raise LookupError("https://me:pass@index.example/ is odd")
        return real(subject, worlds)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "void_lines", fall)
    block = {"packages": ["numpy<1,>2"]}
    path = spec_file([{"model_name": name, "virtualenv": block} for name in ("odd", "plain")])
    found = lint([str(path)], engines=engines).findings
    assert sorted((one.code, one.spot.index) for one in found) == [
        ("not-checked", 0),
        ("specifier-empty", 0),
        ("specifier-empty", 1),
    ]
    assert not any("pass" in one.what for one in found)


@pytest.mark.parametrize(
    "condition",
    [
        '#engine# == "e{}" and python_version >= "3.{}"',
        'python_version >= "3.{}" and cuda_version != "12.{}" and platform_machine != "m{}"',
    ],
)
def test_many_conditional_lines_of_one_name_take_no_time(check: Check, condition: str) -> None:
    lines = [f"numpy<{number} ; {condition.replace('{}', str(number))}" for number in range(8, 40)]
    started = time.monotonic()
    check(lines)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "packages",
    [
        ["tool ; " + " or ".join(f"python_version == '9.{number}'" for number in range(5_000))],
        ["tool ; " + " and ".join(f"python_version != '9.{number}'" for number in range(5_000))],
        ["tool ; " + " or ".join(f"sys_platform == 'freebsd{number}'" for number in range(499))],
        [
            "tool ; "
            + " and ".join(f"cuda_version != '{number}' and cuda_arch != 'sm_{number}'" for number in range(240))
        ],
        ["tool ; " + " and ".join(f"#engine# == 'e{number}'" for number in range(400))],
        ["tool" + ",".join(f">=0.{number}" for number in range(20_000))],
        ["tool ; python_version > '3'"] * 5_000,
        [f"tool=={number} ; python_version > '3.{number}'" for number in range(2_000)],
        [f"d{number} ; python_version < '3'" for number in range(5_000)],
    ],
    ids=["or", "and", "platforms", "cuda", "engines", "bounds", "same", "one-name", "many"],
)
def test_large_specs_take_bounded_time(check: Check, packages: list[str]) -> None:
    begun = time.process_time()
    check(packages)
    assert time.process_time() - begun < 8


def test_one_faulty_file_is_one_finding(tmp_path: Path, engines: EngineTable, spec_file: Write) -> None:
    digits = "9" * 6_000
    (tmp_path / "a.toml").write_text(f'model_name = "x"\nn = {digits}\n[virtualenv]\npackages = ["tool"]\n')
    spec_file({"model_name": "b", "virtualenv": {"packages": ["tool", 1, "-r x"]}}, "b.json")
    spec_file({"model_name": "c", "virtualenv": {"packages": ["tool ; python_version < '3'"]}}, "c.json")
    checked = lint([str(tmp_path)], engines=engines)
    assert [(Path(one.spot.file).name, one.code, one.spot.place) for one in checked.findings] == [
        ("a.toml", "spec-malformed", ""),
        ("b.json", "spec-invalid", "virtualenv.packages[1]"),
        ("b.json", "requirement-option", "virtualenv.packages[2]"),
        ("c.json", "marker-false", "virtualenv.packages[0]"),
    ]
    assert "use the fields" in checked.findings[2].remedy
