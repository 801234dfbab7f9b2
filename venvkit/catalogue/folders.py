"""The folders of this machine as a source of models."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from venvkit.base.documents import decode, format_of, read_document
from venvkit.base.watch import Watch
from venvkit.catalogue.index import Index, read_index
from venvkit.catalogue.objects import name_of, objects_in
from venvkit.catalogue.values import Listing, Model, Place
from venvkit.errors import SpecError
from venvkit.spec.language.urls import quoted
from venvkit.spec.model import ModelSpec, parse_object

# Files that an installer puts there: it replaces whole directories, and no one edits a single file in them.
_INSTALLED = ("host", "own")


class Folders(Struct, frozen=True):
    """A source of models: folders, the first one that has a model wins.

    Args:
        cache_dir: Where the indexes of the folders are kept between calls; None keeps nothing.
    """

    places: tuple[Place, ...]
    cache_dir: Path | None

    def named(self, name: str, *, type: str | None = None) -> Listing:
        """Return the models of one name in the first place that has any; the places behind it are not looked at."""
        looked: list[Index] = []
        watches: list[Watch] = []
        models: tuple[Model, ...] = ()
        for place in self.places:
            index = read_index(place, cache_dir=self.cache_dir)
            models = tuple(model for model in index.models if model.name == name and model.is_of(type))
            looked.append(index)
            watches += _decisive(index, models)
            if models:
                break
        bare = tuple(one.where for index in looked for one in index.bare if one.name == name)
        return Listing(models, _faults(looked), _pruned(watches), bare, tuple(index.place for index in looked))

    def all(self) -> Listing:
        """Return all models of all places, those that an earlier place hides too."""
        looked = [read_index(place, cache_dir=self.cache_dir) for place in self.places]
        models = tuple(model for index in looked for model in index.models)
        watches = _pruned(watch for index in looked for watch in index.watches)
        return Listing(models, _faults(looked), watches, looked=self.places)

    def load(self, model: Model) -> ModelSpec:
        """Return the spec of a model that was listed.

        Raises:
            SpecError: It is faulty, or no longer there.
        """
        file = Path(model.path)
        text = read_document(file, code="spec-not-found")
        objects = objects_in(decode(text, origin=model.path, format=format_of(file)))
        table = objects[model.index] if model.index < len(objects) else None
        if not isinstance(table, dict) or name_of(table) != model.name:
            raise SpecError(
                f"the model {quoted(model.name)} is no longer there",
                code="spec-not-found",
                where=model.origin,
                remedy="the file has just been changed; try again",
            )
        return parse_object(table, origin=model.origin, type=model.type, folder=str(file.absolute().parent))


def _faults(indexes: Iterable[Index]) -> tuple[str, ...]:
    return tuple(fault for index in indexes for fault in index.faults)


def _decisive(index: Index, models: tuple[Model, ...]) -> list[Watch]:
    """Return the watches that a launch needs of a place: the warm path spends 5 microseconds on each."""
    if index.place.kind not in _INSTALLED:
        return list(index.watches)
    paths = {index.place.folder, *(model.path for model in models)}
    paths.update(os.path.dirname(model.path) for model in index.models)  # noqa: PTH120 - text, as in the index
    return [watch for watch in index.watches if watch[1] in paths]


def _pruned(watches: Iterable[Watch]) -> tuple[Watch, ...]:
    """Return each watch once, without those below a directory that is absent itself."""
    by_path = {str(watch[1]): watch for watch in watches}
    absent = [f"{path}/" for path, watch in by_path.items() if len(watch) == 2]
    return tuple(watch for path, watch in by_path.items() if not path.startswith(tuple(absent)))
