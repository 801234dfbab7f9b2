from __future__ import annotations

import json

import pytest

from venvkit.errors import SpecError
from venvkit.spec.levers import Levers
from venvkit.spec.model import ModelSpec, check_model_name, load_specs, parse_specs


def parse(document, format="json"):
    text = document if isinstance(document, str) else json.dumps(document)
    return parse_specs(text.encode(), origin="here.json", format=format)


def faults_of(document, format="json"):
    with pytest.raises(SpecError) as caught:
        parse(document, format)
    return caught.value


def block(**fields):
    return {"model_name": "m", "virtualenv": {"packages": ["six"], **fields}}


def test_every_field_of_a_block_is_read():
    (spec,) = parse(
        {
            "model_name": "m",
            "model_type": "LLM",
            "model_specs": [{"model_format": "gptq"}, {"model_format": "awq"}, {"model_format": "gptq"}, {}],
            "anything_else": 1,
            "virtualenv": {
                "packages": ["six", "#system_torch#"],
                "inherit_pip_config": False,
                "index_url": "https://i.example/simple",
                "extra_index_url": "https://e.example/simple",
                "find_links": ["/wheels", "https://f.example/"],
                "trusted_host": "i.example:8080",
                "index_strategy": "unsafe-best-match",
                "no_build_isolation": True,
                "constraints": "numpy<2",
                "overrides": ["click==8.1"],
                "excludes": ["onnxruntime ; has_cuda"],
                "no_inherit": ["xllamacpp"],
                "optional": ["flash-attn"],
                "verify": ["flash_attn:flash_attn_func"],
                "protect": ["xinference"],
                "sources": {"Torch_Vision": "https://t.example/cu130"},
                "only_binary": ":all:",
                "no_build": ["numpy"],
                "exclude_newer": "2026-01-31",
                "torch_backend": "cu130",
            },
        }
    )
    assert spec == ModelSpec(
        "m",
        ("six", "#system_torch#"),
        type="LLM",
        formats=("gptq", "awq"),
        inherit_pip_config=False,
        index_url="https://i.example/simple",
        extra_index_urls=("https://e.example/simple",),
        find_links=("/wheels", "https://f.example/"),
        trusted_hosts=("i.example:8080",),
        index_strategy="unsafe-best-match",
        no_build_isolation=True,
        levers=Levers(
            constraints=("numpy<2",),
            overrides=("click==8.1",),
            excludes=("onnxruntime ; has_cuda",),
            no_inherit=("xllamacpp",),
            optional=("flash-attn",),
            verify=("flash_attn:flash_attn_func",),
            protect=("xinference",),
            sources=(("torch-vision", "https://t.example/cu130"),),
            only_binary=(":all:",),
            no_build=("numpy",),
            exclude_newer="2026-01-31",
            torch_backend="cu130",
        ),
        origin="here.json",
    )


def test_toml_says_the_same_as_json():
    one = 'model_name = "m"\n[virtualenv]\npackages = ["six"]\nsources = {torch = "https://t.example"}\n'
    many = "".join(f'[[model]]\nmodel_name = "{name}"\nvirtualenv = {{packages = ["six"]}}\n' for name in "ab")
    assert parse(one, "toml") == parse(block(sources={"torch": "https://t.example"}))
    assert [spec.name for spec in parse(many, "toml")] == ["a", "b"]


def test_objects_without_a_block_are_passed_over_unless_none_has_one():
    specs = parse([{"model_name": "a"}, block(), {"model_name": "c", "virtualenv": None}])
    assert [spec.name for spec in specs] == ["m"]
    for document in ([{"model_name": "a"}], {"model_name": "a"}, []):
        assert "no model in the file has this block" in str(faults_of(document))


def test_a_family_stands_for_a_missing_name():
    (spec,) = parse({"model_family": "World-1", "virtualenv": {"packages": []}})
    assert spec.name == "World-1"
    assert faults_of({"virtualenv": {"packages": []}}).details == ("model_name: is missing",)


def test_all_faults_of_a_file_are_gathered_with_their_places():
    error = faults_of(
        [
            block(),
            {"model_name": "../x", "virtualenv": {"packages": ["ok", "-r /etc/passwd", "six ; colour"]}},
            {"model_name": "y", "virtualenv": {"package": ["six"], "index_url": 7, "no_build_isolation": "yes"}},
            "text",
        ]
    )
    assert (error.code, error.where) == ("spec-invalid", "here.json")
    places = [line.partition(": ")[0] for line in error.details]
    assert places == [
        "[3]",
        "[1].model_name",
        "[1].virtualenv.packages[1]",
        "[1].virtualenv.packages[2]",
        "[2].virtualenv.package",
        "[2].virtualenv.packages",
        "[2].virtualenv.index_url",
        "[2].virtualenv.no_build_isolation",
    ]
    assert "did you mean `packages`?" in str(error)
    assert "(requirement-option)" in error.details[2]
    assert error.message == "the model spec has 8 faults"


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"packages": "torch"}, "virtualenv.packages: wants a list of strings, not a string"),
        ({"packages": None}, "virtualenv.packages: is missing"),
        ({"packages": [1]}, "virtualenv.packages[0]: wants a string, not a number"),
        ({"extra_index_url": {}}, "virtualenv.extra_index_url: wants a list of strings, not a table"),
        ({"index_url": "--foo"}, "virtualenv.index_url: `--foo` is not the URL of an index (source-invalid)"),
        (
            {"index_url": "https://[::1/"},
            "virtualenv.index_url: `https://[::1/` is not the URL of an index (source-invalid)",
        ),
        ({"index_url": "file:rel"}, "virtualenv.index_url: `file:rel` is not the URL of an index (source-invalid)"),
        ({"index_url": ""}, "virtualenv.index_url: wants a string, not an empty string"),
        (
            {"extra_index_url": ["https://a b"]},
            "virtualenv.extra_index_url[0]: `https://a b` is not the URL of an index (source-invalid)",
        ),
        ({"find_links": ["-x"]}, "virtualenv.find_links[0]: `-x` is not a directory or URL (source-invalid)"),
        ({"trusted_host": ["a/b"]}, "virtualenv.trusted_host[0]: `a/b` is not a host (source-invalid)"),
        ({"index_strategy": "best"}, "virtualenv.index_strategy: `best` is not an index strategy"),
        (
            {"constraints": ["-r x"]},
            "virtualenv.constraints[0]: `-r x` starts with `-`: options are not accepted among packages"
            " (requirement-option)",
        ),
        (
            {"constraints": ["#system_torch#"]},
            "virtualenv.constraints[0]: `#system_torch#` is not a requirement with a name (lever-invalid)",
        ),
        ({"excludes": ["a<2"]}, "virtualenv.excludes[0]: `a<2` is not the name of a distribution (lever-invalid)"),
        ({"verify": ["import os"]}, "virtualenv.verify[0]: `import os` is not a module to import (lever-invalid)"),
        ({"torch_backend": "cuda"}, "virtualenv.torch_backend: `cuda` is not an accelerator line (lever-invalid)"),
        ({"exclude_newer": "-1"}, "virtualenv.exclude_newer: `-1` is not a moment or duration (lever-invalid)"),
        ({"sources": {"a": "x"}}, "virtualenv.sources.a: `x` is not the URL of an index (source-invalid)"),
        ({"sources": ["a"]}, "virtualenv.sources: wants a table, not a list"),
        ({"constraint": []}, "virtualenv.constraint: unknown field; did you mean `constraints`?"),
    ],
)
def test_a_faulty_field_is_named(fields, detail):
    error = faults_of(block(**fields))
    assert error.details == (detail,)
    assert (error.code, error.message) == ("spec-invalid", "the model spec has 1 fault")


@pytest.mark.parametrize(
    ("text", "format", "place"),
    [
        ('{\n  "model_name": "m",,\n}', "json", "here.json:2:21"),
        ('{"a": ', "json", "here.json:1:7"),
        ("", "json", "here.json:1:1"),
        ('{"ä": x}', "json", "here.json:1:7"),
        ("a = 1\nb = = 2\n", "toml", "here.json:2:5"),
        ("[" * 100_000, "json", "here.json:1:1"),
    ],
)
def test_a_malformed_document_is_reported_with_line_and_column(text, format, place):
    error = faults_of(text, format)
    assert (error.code, error.where) == ("spec-malformed", place)


def test_a_document_nested_without_end_is_malformed():
    assert faults_of("a = " + "[" * 100_000, "toml").code == "spec-malformed"


def test_a_block_or_name_of_another_kind_is_a_fault():
    assert faults_of({"model_name": "m", "virtualenv": []}).details == ("virtualenv: wants a table, not a list",)
    assert faults_of({"model_name": 7, "virtualenv": {"packages": []}}).details == (
        "model_name: wants a string, not a number",
    )


def test_a_document_that_is_not_utf_8_is_malformed():
    for format in ("json", "toml"):
        with pytest.raises(SpecError) as caught:
            parse_specs(b'{"a":\n "\xff"}', origin="x", format=format)
        assert (caught.value.code, caught.value.where) == ("spec-malformed", "x:2:3")


@pytest.mark.parametrize("document", ["1", '"text"', "null"])
def test_a_document_of_another_kind_is_refused(document):
    assert "an object or a list of objects" in str(faults_of(document))


def test_files_are_read_by_their_suffix(tmp_path):
    (tmp_path / "a.toml").write_text('model_name = "a"\n[virtualenv]\npackages = []\n')
    (tmp_path / "b.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(block()).encode())
    assert load_specs(tmp_path / "a.toml")[0].name == "a"
    (spec,) = load_specs(str(tmp_path / "b.json"))
    assert (spec.name, spec.origin) == ("m", str(tmp_path / "b.json"))
    with pytest.raises(SpecError) as caught:
        load_specs(tmp_path / "none.json")
    assert (caught.value.code, caught.value.exit_code) == ("spec-not-found", 2)
    with pytest.raises(SpecError) as caught:
        load_specs(tmp_path)
    assert caught.value.code == "spec-unreadable"


@pytest.mark.parametrize("name", ["qwen2.5", "Chat_1", "模型-7B", "a b", "x" * 200, "a..b"])
def test_good_model_names(name):
    check_model_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../../x",
        "a/b",
        "a\\b",
        ".",
        "..",
        ".hidden",
        "-x",
        " a",
        "a ",
        "a\nb",
        "a\x00b",
        "a\u2028b",
        "x" * 201,
        "模" * 67,
        "\ud800",
    ],
)
def test_bad_model_names(name):
    with pytest.raises(SpecError) as caught:
        check_model_name(name)
    assert caught.value.code == "model-name"
    with pytest.raises(SpecError):
        ModelSpec(name, ())
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "fields",
    [
        {"packages": ("-x",)},
        {"packages": (), "index_url": "x"},
        {"packages": (), "extra_index_urls": ("x",)},
        {"packages": (), "find_links": ("-x",)},
        {"packages": (), "trusted_hosts": ("-x",)},
        {"packages": (), "index_strategy": "x"},
    ],
)
def test_an_invalid_spec_cannot_be_made(fields):
    with pytest.raises(SpecError):
        ModelSpec("m", **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"constraints": ("a b",)},
        {"excludes": ("a>1",)},
        {"excludes": (":all:",)},
        {"sources": (("a", "x"),)},
        {"torch_backend": "gpu"},
        {"exclude_newer": " "},
    ],
)
def test_invalid_levers_cannot_be_made(fields):
    with pytest.raises(SpecError):
        Levers(**fields)


def test_levers_merge_without_repeats_and_the_other_wins():
    ours = Levers(constraints=("a<2", "b"), sources=(("t", "https://x.example"),), exclude_newer="2026-01-01")
    theirs = Levers(
        constraints=("b", "c"), sources=(("T", "https://y.example"), ("u", "https://z.example")), torch_backend="cpu"
    )
    assert ours.merged(theirs) == Levers(
        constraints=("a<2", "b", "c"),
        sources=(("t", "https://y.example"), ("u", "https://z.example")),
        exclude_newer="2026-01-01",
        torch_backend="cpu",
    )
    assert ours.merged(Levers()) == ours


def test_applied_levers_have_no_markers_left(world):
    levers = Levers(
        constraints=("Numpy<2 ; has_cuda", "a<2"),
        excludes=("Onnx_Runtime ; has_cuda",),
        verify=('x ; #engine# == "vllm"',),
        only_binary=(":all: ; not has_cuda",),
    )
    assert levers.applied(world.gpu().context("vllm")) == Levers(
        constraints=("numpy<2", "a<2"), excludes=("onnx-runtime",), verify=("x",)
    )
    assert levers.applied(world.context()) == Levers(constraints=("a<2",), only_binary=(":all:",))


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("tool @ file:wheels/tool-1.0-py3-none-any.whl", "tool @ file://{folder}/wheels/tool-1.0-py3-none-any.whl"),
        ("tool[x] @ ./a b/../tree", None),
        ("tool[x] @ ../tree ; os_name == 'posix'", "tool[x] @ file://{parent}/tree ; os_name == 'posix'"),
        ("tool @ ~/tree#subdirectory=x", "tool @ file://{home}/tree#subdirectory=x"),
        ("tool @ file:~/a%20b", "tool @ file://{home}/a%20b"),
        ("tool @ /abs/tree", "tool @ file:///abs/tree"),
        ("tool @ file:///abs/tree", "tool @ file:///abs/tree"),
        ("file:tool-1.0-py3-none-any.whl", "file://{folder}/tool-1.0-py3-none-any.whl"),
        ("tool @ https://files.example/./tool.whl", "tool @ https://files.example/./tool.whl"),
        ("tool>=1 ; os_name == './x'", "tool>=1 ; os_name == './x'"),
    ],
)
def test_paths_are_relative_to_the_file(tmp_path, monkeypatch, line, meant):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = tmp_path / "specs"
    folder.mkdir()
    document = {
        "model_name": "m",
        "virtualenv": {"packages": [line], "find_links": ["./w", "~/w", "/w", "https://w.example"]},
    }
    (folder / "m.json").write_text(json.dumps(document))
    monkeypatch.chdir(tmp_path)
    if meant is None:
        with pytest.raises(SpecError):
            load_specs("specs/m.json")
        return
    (spec,) = load_specs("specs/m.json")
    assert spec.packages == (meant.format(folder=folder, parent=tmp_path, home=tmp_path / "home"),)
    assert spec.find_links == (f"{folder}/w", f"{tmp_path}/home/w", "/w", "https://w.example")
