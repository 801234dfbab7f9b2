"""The values of the catalogue: places that hold specs, the models in them, and the interface of a source."""

from __future__ import annotations

from typing import Literal, Protocol

from msgspec import Struct

from venvkit.base.mask import mask
from venvkit.base.watch import Watch
from venvkit.spec.model import ModelSpec

Kind = Literal["specs", "custom", "builtin", "host", "own", "server"]
_LABELS: dict[Kind, str] = {
    "specs": "the specs given",
    "custom": "custom models",
    "builtin": "updated built-in models",
    "host": "xinference on the host",
    "own": "venvkit's own models",
    "server": "the server",
}


class Place(Struct, frozen=True):
    """A folder of specs, or a server.

    Args:
        folder: The directory, or the server's URL.
    """

    kind: Kind
    folder: str

    @property
    def label(self) -> str:
        """What sort of place it is, in words."""
        return _LABELS[self.kind]

    @property
    def words(self) -> str:
        """The place as it stands in a message."""
        return f"{self.label}: {mask(self.folder)}"


class Model(Struct, frozen=True):
    """One spec that a place offers, not parsed yet.

    Args:
        type: Its model type, `""` where nothing says it.
        place: Where it is offered.
        path: The file, or the URL, that it is read from.
        index: Its position among the objects of that file, from 0.
        variant: Its number, from 1, among those of its name and type in its place.
        engine: The engine that the object itself names, `""` where it names none.
        format: The model format that the object itself names, likewise.
        formats: The model formats that its `model_specs` name.
        quantization: The quantization that the object itself names, `""` where it names none.
        block: Digest of its `virtualenv` block: variants with equal ones ask for the same. `""` where it is not known.
        single: Whether its file holds no other object.
    """

    name: str
    type: str
    place: Place
    path: str
    index: int = 0
    variant: int = 1
    engine: str = ""
    format: str = ""
    formats: tuple[str, ...] = ()
    quantization: str = ""
    block: str = ""
    single: bool = True

    @property
    def origin(self) -> str:
        """The file or URL, with the position in it where it holds several objects."""
        return self.path if self.single else f"{self.path}[{self.index}]"

    def is_of(self, type: str | None) -> bool:
        """Tell whether it may be of a type, compared without case; one that says none may be of any."""
        return type is None or self.type.lower() in ("", type.lower())


class Listing(Struct, frozen=True):
    """The models of one source, or of all.

    Args:
        models: The models, in the order of their places.
        faults: `path: what is wrong`, for each file that could not be read; the others are listed all the same.
        watches: The directories and files whose change may change the answer; none for a server.
        bare: Where an object of the name asked for has no `virtualenv` block; for messages.
        looked: The places that were looked in; for messages.
    """

    models: tuple[Model, ...] = ()
    faults: tuple[str, ...] = ()
    watches: tuple[Watch, ...] = ()
    bare: tuple[str, ...] = ()
    looked: tuple[Place, ...] = ()


class Source(Protocol):
    """Places that can be asked for models: folders, or a server."""

    def named(self, name: str, *, type: str | None = None) -> Listing:
        """Return the models of one name, in its exact spelling, of one type or of any.

        A source may stop at the first of its places that has one.

        Raises:
            VenvkitError: The source as a whole cannot be read.
        """
        ...

    def all(self) -> Listing:
        """Return all models, in a stable order.

        Raises:
            VenvkitError: The source as a whole cannot be read.
        """
        ...

    def load(self, model: Model) -> ModelSpec:
        """Return the spec of a model that this source has offered, parsed and checked; type and origin are the model's.

        Raises:
            SpecError: It is faulty, or no longer there.
            VenvkitError: The source cannot be read.
        """
        ...
