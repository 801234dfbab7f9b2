"""Folders as a source of models: what they offer, what a launch must watch, and what is kept."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.catalogue.shelves import age, put, spec
from venvkit.base.watch import changed
from venvkit.catalogue.folders import Folders
from venvkit.catalogue.values import Kind, Listing, Place
from venvkit.errors import SpecError


def folders(root: Path, *kinds: Kind, cache: Path | None = None) -> Folders:
    """Return the places below `root`, one folder for each kind."""
    return Folders([Place(kind, str(root / kind)) for kind in kinds], cache_dir=cache)


def names(listing: Listing) -> list[str]:
    return [model.name for model in listing.models]


# What is offered


@pytest.mark.parametrize(
    ("kind", "path", "own", "type"),
    [
        ("specs", "m.json", "audio", "audio"),
        ("specs", "deep/er/m.json", None, ""),
        ("specs", "m.json", ["llm"], ""),
        ("own", "m.json", "audio", "audio"),
        ("custom", "llm/m.json", None, "llm"),
        ("custom", "llm/m.json", "audio", "llm"),
        ("builtin", "image/m.json", None, "image"),
        ("host", "rerank/models/m.json", None, "rerank"),
        ("host", "new-type/a/b/m.json", None, "new-type"),
    ],
)
def test_the_type_is_that_of_the_folder_else_of_the_spec(
    tmp_path: Path, kind: Kind, path: str, own: object, type: str
) -> None:
    file = put(tmp_path / kind / path, spec("m", "a", model_type=own))
    source = folders(tmp_path, kind)
    (model,) = source.all().models
    assert (model.name, model.type, model.path, model.place) == (
        "m",
        type,
        str(file),
        Place(kind, str(tmp_path / kind)),
    )
    assert source.load(model).type == type


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("specs", ".hidden.json"),
        ("specs", ".git/m.json"),
        ("specs", "m.yaml"),
        ("specs", "__pycache__/m.json"),
        ("custom", "m.json"),
        ("custom", "llm/.m.json"),
        ("custom", "llm/m.json.lock"),
        ("custom", "llm/deeper/m.json"),
        ("custom", "builtin/llm/m.json"),
        ("custom", "builtin/m.json"),
        ("builtin", "llm/deeper/m.json"),
        ("host", "m.json"),
        ("host", "llm/models/m.toml"),
    ],
)
def test_what_is_not_a_spec_by_its_place_is_passed_over(tmp_path: Path, kind: Kind, path: str) -> None:
    put(tmp_path / kind / path, spec("m", "a"))
    listing = folders(tmp_path, kind).all()
    assert (listing.models, listing.faults) == ((), ())


def test_the_first_place_wins_and_none_behind_it_is_looked_at(tmp_path: Path) -> None:
    kinds: tuple[Kind, ...] = ("specs", "custom", "builtin", "host", "own")
    files = [
        put(tmp_path / kind / ("m.json" if kind in ("specs", "own") else "llm/m.json"), spec("m", kind))
        for kind in kinds
    ]
    for kind, file in zip(kinds, files, strict=True):
        source = folders(tmp_path, *kinds)
        listing = source.named("m")
        (model,) = listing.models
        assert (model.place.kind, source.load(model).packages) == (kind, (kind,))
        assert [place.kind for place in listing.looked] == list(kinds[: kinds.index(kind) + 1])
        file.unlink()
    assert folders(tmp_path, *kinds).named("m").models == ()


def test_a_place_without_the_type_asked_for_does_not_win(tmp_path: Path) -> None:
    put(tmp_path / "custom/llm/m.json", spec("m", "a"))
    put(tmp_path / "host/audio/m.json", spec("m", "b"))
    source = folders(tmp_path, "custom", "host")
    assert [model.type for model in source.named("m", type="Audio").models] == ["audio"]
    assert [model.type for model in source.named("m").models] == ["llm"]


def test_names_are_those_of_the_exact_spelling(tmp_path: Path) -> None:
    put(tmp_path / "custom/llm/all.json", spec("Name", "a"), spec("name", "a"), spec("name-2", "a"))
    assert names(folders(tmp_path, "custom").named("name")) == ["name"]


def test_variants_are_counted_by_name_and_type_over_all_files_of_the_place(tmp_path: Path) -> None:
    put(tmp_path / "custom/audio/a.json", spec("m", "a", engine="MLX"), spec("n", "a"), spec("m", "b"))
    put(tmp_path / "custom/audio/b.json", spec("m", "c", quantization="4-bit", model_format="mlx"))
    put(tmp_path / "custom/llm/a.json", spec("m", "d", model_specs=[{"model_format": "awq"}, {"model_format": "gptq"}]))
    models = folders(tmp_path, "custom").named("m").models
    assert [(model.type, model.variant, model.index, Path(model.path).name) for model in models] == [
        ("audio", 1, 0, "a.json"),
        ("audio", 2, 2, "a.json"),
        ("audio", 3, 0, "b.json"),
        ("llm", 1, 0, "a.json"),
    ]
    assert [model.origin.removeprefix(str(tmp_path)) for model in models] == [
        "/custom/audio/a.json[0]",
        "/custom/audio/a.json[2]",
        "/custom/audio/b.json",
        "/custom/llm/a.json",
    ]
    assert (models[0].engine, models[2].quantization, models[2].format) == ("MLX", "4-bit", "mlx")
    assert models[3].formats == ("awq", "gptq")


def test_equal_blocks_have_equal_digests_and_unknown_ones_none(tmp_path: Path) -> None:
    block = {"packages": ["a"], "inherit_pip_config": True}
    turned = {"inherit_pip_config": True, "packages": ["a"]}
    put(tmp_path / "specs/m.json", spec("m", virtualenv=block), spec("m", virtualenv=turned), spec("m", "b"))
    dated = 'model_name = "m"\n[virtualenv]\npackages = []\nindex_url = 2026-11-22\n'
    (tmp_path / "specs/n.toml").write_text(dated, encoding="utf-8")
    first, second, third, last = (model.block for model in folders(tmp_path, "specs").named("m").models)
    assert first == second != third
    assert (len(third), last) == (64, "")


@pytest.mark.parametrize("kind", ["specs", "custom", "builtin", "host"])
def test_a_model_without_a_block_is_offered_by_no_place_but_told_of(tmp_path: Path, kind: Kind) -> None:
    bare = {"model_name": "bare"}
    file = put(tmp_path / kind / "llm/models.json", bare, {**bare, "virtualenv": None}, spec("m", "a"))
    source = folders(tmp_path, kind)
    assert (names(source.all()), source.all().faults) == (["m"], ())
    listing = source.named("bare")
    assert (listing.models, listing.bare) == ((), (f"{file}[0]", f"{file}[1]"))


# What cannot be read


def _write(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


_FAULTY: list[tuple[Callable[[Path], object], str]] = [
    (_write(b"{"), "the JSON is malformed at line 1"),
    (_write(b""), "the JSON is malformed at line 1"),
    (_write(b"<html>"), "the JSON is malformed"),
    (_write(b'{"model_name": "\xff"}'), "it is not UTF-8"),
    (_write(b"[" * 100_000), "the JSON is malformed"),
    (_write(b"7"), "a model spec is an object, not a number"),
    (_write(b"null"), "a model spec is an object, not null"),
    (
        _write(b'[{"virtualenv": {"packages": []}, "model_name": "ok"}, "x"]'),
        "[1]: a model spec is an object, not a str",
    ),
    (_write(b'{"virtualenv": {"packages": []}}'), "model_name is missing"),
    (_write(b'{"virtualenv": {"packages": []}, "model_name": 7}'), "model_name is missing"),
    (lambda path: path.symlink_to("nowhere"), "is no file, or a link that leads to none"),
    (lambda path: path.symlink_to(path), "is no file, or a link that leads to none"),
    (lambda path: os.mkfifo(path), "is no file, or a link that leads to none"),
]


@pytest.mark.parametrize(("make", "what"), _FAULTY)
@pytest.mark.parametrize("kind", ["specs", "custom", "builtin"])
def test_a_file_that_cannot_be_read_is_told_of_and_hides_no_other(
    tmp_path: Path, kind: Kind, make: Callable[[Path], object], what: str
) -> None:
    put(tmp_path / kind / "llm/z.json", spec("z", "a"))
    make(tmp_path / kind / "llm/a.json")
    listing = folders(tmp_path, kind).all()
    assert names(listing)[-1] == "z"
    (fault,) = listing.faults
    assert fault.startswith(f"{tmp_path}/{kind}/llm/a.json")
    assert what in fault


def test_a_list_of_what_is_no_model_is_one_fault(tmp_path: Path) -> None:
    file = put(tmp_path / "custom/llm/a.json", 7, spec("m", "a"), {}, *["x"] * 50_000)
    listing = folders(tmp_path, "custom").all()
    assert names(listing) == ["m"]
    assert listing.faults == (
        f"{file}: 50,002 of its 50,003 objects are no model specs: [0], [2], [3], ...; "
        "the first: a model spec is an object, not a number",
    )
    put(file, spec("m", "a"), {}, 7)
    (fault,) = folders(tmp_path, "custom").all().faults
    assert fault.endswith("2 of its 3 objects are no model specs: [1], [2]; the first: model_name is missing")


@pytest.mark.parametrize("kind", ["specs", "host"])
def test_a_file_that_is_too_large_for_a_spec_is_not_read(tmp_path: Path, kind: Kind) -> None:
    put(tmp_path / kind / "llm/z.json", spec("z", "a"))
    with (tmp_path / kind / "llm/a.json").open("wb") as file:
        file.truncate(32_000_001)
    listing = folders(tmp_path, kind).all()
    assert names(listing) == ["z"]
    assert listing.faults == (
        f"{tmp_path}/{kind}/llm/a.json: 32,000,001 bytes are more than a spec may have (32,000,000)",
    )


def test_what_else_a_package_has_in_json_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "host" / "llm"
    put(folder / "llm.schema.json", {"$schema": "x", "properties": {"virtualenv": {}}})
    put(folder / "config.json", 7)
    put(folder / "list.json", ["a", 1, None])
    put(folder / "unnamed.json", {"virtualenv": {"packages": []}})
    put(folder / "models/m.json", spec("m", "a"))
    listing = folders(tmp_path, "host").all()
    assert (names(listing), listing.faults) == (["m"], ())


def test_a_folder_named_like_a_file_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "custom/llm/m.json").mkdir(parents=True)
    assert folders(tmp_path, "custom").all().faults == ()


def test_a_file_whose_name_is_no_unicode_is_told_of(tmp_path: Path) -> None:
    put(tmp_path / "custom/llm/a.json", spec("a", "b"))
    put(Path(os.fsdecode(os.fsencode(tmp_path) + b"/custom/llm/\xff.json")), spec("m", "a"))
    listing = folders(tmp_path, "custom", cache=tmp_path / "cache").all()
    assert names(listing) == ["a"]
    (fault,) = listing.faults
    assert fault == f"{tmp_path}/custom/llm/\\udcff.json: its name is not UTF-8"


@contextmanager
def _locked_folder() -> Iterator[Path]:
    """A folder of specs that this process may not list: root, who may list all, is somebody else meanwhile."""
    root = Path(tempfile.mkdtemp(dir="/tmp"))
    user = os.geteuid()
    locked = root / "custom" / "audio"
    put(locked / "m.json", spec("m", "a"))
    put(root / "custom/llm/n.json", spec("n", "a"))
    root.chmod(0o755)
    locked.chmod(0)
    try:
        if user == 0:
            os.seteuid(65534)
        yield root
    finally:
        os.seteuid(user)
        locked.chmod(0o700)
        shutil.rmtree(root)


def test_a_folder_that_may_not_be_read_is_told_of_and_hides_no_other() -> None:
    with _locked_folder() as root:
        listing = folders(root, "custom").all()
        assert names(listing) == ["n"]
        assert listing.faults == (f"{root}/custom/audio: cannot be read: Permission denied",)
        nothing = Folders([Place("specs", f"{root}/custom/audio/deeper")], cache_dir=None).all()
        assert (nothing.models, len(nothing.faults)) == ((), 1)


@pytest.mark.parametrize("barred", ["custom/audio", "custom/audio/m.json", "elsewhere"])
def test_what_may_not_be_read_is_read_as_soon_as_it_may(barred: str) -> None:
    with _locked_folder() as root:
        user = os.geteuid()
        os.seteuid(0) if os.getuid() == 0 else None
        (root / "custom/audio").chmod(0o755)
        put(root / "elsewhere/video/o.json", spec("o", "a"))
        (root / "custom/video").symlink_to(root / "elsewhere/video")
        age(root)
        (root / "cache").mkdir()
        (root / "cache").chmod(0o777)
        (root / barred).chmod(0)
        os.seteuid(user)
        missing = "o" if barred == "elsewhere" else "m"
        source = folders(root, "custom", cache=root / "cache")
        assert missing not in names(source.all())
        os.seteuid(0) if os.getuid() == 0 else None
        (root / barred).chmod(0o755)
        os.seteuid(user)
        assert sorted(names(source.all())) == ["m", "n", "o"]


def test_a_link_to_what_comes_later_is_noticed(tmp_path: Path) -> None:
    put(tmp_path / "custom/llm/m.json", spec("m", "a"))
    (tmp_path / "custom/audio").symlink_to(tmp_path / "later")
    age(tmp_path)
    source = folders(tmp_path, "custom", cache=tmp_path / "cache")
    watches = source.named("m").watches
    assert len(_kept(tmp_path / "cache")) == 1
    put(tmp_path / "later/n.json", spec("n", "a"))
    assert changed(watches) is not None
    assert names(source.all()) == ["n", "m"]


def test_a_type_may_be_a_link_to_another(tmp_path: Path) -> None:
    for kind in ("custom", "host"):
        put(tmp_path / kind / "rerank/m.json", spec("m", "a"))
        (tmp_path / kind / "embedding").symlink_to("rerank")
        models = folders(tmp_path, kind).all().models  # type: ignore[arg-type]
        assert [model.type for model in models] == ["embedding", "rerank"]


def test_links_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    put(tmp_path / "specs/deep/m.json", spec("m", "a"))
    (tmp_path / "specs/deep/again").symlink_to(tmp_path / "specs")
    (tmp_path / "specs/self").symlink_to("self")
    assert names(folders(tmp_path, "specs").all()) == ["m"]


def test_a_linked_folder_is_followed(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere/m.json", spec("m", "a"))
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/linked").symlink_to(tmp_path / "elsewhere")
    assert names(folders(tmp_path, "specs").named("m")) == ["m"]


@pytest.mark.parametrize("name", ["a b", "ünï", "x" * 200, "dots..", "..", "a\nb", "-x", "%s{0}", "日本"])
def test_any_name_is_listed_and_only_a_faulty_one_fails_to_load(tmp_path: Path, name: str) -> None:
    put(tmp_path / "custom/llm/m.json", spec(name, "a"))
    source = folders(tmp_path, "custom", cache=tmp_path / "cache")
    (model,) = source.named(name).models
    if name in ("..", "a\nb", "-x"):
        with pytest.raises(SpecError, match="model name"):
            source.load(model)
    else:
        assert source.load(model).name == name


# Loading


def test_one_object_is_loaded_whatever_its_neighbours_are_like(tmp_path: Path) -> None:
    file = put(tmp_path / "builtin/llm/all.json", spec("bad", "a b c", "?"), spec("good", "a>=1"), 7)
    source = folders(tmp_path, "builtin")
    good = source.load(source.named("good").models[0])
    assert (good.name, good.packages, good.type, good.origin) == ("good", ("a>=1",), "llm", f"{file}[1]")
    with pytest.raises(SpecError) as caught:
        source.load(source.named("bad").models[0])
    assert (caught.value.code, caught.value.where) == ("spec-invalid", f"{file}[0]")
    assert [line.partition(":")[0] for line in caught.value.details] == [
        "virtualenv.packages[0]",
        "virtualenv.packages[1]",
    ]


def test_a_toml_file_may_hold_several_models(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    block = '[[model]]\nmodel_name = "{}"\nvirtualenv.packages = ["{}"]\n'
    (tmp_path / "specs/m.toml").write_text(block.format("m", "a") + block.format("n", "b"), encoding="utf-8")
    (tmp_path / "specs/o.toml").write_text('model_name = "o"\n[virtualenv]\npackages = ["c"]\n', encoding="utf-8")
    source = folders(tmp_path, "specs")
    assert [(model.name, source.load(model).packages) for model in source.all().models] == [
        ("m", ("a",)),
        ("n", ("b",)),
        ("o", ("c",)),
    ]


def test_a_model_may_go_by_its_family(tmp_path: Path) -> None:
    put(tmp_path / "host/world/models/m.json", {"model_family": "m", "virtualenv": {"packages": ["a"]}})
    source = folders(tmp_path, "host")
    assert source.load(source.named("m").models[0]).name == "m"


@pytest.mark.parametrize("objects", [(), (spec("n", "a"),), (spec("n", "a"), spec("m", "a"))])
def test_a_model_that_has_gone_since_it_was_listed_is_an_error(tmp_path: Path, objects: tuple[object, ...]) -> None:
    file = put(tmp_path / "custom/llm/m.json", spec("m", "a"))
    source = folders(tmp_path, "custom")
    (model,) = source.named("m").models
    put(file, *objects) if objects else file.unlink()
    with pytest.raises(SpecError) as caught:
        source.load(model)
    assert (caught.value.code, caught.value.where) == ("spec-not-found", str(file))


# What a launch must watch


def _shelf(root: Path) -> Folders:
    """Two custom models, an installed xinference with several types, and an earlier site directory without one."""
    put(root / "custom/llm/c.json", spec("c", "a"))
    put(root / "custom/audio/d.json", spec("d", "a"))
    for type in ("llm", "audio"):
        put(root / f"host/{type}/models/h.json", spec("h", "a"))
        put(root / f"host/{type}/models/i.json", spec("i", "a"))
    put(root / "host/schemas/s.json", {})
    put(root / "own/h.json", spec("h", "a"))
    age(root)
    return Folders(
        [
            Place("custom", str(root / "custom")),
            Place("builtin", str(root / "custom" / "builtin")),
            Place("host", str(root / "earlier/xinference/model")),
            Place("host", str(root / "host")),
            Place("own", str(root / "own")),
        ],
        cache_dir=root / "cache",
    )


def test_a_model_of_the_host_is_watched_by_few(tmp_path: Path) -> None:
    listing = _shelf(tmp_path).named("h", type="llm")
    assert sorted(str(watch[1]).removeprefix(f"{tmp_path}/") for watch in listing.watches) == [
        "custom",
        "custom/audio",
        "custom/audio/d.json",
        "custom/builtin",
        "custom/llm",
        "custom/llm/c.json",
        "earlier/xinference/model",
        "host",
        "host/audio/models",
        "host/llm/models",
        "host/llm/models/h.json",
    ]
    assert changed(listing.watches) is None


def test_a_home_without_models_costs_one_watch(tmp_path: Path) -> None:
    absent = tmp_path / "model" / "v2"
    places = [Place("custom", str(absent)), Place("builtin", str(absent / "builtin"))]
    assert Folders(places, cache_dir=None).named("m").watches == (["stat", str(absent)],)


def _edit(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


_DECISIVE: list[tuple[str, Callable[[Path], object]]] = [
    ("a new custom type", lambda root: (root / "custom/video").mkdir()),
    ("a new custom model", lambda root: put(root / "custom/llm/new.json", spec("h", "z"))),
    ("an edited custom model", lambda root: _edit(root / "custom/llm/c.json")),
    ("a custom model less", lambda root: (root / "custom/llm/c.json").unlink()),
    ("a renamed custom type", lambda root: (root / "custom/llm").rename(root / "custom/image")),
    ("updated built-ins", lambda root: put(root / "custom/builtin/llm/llm_models.json", spec("h", "z"))),
    ("an xinference that is imported first", lambda root: (root / "earlier/xinference/model").mkdir(parents=True)),
    ("the model itself", lambda root: _edit(root / "host/llm/models/h.json")),
    ("another file in the installed catalogue", lambda root: put(root / "host/audio/models/0.json", spec("h", "z"))),
    ("a new type of the installed catalogue", lambda root: (root / "host/video").mkdir()),
    ("an xinference less", lambda root: shutil.rmtree(root / "host")),
]


@pytest.mark.parametrize(("_what", "change"), _DECISIVE, ids=[what for what, _ in _DECISIVE])
def test_what_can_change_the_answer_is_noticed(tmp_path: Path, _what: str, change: Callable[[Path], object]) -> None:
    watches = _shelf(tmp_path).named("h", type="llm").watches
    assert changed(watches) is None
    change(tmp_path)
    assert changed(watches) is not None


def test_what_lies_behind_the_place_that_won_is_not_watched(tmp_path: Path) -> None:
    watches = _shelf(tmp_path).named("c").watches
    shutil.rmtree(tmp_path / "host")
    assert changed(watches) is None


# What is kept


def _kept(cache: Path) -> list[Path]:
    return sorted(cache.glob("*.json"))


def test_a_place_is_read_once_and_then_taken_from_the_cache(tmp_path: Path) -> None:
    put(tmp_path / "custom/llm/m.json", spec("m", "a"))
    age(tmp_path)
    first = folders(tmp_path, "custom", cache=tmp_path / "cache").all()
    (kept,) = _kept(tmp_path / "cache")
    assert folders(tmp_path, "custom", cache=tmp_path / "cache").all() == first
    # What the cache says is believed: so it was not read again.
    kept.write_text(kept.read_text(encoding="utf-8").replace('"name":"m"', '"name":"other"'), encoding="utf-8")
    assert names(folders(tmp_path, "custom", cache=tmp_path / "cache").all()) == ["other"]


@pytest.mark.parametrize(("_what", "change"), _DECISIVE, ids=[what for what, _ in _DECISIVE])
def test_a_kept_place_is_read_again_when_anything_in_it_changed(
    tmp_path: Path, _what: str, change: Callable[[Path], object]
) -> None:
    source = _shelf(tmp_path)
    source.all()
    assert len(_kept(tmp_path / "cache")) == 5
    change(tmp_path)
    uncached = Folders(source.all().looked, cache_dir=None)
    assert source.all() == uncached.all()


def test_a_folder_that_was_just_written_is_not_kept(tmp_path: Path) -> None:
    file = put(tmp_path / "custom/llm/m.json", spec("m", "a"))
    source = folders(tmp_path, "custom", cache=tmp_path / "cache")
    assert names(source.all()) == ["m"]
    assert _kept(tmp_path / "cache") == []
    # Of the same size, and perhaps within the same tick of the clock.
    put(file, spec("n", "a"))
    assert names(source.all()) == ["n"]


@pytest.mark.parametrize("content", [b"", b"{", b"7", b"{}", b'{"models": 0}', b"\xff"])
def test_a_spoilt_cache_is_read_past(tmp_path: Path, content: bytes) -> None:
    put(tmp_path / "custom/llm/m.json", spec("m", "a"))
    age(tmp_path)
    source = folders(tmp_path, "custom", cache=tmp_path / "cache")
    source.all()
    (kept,) = _kept(tmp_path / "cache")
    kept.write_bytes(content)
    assert names(source.all()) == ["m"]
    assert [model["name"] for model in json.loads(kept.read_bytes())["models"]] == ["m"]


def test_an_index_of_another_place_is_not_believed(tmp_path: Path) -> None:
    put(tmp_path / "custom/llm/m.json", spec("m", "a"))
    put(tmp_path / "builtin/llm/n.json", spec("n", "a"))
    age(tmp_path)
    cache = tmp_path / "cache"
    folders(tmp_path, "custom", cache=cache).all()
    (kept,) = _kept(cache)
    stolen = kept.read_bytes()
    folders(tmp_path, "builtin", cache=cache).all()
    (other,) = set(_kept(cache)) - {kept}
    other.write_bytes(stolen)
    assert names(folders(tmp_path, "builtin", cache=cache).all()) == ["n"]


def test_a_cache_that_cannot_be_written_is_gone_without(tmp_path: Path) -> None:
    put(tmp_path / "custom/llm/m.json", spec("m", "a"))
    age(tmp_path)
    (tmp_path / "cache").touch()
    assert names(folders(tmp_path, "custom", cache=tmp_path / "cache").all()) == ["m"]


@pytest.mark.parametrize("kind", ["specs", "custom", "builtin"])
def test_a_users_file_rewritten_with_its_size_and_time_kept_is_noticed(tmp_path: Path, kind: Kind) -> None:
    folder = tmp_path / ("models" if kind == "specs" else "models/llm")
    put(folder / "m.json", spec("m", "tool==1.0"))
    place = Place(kind, str(tmp_path / "models"))
    time.sleep(0.05)
    assert Folders([place], cache_dir=tmp_path / "cache").named("m").models
    path = folder / "m.json"
    before = path.stat()
    path.write_text(path.read_text().replace('"m"', '"n"'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert Folders([place], cache_dir=tmp_path / "cache").named("n").models
