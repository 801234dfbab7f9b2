"""Where a model is looked for, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from venvkit.catalogue.places import local_places
from venvkit.catalogue.values import Place
from venvkit.errors import UsageError
from venvkit.spec.data import data_dir


def test_the_order_is_specs_home_host_own(tmp_path: Path) -> None:
    folders = [tmp_path / "b", tmp_path / "a"]
    for folder in folders:
        folder.mkdir()
    found = local_places(specs=[str(folder) for folder in folders], home="/home/x", site_dirs=["/site"])
    assert found == (
        Place("specs", str(tmp_path / "b")),
        Place("specs", str(tmp_path / "a")),
        Place("custom", "/home/x/model/v2"),
        Place("builtin", "/home/x/model/v2/builtin"),
        Place("host", "/site/xinference/model"),
        Place("own", str(data_dir() / "models")),
    )


def _site_dirs(tmp_path: Path, *with_server: str) -> list[str]:
    for name in with_server:
        (tmp_path / name / "xinference" / "model").mkdir(parents=True)
    return [str(tmp_path / name) for name in ("first", "second", "third")]


@pytest.mark.parametrize(
    ("with_server", "looked_in"),
    [
        (("first", "third"), ("first",)),
        (("second", "third"), ("first", "second")),
        ((), ("first", "second", "third")),
    ],
)
def test_of_the_host_only_the_xinference_that_it_imports_counts(
    tmp_path: Path, with_server: tuple[str, ...], looked_in: tuple[str, ...]
) -> None:
    places = local_places(specs=(), home="/home/x", site_dirs=_site_dirs(tmp_path, *with_server))
    folders = [place.folder for place in places if place.kind == "host"]
    assert folders == [str(tmp_path / name / "xinference" / "model") for name in looked_in]


def test_a_folder_named_twice_is_one_place(tmp_path: Path) -> None:
    places = local_places(specs=[str(tmp_path)] * 2, home="/home/x", site_dirs=["/site"] * 3)
    assert [place.kind for place in places] == ["specs", "custom", "builtin", "host", "own"]


def test_relative_paths_mean_the_working_directory_of_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "specs").mkdir()
    monkeypatch.chdir(tmp_path)
    given, custom = local_places(specs=["specs/"], home="home", site_dirs=())[:2]
    assert (given.folder, custom.folder) == (str(tmp_path / "specs"), str(tmp_path / "home" / "model" / "v2"))


@pytest.mark.parametrize("name", ["absent", "file.json", "nul\0"])
def test_a_folder_of_specs_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.json").touch()
    with pytest.raises(UsageError) as caught:
        local_places(specs=[str(tmp_path / name)], home="/home/x", site_dirs=())
    assert (caught.value.code, caught.value.where) == ("specs-not-found", str(tmp_path / name))
