from __future__ import annotations

import json
import re

import pytest

from venvkit.errors import SpecError
from venvkit.spec.data import data_dir
from venvkit.spec.levers import LEVER_FIELDS
from venvkit.spec.model import BLOCK_FIELDS, INDEX_STRATEGIES, check_model_name, load_specs, parse_specs
from venvkit.spec.options import BLOCK
from venvkit.spec.request import Choice, build_request, spec_engines

EXAMPLES = sorted((data_dir() / "models").glob("*.json"))
SCHEMA = json.loads((data_dir() / "spec.schema.json").read_text(encoding="utf-8"))
VALUES = {
    "string": "text",
    "boolean": True,
    "object": {"six": "https://i.example"},
    "array": ["six"],
}


def resolve(schema):
    return SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def agrees(value, schema):
    """Tell whether `value` is valid under the part of JSON schema that ours uses."""
    schema = resolve(schema)
    if "oneOf" in schema:
        return sum(agrees(value, one) for one in schema["oneOf"]) == 1
    if "anyOf" in schema and not any(agrees(value, one) for one in schema["anyOf"]):
        return False
    kinds = {"string": str, "boolean": bool, "object": dict, "array": list}
    if "type" in schema and not isinstance(value, kinds[schema["type"]]):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, str):
        length = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        # JSON schema's `$` is the very end; Python's also stands before a last line break.
        pattern = schema.get("pattern", "").replace("$", r"\Z")
        return length and re.search(pattern, value) is not None
    if isinstance(value, list):
        return all(agrees(entry, schema.get("items", {})) for entry in value)
    if isinstance(value, dict):
        known, more = schema.get("properties", {}), schema.get("additionalProperties", True)
        return set(schema.get("required", ())) <= set(value) and all(
            agrees(entry, known[name])
            if name in known
            else more is not False and agrees(entry, {} if more is True else more)
            for name, entry in value.items()
        )
    return True


def parses(document):
    try:
        return bool(parse_specs(json.dumps(document).encode(), origin="o", format="json"))
    except SpecError:
        return False


def test_there_is_an_example_of_every_kind():
    assert {path.stem for path in EXAMPLES} >= {"hello"}
    types = [spec.type for path in EXAMPLES for spec in load_specs(path)]
    assert sorted(types) == ["LLM", "LLM", "audio", "embedding", "flexible", "image"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_valid_and_makes_a_request_for_each_of_its_engines(path, engines, world):
    document = json.loads(path.read_text(encoding="utf-8"))
    assert agrees(document, SCHEMA)
    (spec,) = load_specs(path)
    assert spec.name == path.stem
    for engine in spec_engines(spec, engines) or (None,):
        request = build_request(
            spec,
            Choice(engine=engine),
            engines=engines,
            context=world.context(),
            host_versions={"torch": "2.13.0+cpu"},
            pip=None,
        )
        assert len(request.requirements) >= 1
        assert request.engine == engine


def test_the_hello_example_needs_no_engine(engines):
    (spec,) = load_specs(data_dir() / "models" / "hello.json")
    assert spec_engines(spec, engines) == ()
    assert spec.packages == ("cowsay>=6", "humanize>=4", "packaging>=23")


def test_the_schema_names_the_fields_that_the_parser_reads():
    block = SCHEMA["$defs"]["virtualenv"]["properties"]
    assert set(block) == set(BLOCK_FIELDS)
    assert set(LEVER_FIELDS) <= set(block)
    assert tuple(block["index_strategy"]["enum"]) == INDEX_STRATEGIES
    assert {option.field: option.meaning for option in BLOCK} == {
        name: field["description"] for name, field in block.items()
    }


@pytest.mark.parametrize("name", [name for name in BLOCK_FIELDS if name != "packages"])
@pytest.mark.parametrize(
    "value",
    [
        7,
        "six",
        "https://i.example",
        ["six"],
        ["https://i.example"],
        {"a": "https://i.example"},
        True,
        "cpu",
        "first-index",
        "2026-01-31",
        "7 days",
        "yesterday",
        "",
        [],
    ],
)
def test_schema_and_parser_agree_on_every_field(name, value):
    document = {"model_name": "m", "virtualenv": {"packages": [], name: value}}
    assert agrees(document, SCHEMA) is parses(document)


@pytest.mark.parametrize(
    "document",
    [
        {"model_name": "m", "virtualenv": {"packages": "torch"}},
        {"model_name": "m", "virtualenv": {"packages": ["-r x"]}},
        {"model_name": "m", "virtualenv": {"packages": [""]}},
        {"model_name": "m", "virtualenv": {}},
        {"model_name": "m", "virtualenv": {"packages": [], "package": []}},
        {"virtualenv": {"packages": []}},
        {"model_family": "m", "virtualenv": {"packages": []}},
        [{"model_name": "m", "virtualenv": {"packages": []}}, {"model_name": "n"}],
        "text",
    ],
)
def test_schema_and_parser_agree_on_whole_documents(document):
    assert agrees(document, SCHEMA) is parses(document)


@pytest.mark.parametrize(
    "name",
    ["qwen2.5", "模型-7B", "a b", "x", "", ".", "..", ".a", "-a", "a/b", "a\\b", " a", "a ", "a\nb", "a\n", "x" * 201],
)
def test_schema_and_parser_agree_on_model_names(name):
    try:
        check_model_name(name)
    except SpecError:
        valid = False
    else:
        valid = True
    assert agrees(name, {"$ref": "#/$defs/model_name"}) is valid
