"""From a catalogue to launches: every model with every engine that its spec names, as far as the engine runs here."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from msgspec import Struct

from venvkit.catalogue.find import all_models
from venvkit.catalogue.folders import Folders
from venvkit.catalogue.values import Model, Source
from venvkit.errors import CancelledError, UsageError
from venvkit.fleet.values import Answer, Launch, Row, Trouble
from venvkit.spec.engines import EngineTable
from venvkit.spec.language.compare import engine_key
from venvkit.spec.language.urls import quoted
from venvkit.spec.model import ModelSpec
from venvkit.spec.request import spec_engines

if TYPE_CHECKING:
    from venvkit.launch.asked import Choices


class Wanted(Struct, frozen=True):
    """A selection of launches; None selects all.

    Args:
        type: Of this model type.
        engine: With this engine.
        model_format: Of models that come in this format, or do not say in which.
    """

    type: str | None = None
    engine: str | None = None
    model_format: str | None = None

    @classmethod
    def of(cls, choices: Choices) -> tuple[Wanted, Choices]:
        """Return which launches a caller wants, and what else was chosen for all of them.

        Raises:
            UsageError: A variant is chosen (`options-unused`).
        """
        if "variant" in choices:
            raise UsageError(
                "a variant is one spec among those of one name, and all are asked for",
                code="options-unused",
                where="--variant",
                remedy="leave it away, or name the model",
            )
        rest = cast("Choices", {name: value for name, value in choices.items() if name not in ("engine", "model_type")})
        return cls(choices.get("model_type"), choices.get("engine"), choices.get("model_format")), rest


class Expansion(Struct, frozen=True):
    """The launches of a catalogue.

    Args:
        specs: How many specs it has.
        launches: What can be launched here.
        faulty: A row for each spec that cannot be read.
        faults: Files that could not be read, as `path: what is wrong`.
        elsewhere: Engines that do not run on this platform, and how many launches each would have.
        offered: All models that the sources have, also those that are not wanted.
    """

    specs: int
    launches: tuple[Launch, ...]
    faulty: tuple[Row, ...]
    faults: tuple[str, ...]
    elsewhere: tuple[tuple[str, int], ...]
    offered: tuple[Model, ...]


def expand(sources: Sequence[Source], engines: EngineTable, *, wanted: Wanted, platform: str) -> Expansion:
    """Return the launches of all models that `sources` offer; venvkit's own examples are no part of a fleet.

    Raises:
        UsageError: There is no such engine (`engine-unknown`), or no model that is wanted (`fleet-empty`).
        VenvkitError: A source as a whole cannot be read.
    """
    listing = all_models(sources)
    # A spec that says no type may be of any when it is named; a list of one type is of those that say it.
    types = None if wanted.type is None else (wanted.type.lower(),)
    offered = (model for model in listing.models if model.place.kind != "own")
    models = [model for model in offered if types is None or model.type.lower() in types]
    loaded: list[Launch] = []
    faulty: list[Row] = []
    for model in models:
        try:
            spec = _load(model, sources)
            loaded += [Launch(model, spec, engine) for engine in spec_engines(spec, engines) or (None,)]
        except CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - one odd spec may not end the run for all others
            faulty.append(Row(model, None, "", Answer(time.time(), trouble=Trouble.of(error))))
    launches = [launch for launch in loaded if _comes_in(launch.spec, wanted.model_format)]
    if wanted.engine is not None:
        launches = _with_engine(launches, engines, wanted.engine)
    away = [name for launch in launches if (name := _away(launch, engines, platform)) is not None]
    here = tuple(launch for launch in launches if _away(launch, engines, platform) is None)
    if not models:
        raise UsageError(
            f"there is no model{f' of type {quoted(wanted.type)}' if wanted.type else ''} to plan",
            code="fleet-empty",
            remedy="name a folder of specs with --specs, or the host that has the server with --host-python",
            details=listing.faults,
        )
    return Expansion(
        len(models), here, tuple(faulty), listing.faults, tuple(sorted(Counter(away).items())), listing.models
    )


def _load(model: Model, sources: Sequence[Source]) -> ModelSpec:
    """Load a model from what listed it: a server's from the server, all others from the folders."""
    served = model.place.kind == "server"
    return next(source for source in sources if isinstance(source, Folders) is not served).load(model)


def _comes_in(spec: ModelSpec, model_format: str | None) -> bool:
    return model_format is None or not spec.formats or model_format.lower() in map(str.lower, spec.formats)


def _away(launch: Launch, engines: EngineTable, platform: str) -> str | None:
    """Return the engine of a launch when it does not run here; a spec may also be made for one as a whole."""
    name = launch.engine or launch.model.engine
    engine = engines.find(name) if name else None
    return None if engine is None or engine.runs_on(platform) else engine.name


def _with_engine(launches: Sequence[Launch], engines: EngineTable, name: str) -> list[Launch]:
    known = engines.find(name)
    wanted = engine_key(known.name if known else name)
    found = [launch for launch in launches if launch.engine and engine_key(launch.engine) == wanted]
    if not found and known is None:
        named = {launch.engine for launch in launches if launch.engine}
        message = f"no spec and no engine data names the engine {quoted(name)}"
        raise engines.unknown(message, name, where="--engine", others=named)
    return found
