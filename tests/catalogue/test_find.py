"""The choice of one model by its name, and the list of all that can be chosen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.catalogue.hosts import get_catalogue
from tests.catalogue.shelves import put, spec
from venvkit.catalogue.find import Asked, all_models, choose, find_model, near_names
from venvkit.catalogue.folders import Folders
from venvkit.catalogue.places import local_places
from venvkit.catalogue.values import Kind, Listing, Model, Place
from venvkit.errors import SpecError
from venvkit.spec.language.compare import engine_key
from venvkit.spec.model import ModelSpec

PLACE = Place("host", "/host")


def variant(number: int, block: str, engine: str = "", format: str = "", **fields: object) -> Model:
    facts = {"type": "audio", "quantization": "", "formats": (), **fields}
    return Model(
        "m", place=PLACE, path="/host/m.json", variant=number, engine=engine, format=format, block=block, **facts
    )  # type: ignore[arg-type]


TWO_ENGINES = [variant(1, "a", "PyTorch", "pytorch"), variant(2, "b", "MLX", "mlx")]
FOUR_ENGINES = [
    variant(1, "a", "diffusers", "diffusers"),
    variant(2, "b", "MLX", "mlx"),
    variant(3, "c", "vLLM", "diffusers"),
    variant(4, "d", "SGLang", "diffusers"),
]
QUANTIZED = [variant(1, "a", quantization="none"), *(variant(n, "b", quantization=f"{n}-bit") for n in (2, 3, 4))]
FORMATS = [variant(1, "a", formats=("pytorch", "gptq")), variant(2, "b", formats=("ggufv2",))]
EQUAL = [variant(1, "a", "PyTorch"), variant(2, "a", "MLX"), variant(3, "a", quantization="4-bit")]
ONE_ALONE = [variant(1, "a")]


# The choice among the variants of one place


@pytest.mark.parametrize(
    ("models", "asked", "number"),
    [
        (ONE_ALONE, {}, 1),
        (ONE_ALONE, {"engine": "vllm", "format": "awq", "variant": 1}, 1),
        (EQUAL, {}, 1),
        (EQUAL, {"engine": "mlx"}, 2),
        (EQUAL, {"variant": 3}, 3),
        (TWO_ENGINES, {"engine": "mlx"}, 2),
        (TWO_ENGINES, {"elsewhere": frozenset(("mlx",))}, 1),
        (TWO_ENGINES, {"elsewhere": frozenset(("mlx",)), "variant": 2}, 2),
        (TWO_ENGINES, {"elsewhere": frozenset(("mlx",)), "engine": "MLX"}, 2),
        (TWO_ENGINES[1:], {"elsewhere": frozenset(("mlx",))}, 2),
        (TWO_ENGINES, {"engine": "PYTORCH"}, 1),
        (TWO_ENGINES, {"format": "MLX"}, 2),
        (TWO_ENGINES, {"engine": "transformers", "format": "pytorch"}, 1),
        (TWO_ENGINES, {"variant": 1, "engine": "mlx"}, 1),
        (FOUR_ENGINES, {"engine": "sglang"}, 4),
        (FOUR_ENGINES, {"engine": "vllm", "format": "mlx"}, 3),
        (FOUR_ENGINES, {"format": "mlx"}, 2),
        (QUANTIZED, {"variant": 3}, 3),
        (QUANTIZED[1:], {}, 2),
        (FORMATS, {"format": "GPTQ"}, 1),
        (FORMATS, {"format": "ggufv2"}, 2),
        ([variant(1, "a", "llama_cpp"), variant(2, "b")], {"engine": "llama.cpp"}, 1),
    ],
)
def test_the_variant_that_is_meant_is_chosen(models: list[Model], asked: dict[str, object], number: int) -> None:
    assert choose(Asked("m", **asked), models).variant == number  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("models", "asked", "listed", "options"),
    [
        (TWO_ENGINES, {}, (1, 2), "--variant N or --engine or --model-format"),
        (TWO_ENGINES, {"engine": "transformers"}, (1, 2), "--variant N or --engine or --model-format"),
        (FOUR_ENGINES, {"format": "diffusers"}, (1, 3, 4), "--variant N or --engine"),
        (FOUR_ENGINES, {"format": "awq"}, (1, 2, 3, 4), "--variant N or --engine or --model-format"),
        (QUANTIZED, {"engine": "vllm"}, (1, 2, 3, 4), "--variant N"),
        ([variant(1, ""), variant(2, "", index=1, single=False)], {}, (1, 2), "--variant N"),
    ],
)
def test_variants_that_ask_for_different_things_are_an_error_that_lists_them(
    models: list[Model], asked: dict[str, object], listed: tuple[int, ...], options: str
) -> None:
    with pytest.raises(SpecError) as caught:
        choose(Asked("m", **asked), models)  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.exit_code, caught.value.where) == ("model-ambiguous", 2, "/host/m.json")
    assert [line.partition(":")[0] for line in caught.value.details] == [f"variant {number}" for number in listed]
    assert caught.value.remedy == f"choose one with {options}"


def test_what_tells_variants_apart_is_said() -> None:
    models = [variant(1, "a", "MLX", "mlx", quantization="8-bit"), variant(2, "b")]
    with pytest.raises(SpecError) as caught:
        choose(Asked("m"), models)
    assert caught.value.details == (
        "variant 1: engine `MLX`, format `mlx`, quantization `8-bit`",
        "variant 2: /host/m.json",
    )


@pytest.mark.parametrize(
    ("models", "remedy"),
    [(TWO_ENGINES, "choose one from 1 to 2"), (ONE_ALONE, "it has only one: leave --variant away")],
)
@pytest.mark.parametrize("number", [0, -1, 3])
def test_a_variant_that_is_not_there_is_an_error(models: list[Model], remedy: str, number: int) -> None:
    with pytest.raises(SpecError) as caught:
        choose(Asked("m", variant=number), models)
    assert (caught.value.code, caught.value.remedy) == ("variant-unknown", remedy)


TYPES = [variant(1, "a", type="llm"), variant(1, "a", type="audio"), variant(1, "a", type="")]


@pytest.mark.parametrize(("type", "chosen"), [("llm", "llm"), ("LLM", "llm"), ("audio", "audio"), ("video", "")])
def test_one_type_is_chosen_and_a_spec_that_says_none_stands_back(type: str, chosen: str) -> None:
    models = [model for model in TYPES if model.is_of(type)]
    assert choose(Asked("m", type=type), models).type == chosen


def test_several_types_are_an_error_that_lists_them() -> None:
    with pytest.raises(SpecError) as caught:
        choose(Asked("m", variant=1), TYPES)
    assert (caught.value.code, caught.value.remedy) == ("model-ambiguous", "choose one with --type audio or --type llm")
    assert [line.partition(":")[0] for line in caught.value.details] == ["llm", "audio", "without a type"]


def test_types_that_differ_in_case_alone_are_one() -> None:
    models = [variant(1, "a", type="LLM"), variant(2, "b", type="llm", engine="vllm")]
    for type in (None, "llm", "LLM"):
        assert choose(Asked("m", type=type, engine="vllm"), models).variant == 2
        assert choose(Asked("m", type=type, variant=1), models).type == "LLM"
    with pytest.raises(SpecError) as caught:
        choose(Asked("m"), [*models, variant(1, "c", type="audio")])
    assert caught.value.remedy == "choose one with --type audio or --type llm"


def test_a_format_that_no_variant_has_is_told_with_those_of_all() -> None:
    models = [variant(1, "a", formats=("pytorch",)), variant(2, "a", formats=("awq", "pytorch"))]
    assert choose(Asked("m", format="AWQ"), models).variant == 2
    assert choose(Asked("m"), models).variant == 1
    with pytest.raises(SpecError) as caught:
        choose(Asked("m", format="gptq"), models)
    assert (caught.value.code, caught.value.exit_code, caught.value.where) == ("format-unknown", 2, "model_format")
    assert caught.value.remedy == "it comes in pytorch, awq"


_ENGINES = ["", "MLX", "mlx", "vLLM", "llama.cpp", "llama_cpp"]
_FORMATS = ["", "mlx", "pytorch", "MLX"]
_SHAPES = st.tuples(st.sampled_from(["", "a", "b"]), st.sampled_from(_ENGINES), st.sampled_from(_FORMATS))


@given(
    shapes=st.lists(_SHAPES, min_size=1, max_size=5),
    engine=st.none() | st.sampled_from(_ENGINES),
    format=st.none() | st.sampled_from(_FORMATS),
    number=st.none() | st.integers(0, 6),
)
def test_a_choice_is_never_a_guess(
    shapes: list[tuple[str, str, str]], engine: str | None, format: str | None, number: int | None
) -> None:
    models = [variant(n, *shape, index=n - 1, single=False) for n, shape in enumerate(shapes, 1)]
    asked = Asked("m", variant=number, engine=engine, format=format)
    try:
        chosen = choose(asked, models)
    except SpecError as error:
        if number is not None:
            assert error.code == "variant-unknown"
            assert number not in range(1, len(models) + 1)
            return
        assert error.code == "model-ambiguous"
        listed = [int(line.removeprefix("variant ").partition(":")[0]) for line in error.details]
        assert len(listed) > 1
        # Whatever is listed can be had by its number, and no two that are listed would do as one.
        assert [choose(Asked("m", variant=n), models).variant for n in listed] == listed
        assert len({models[n - 1].block or n for n in listed}) > 1
        return
    assert chosen in models
    if number is not None:
        assert chosen.variant == number
        return
    # Any variant that answers the call as well wants the same packages.
    same = [model for model in models if (model.engine, model.format) == (chosen.engine, chosen.format)]
    assert all(model is chosen or (model.block and model.block == chosen.block) for model in same)
    if engine and any(engine_key(model.engine) == engine_key(engine) for model in models):
        assert engine_key(chosen.engine) == engine_key(engine)


# Which place


def folders(root: Path, *kinds: Kind) -> Folders:
    return Folders([Place(kind, str(root / kind)) for kind in kinds], cache_dir=None)


class Remote:
    """A server's answers."""

    def __init__(self, *models: Model) -> None:
        self.models = models

    def named(self, name: str, *, type: str | None = None) -> Listing:
        found = tuple(model for model in self.models if model.name == name and model.is_of(type))
        return Listing(found, looked=(Place("server", "http://me:secret@server:1"),))

    def all(self) -> Listing:
        return Listing(self.models)

    def load(self, model: Model) -> ModelSpec:
        return ModelSpec(model.name, ("from-the-server",), type=model.type, origin=model.origin)


def remote(name: str, type: str) -> Model:
    return Model(name, type, Place("server", "http://server:1"), f"http://server:1/{type}/{name}")


def test_a_model_is_taken_from_the_first_source_that_has_it(tmp_path: Path) -> None:
    file = put(tmp_path / "custom/llm/m.json", spec("m", "local"))
    sources = (folders(tmp_path, "custom"), Remote(remote("m", "llm"), remote("n", "llm"), remote("m", "audio")))
    found = find_model(Asked("m"), sources)
    assert (found.spec.packages, found.spec.origin, found.model.place.kind) == (("local",), str(file), "custom")
    watched = [watch[1] for watch in found.watches]
    assert str(file) in watched
    other = find_model(Asked("n"), sources)
    assert (other.spec.packages, other.spec.origin) == (("from-the-server",), "http://server:1/llm/n")
    assert set(watched) == {watch[1] for watch in other.watches}
    assert find_model(Asked("m", type="audio"), sources).model.place.kind == "server"


def test_types_of_a_name_are_ambiguous_within_one_place_alone(tmp_path: Path) -> None:
    put(tmp_path / "custom/llm/m.json", spec("m", "a"))
    put(tmp_path / "host/audio/m.json", spec("m", "b"))
    put(tmp_path / "host/image/m.json", spec("m", "b"))
    source = folders(tmp_path, "custom", "host")
    assert find_model(Asked("m"), (source,)).model.type == "llm"
    assert find_model(Asked("m", type="image"), (source,)).model.type == "image"
    (tmp_path / "custom/llm/m.json").unlink()
    with pytest.raises(SpecError) as caught:
        find_model(Asked("m"), (source,))
    assert caught.value.remedy == "choose one with --type audio or --type image"


# Not found


def unknown(tmp_path: Path, name: str, **asked: object) -> SpecError:
    sources = (folders(tmp_path, "specs", "custom"), Remote(remote("whisper", "audio")))
    with pytest.raises(SpecError) as caught:
        find_model(Asked(name, **asked), sources)  # type: ignore[arg-type]
    return caught.value


def test_an_unknown_name_says_where_it_was_looked_for_and_what_could_not_be_read(tmp_path: Path) -> None:
    put(tmp_path / "specs/broken.json", 7)
    error = unknown(tmp_path, "nothing-like-it")
    assert (error.code, error.exit_code) == ("model-unknown", 2)
    assert error.message == "no model named `nothing-like-it` is known"
    assert error.details == (
        f"looked in the specs given: {tmp_path}/specs",
        f"looked in custom models: {tmp_path}/custom",
        "looked in the server: http://****@server:1",
        f"could not be read: {tmp_path}/specs/broken.json: a model spec is an object, not a number",
    )
    assert "--specs" in error.remedy


def test_a_near_miss_suggests_names_of_all_sources(tmp_path: Path) -> None:
    put(tmp_path / "custom/audio/m.json", spec("Whisper-2", "a"))
    assert unknown(tmp_path, "wisper").remedy == "did you mean whisper or Whisper-2?"
    assert unknown(tmp_path, "Whisper_2").remedy == "did you mean Whisper-2 or whisper?"


def test_a_name_in_other_characters_that_look_the_same_is_told(tmp_path: Path) -> None:
    put(tmp_path / "custom/audio/m.json", spec("cafe\N{COMBINING ACUTE ACCENT}", "a"))
    assert (
        "written with other characters that look the same"
        in unknown(tmp_path, "caf\N{LATIN SMALL LETTER E WITH ACUTE}").remedy
    )
    assert (
        unknown(tmp_path, "Caf\N{LATIN SMALL LETTER E WITH ACUTE}").remedy
        == "did you mean cafe\N{COMBINING ACUTE ACCENT}?"
    )


def test_a_model_of_another_type_is_pointed_to(tmp_path: Path) -> None:
    error = unknown(tmp_path, "whisper", type="llm")
    assert error.message == "no model named `whisper` of the type `llm` is known"
    assert error.remedy == "it is there as audio: choose that with --type, or leave --type away"


def test_a_model_without_a_block_is_named_with_its_place(tmp_path: Path) -> None:
    file = put(tmp_path / "custom/llm/m.json", {"model_name": "m", "virtualenv": None})
    error = unknown(tmp_path, "m")
    assert (error.code, error.where) == ("model-without-block", str(file))
    assert "`m` has no `virtualenv` block" in error.message


def test_a_model_without_a_block_hides_none_behind_it(tmp_path: Path) -> None:
    put(tmp_path / "specs/m.json", {"model_name": "m"})
    put(tmp_path / "custom/llm/m.json", spec("m", "a"))
    assert find_model(Asked("m"), (folders(tmp_path, "specs", "custom"),)).model.place.kind == "custom"


CATALOGUE = ["bge-m3", "bge-m4", "BGE-M3", "bge.m-3", "qwen2.5-instruct", "qwen3", "whisper-large-v3", "a", "b"]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("bge_m3", ("bge-m3", "BGE-M3", "bge.m-3", "bge-m4")),
        ("BGEM3", ("bge-m3", "BGE-M3", "bge.m-3", "bge-m4")),
        ("qwen-2.5 instruct", ("qwen2.5-instruct",)),
        ("qwen4", ("qwen3",)),
        ("whisper-large-v2", ("whisper-large-v3",)),
        ("zzzzzz", ()),
        ("", ()),
    ],
)
def test_near_names(name: str, near: tuple[str, ...]) -> None:
    assert near_names(name, CATALOGUE) == near


@given(st.lists(st.text(max_size=8), max_size=20), st.text(max_size=8))
def test_near_names_are_few_and_of_those_given(names: list[str], name: str) -> None:
    near = near_names(name, names)
    assert len(near) <= 5
    assert len(set(near)) == len(near)
    assert set(near) <= set(names)


# The list


def test_a_model_hides_those_of_its_name_and_type_in_later_places(tmp_path: Path) -> None:
    put(tmp_path / "custom/llm/m.json", spec("m", "a"))
    put(tmp_path / "host/llm/m.json", spec("m", "b"), spec("m", "c"), spec("n", "d"), spec("n", "e"))
    put(tmp_path / "host/audio/m.json", spec("m", "f"))
    put(tmp_path / "host/image/broken.json", "[")
    (tmp_path / "host/image/worse.json").write_text("{", encoding="utf-8")
    sources = (folders(tmp_path, "custom", "host"), Remote(remote("n", "llm"), remote("o", "audio")))

    def listed(**asked: str) -> list[tuple[str, str, str, int]]:
        models = all_models(sources, **asked).models
        return [(model.place.kind, model.type, model.name, model.variant) for model in models]

    assert listed() == [
        ("custom", "llm", "m", 1),
        ("host", "audio", "m", 1),
        ("host", "llm", "n", 1),
        ("host", "llm", "n", 2),
        ("server", "audio", "o", 1),
    ]
    assert listed(type="AUDIO") == [("host", "audio", "m", 1), ("server", "audio", "o", 1)]
    assert listed(name="m") == [("custom", "llm", "m", 1), ("host", "audio", "m", 1)]
    assert listed(name="n", type="audio") == []
    (fault,) = all_models(sources).faults
    assert fault.startswith(f"{tmp_path}/host/image/worse.json: the JSON is malformed")


def test_a_model_hides_those_of_a_type_that_differs_in_case_alone(tmp_path: Path) -> None:
    put(tmp_path / "specs/m.json", spec("m", "a", model_type="LLM"), spec("m", "b", model_type="llm"))
    put(tmp_path / "custom/llm/m.json", spec("m", "c"))
    models = all_models((folders(tmp_path, "specs", "custom"),)).models
    assert [(model.place.kind, model.type, model.variant) for model in models] == [
        ("specs", "LLM", 1),
        ("specs", "llm", 2),
    ]


def test_what_is_listed_can_be_found(tmp_path: Path) -> None:
    put(tmp_path / "custom/llm/m.json", spec("m", "a"), spec("m", "b"))
    put(tmp_path / "host/llm/m.json", spec("m", "c"), spec("n", "d"))
    sources = (folders(tmp_path, "custom", "host"),)
    for model in all_models(sources).models:
        found = find_model(Asked(model.name, type=model.type, variant=model.variant), sources)
        assert found.model == model


# The real catalogue

_MEASURE = """
import sys, time
from pathlib import Path
from venvkit.catalogue.find import Asked, all_models, find_model
from venvkit.catalogue.folders import Folders
from venvkit.catalogue.places import local_places
import venvkit.spec.model
started = time.perf_counter()
places = local_places(specs=(), home=sys.argv[2], site_dirs=[sys.argv[1]])
sources = (Folders(places, cache_dir=Path(sys.argv[3])),)
if sys.argv[4:]:
    find_model(Asked(sys.argv[4]), sources)
else:
    all_models(sources)
print(time.perf_counter() - started)
"""


def _seconds(*arguments: str) -> float:
    command = [sys.executable, "-c", _MEASURE, *arguments]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.fixture(scope="module")
def site_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site directory whose `xinference` is the unpacked wheel (VENVKIT_CATALOGUE names one that is there already)."""
    site_dir = tmp_path_factory.mktemp("site")
    (site_dir / "xinference").symlink_to(get_catalogue(os.environ.get("VENVKIT_CATALOGUE")) / "xinference")
    return site_dir


@pytest.mark.network
def test_every_model_of_the_catalogue_loads_by_its_name(site_dir: Path, tmp_path: Path) -> None:
    host = local_places(specs=(), home=str(tmp_path), site_dirs=[str(site_dir)])[:-1]
    sources = (Folders(host, cache_dir=tmp_path / "cache"),)
    listing = all_models(sources)
    assert listing.faults == ()
    assert len(listing.models) == 434
    assert len({(model.type, model.name) for model in listing.models}) == 385
    for model in listing.models:
        found = find_model(Asked(model.name, type=model.type, variant=model.variant), sources)
        objects = json.loads(Path(model.path).read_bytes())
        table = objects[model.index] if isinstance(objects, list) else objects
        assert found.spec.name == model.name
        assert found.spec.type == Path(model.path).relative_to(site_dir / "xinference" / "model").parts[0]
        assert list(found.spec.packages) == table["virtualenv"]["packages"]
        assert len(found.watches) <= 15


@pytest.mark.network
def test_the_engine_of_the_launch_tells_most_variants_apart(site_dir: Path, tmp_path: Path) -> None:
    sources = (Folders([Place("host", str(site_dir / "xinference/model"))], cache_dir=tmp_path / "cache"),)
    models = all_models(sources).models
    counts = Counter((model.type, model.name) for model in models)
    several = [model for model in models if counts[model.type, model.name] > 1]
    assert len({(model.type, model.name) for model in several}) == 34
    left = []
    for model in several:
        try:
            found = find_model(Asked(model.name, engine=model.engine or None), sources)
            assert engine_key(found.model.engine) == engine_key(model.engine)
        except SpecError as error:
            assert error.code == "model-ambiguous"
            left.append(model.name)
    assert set(left) == {"Irodori-TTS-v4.1-Anime", "Irodori-TTS-v4.1-Small"}


@pytest.mark.network
def test_listing_takes_less_than_a_second_and_one_model_less_than_a_tenth(site_dir: Path, tmp_path: Path) -> None:
    given = (str(site_dir), str(tmp_path / "home"), str(tmp_path / "cache"))
    cold = _seconds(*given)
    listing = sorted(_seconds(*given) for _ in range(5))[2]
    named = {name: sorted(_seconds(*given, name) for _ in range(5))[2] for name in ("bge-m3", "qwen3.5", "hello")}
    print(f"\nlisting, cold {cold * 1000:.1f} ms, again {listing * 1000:.1f} ms")
    print("one by its name: " + ", ".join(f"{name} {took * 1000:.1f} ms" for name, took in named.items()))
    assert cold < 1
    assert max(named.values()) < 0.1
