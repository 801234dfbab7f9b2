"""The choice of one model by its name, and the list of all models."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from venvkit.base.watch import Watch
from venvkit.catalogue.values import Listing, Model, Place, Source
from venvkit.errors import CancelledError, SpecError, VenvkitError
from venvkit.spec.language.compare import engine_key
from venvkit.spec.language.urls import quoted
from venvkit.spec.model import ModelSpec

_NEAR = 5
_SEPARATORS = re.compile(r"[-_. ]+")


class Asked(Struct, frozen=True):
    """The caller's description of the model to launch.

    Args:
        type: Its model type, compared without case.
        variant: Its number among those of its name and type, from 1.
        engine: The engine of the launch: a variant that is made for it is preferred.
        format: The model format of the launch, likewise.
        elsewhere: Engines that do not run on this platform: a variant made for one is left aside where there is
            another.
    """

    name: str
    type: str | None = None
    variant: int | None = None
    engine: str | None = None
    format: str | None = None
    elsewhere: frozenset[str] = frozenset()


class Found(Struct, frozen=True):
    """The spec of a model, and its origin.

    Args:
        watches: The files and directories whose change may lead to another spec.
        passed: Files called like the model, in its place or an earlier one, that cannot be read.
    """

    spec: ModelSpec
    model: Model
    watches: tuple[Watch, ...]
    passed: tuple[str, ...] = ()


def find_model(asked: Asked, sources: Sequence[Source]) -> Found:
    """Return the spec of a model from the first place that has one of its name, and of its type where one is given.

    Raises:
        SpecError: No place has it (`model-unknown`), it cannot be launched in an environment (`model-without-block`),
            there is no such variant (`variant-unknown`), several are meant (`model-ambiguous`), or it is faulty.
        VenvkitError: A source cannot be read.
    """
    watches: list[Watch] = []
    listings: list[Listing] = []
    for source in sources:
        listing = source.named(asked.name, type=asked.type)
        watches += listing.watches
        listings.append(listing)
        if listing.models:
            first = listing.models[0].place
            model = choose(asked, [model for model in listing.models if model.place == first])
            passed = (fault for one in listings for fault in one.faults)
            named = tuple(fault for fault in passed if f"/{asked.name}." in fault)
            return Found(source.load(model), model, tuple(watches), named)
    raise _unknown(asked, sources, listings)


def all_models(sources: Sequence[Source], *, type: str | None = None, name: str | None = None) -> Listing:
    """Return all models that can be found, in the order of their places.

    A model hides those of its name and type in later places; its own variants stand side by side.

    Raises:
        VenvkitError: A source cannot be read.
    """
    listings = [source.all() for source in sources]
    owners: dict[tuple[str, str], Place] = {}
    models = tuple(
        model
        for listing in listings
        for model in listing.models
        if owners.setdefault((model.name, model.type.lower()), model.place) == model.place
        and model.is_of(type)
        and name in (None, model.name)
    )
    return Listing(
        models,
        tuple(fault for listing in listings for fault in listing.faults),
        tuple(watch for listing in listings for watch in listing.watches),
        looked=tuple(place for listing in listings for place in listing.looked),
    )


def choose(asked: Asked, models: Sequence[Model]) -> Model:
    """Return the model to launch among those of one name in one place.

    Variants whose `virtualenv` blocks are equal count as one, the first of them.

    Raises:
        SpecError: `model-ambiguous`, `variant-unknown`, or `format-unknown`.
    """
    exact = [model for model in models if asked.type and model.type.lower() == asked.type.lower()]
    left = exact or list(models)
    if len({model.type.lower() for model in left}) > 1:
        raise _several_types(asked, left)
    if asked.variant is not None:
        return _numbered(asked, left)
    if asked.engine:
        engine = engine_key(asked.engine)
        left = [model for model in left if engine_key(model.engine) == engine] or left
    if asked.format:
        format = asked.format.lower()
        left = [model for model in left if format in _formats(model)] or left
    left = [model for model in left if engine_key(model.engine) not in asked.elsewhere] or left
    if len({model.block or model.origin for model in left}) > 1:
        raise _several_variants(asked, left)
    if asked.format and left[0].formats and asked.format.lower() not in _formats(left[0]):
        raise _no_such_format(asked.format, left)
    return left[0]


def _formats(model: Model) -> set[str]:
    return {format.lower() for format in (model.format, *model.formats)}


def _numbered(asked: Asked, models: Sequence[Model]) -> Model:
    for model in models:
        if model.variant == asked.variant:
            return model
    count = len(models)
    raise SpecError(
        f"the model {quoted(asked.name)} has no variant {asked.variant}",
        code="variant-unknown",
        where=models[0].place.words,
        remedy=f"choose one from 1 to {count}" if count > 1 else "it has only one: leave --variant away",
        details=tuple(map(_described, models)) if count > 1 else (),
    )


def _several_types(asked: Asked, models: Sequence[Model]) -> SpecError:
    types = sorted({model.type.lower(): model.type for model in models if model.type}.values())
    return SpecError(
        f"there are several models named {quoted(asked.name)}",
        code="model-ambiguous",
        where=models[0].place.words,
        remedy=f"choose one with --type {' or --type '.join(types)}",
        details=tuple(f"{model.type or 'without a type'}: {model.origin}" for model in models),
    )


def _several_variants(asked: Asked, models: Sequence[Model]) -> SpecError:
    telling: tuple[tuple[str, Callable[[Model], object]], ...] = (
        ("--engine", lambda model: engine_key(model.engine)),
        ("--model-format", lambda model: model.format.lower()),
    )
    options = ["--variant N", *(option for option, value in telling if len({value(model) for model in models}) > 1)]
    return SpecError(
        f"the model {quoted(asked.name)} has {len(models)} variants that want different packages",
        code="model-ambiguous",
        where=models[0].path,
        remedy=f"choose one with {' or '.join(options)}",
        details=tuple(map(_described, models)),
    )


def _no_such_format(format: str, models: Sequence[Model]) -> SpecError:
    # Told here, where all variants are known: they want the same packages, but each has formats of its own.
    formats = dict.fromkeys(format for model in models for format in model.formats)
    return SpecError(
        f"the model does not come in the format {quoted(format)}",
        code="format-unknown",
        where="model_format",
        remedy=f"it comes in {', '.join(formats)}",
    )


def _described(model: Model) -> str:
    facts = (("engine", model.engine), ("format", model.format), ("quantization", model.quantization))
    told = ", ".join(f"{name} {quoted(value)}" for name, value in facts if value)
    return f"variant {model.variant}: {told or model.origin}"


def _unknown(asked: Asked, sources: Sequence[Source], listings: Sequence[Listing]) -> SpecError:
    bare = [where for listing in listings for where in listing.bare]
    if bare:
        return SpecError(
            f"the model {quoted(asked.name)} has no `virtualenv` block",
            code="model-without-block",
            where=bare[0],
            remedy='give it one, {"packages": [...]}, or name the path of a spec that has one',
        )
    offered: list[Model] = []
    for source in sources:
        # They only serve to suggest a name: what the source has answered so far stands.
        try:
            offered += source.all().models
        except CancelledError:
            raise
        except VenvkitError:
            continue
    types = sorted({model.type.lower(): model.type for model in offered if model.name == asked.name}.values())
    near = near_names(asked.name, (model.name for model in offered if model.is_of(asked.type)))
    kind = f" of the type {quoted(asked.type)}" if asked.type else ""
    if types:
        remedy = f"it is there as {', '.join(types)}: choose that with --type, or leave --type away"
    elif near and _composed(near[0]) == _composed(asked.name):
        remedy = f"{near[0]} is there, written with other characters that look the same: copy its name from there"
    elif near:
        remedy = f"did you mean {' or '.join(near)}?"
    else:
        remedy = "name the path of a spec, a folder of specs with --specs, or ask the server with --from-server"
    return SpecError(
        f"no model named {quoted(asked.name)}{kind} is known",
        code="model-unknown",
        remedy=remedy,
        details=(
            *(f"looked in {place.words}" for listing in listings for place in listing.looked),
            *(f"could not be read: {fault}" for listing in listings for fault in listing.faults),
        ),
    )


def near_names(name: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return up to five names that are like `name`, the nearest first: case and separators matter last.

    >>> near_names("BGE_M3", ["bge-m3", "bge-m4", "whisper-base"])
    ('bge-m3', 'bge-m4')
    """
    spellings: dict[str, list[str]] = {}
    for one in dict.fromkeys(names):
        spellings.setdefault(_folded(one), []).append(one)
    near = difflib.get_close_matches(_folded(name), spellings, n=_NEAR)
    return tuple(one for spelling in near for one in spellings[spelling])[:_NEAR]


def _folded(name: str) -> str:
    return _SEPARATORS.sub("", _composed(name)).lower()


def _composed(name: str) -> str:
    # A letter with an accent may be one character or two.
    return unicodedata.normalize("NFC", name)
