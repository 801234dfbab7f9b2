"""Building many models: each through `ensure_env`, side by side; what one cannot have stops no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from venvkit.api import ensure_env
from venvkit.base.mask import mask
from venvkit.catalogue.find import Asked, choose
from venvkit.catalogue.values import Model
from venvkit.errors import CancelledError, SpecError
from venvkit.events import Event, Observer, Step, Warned
from venvkit.fleet.expand import Wanted, expand
from venvkit.fleet.opening import look
from venvkit.fleet.planning import Asking, ask, usual_jobs
from venvkit.fleet.values import Launch, Trouble
from venvkit.launch.handle import Environment
from venvkit.settings import Settings
from venvkit.spec.model import ModelSpec

if TYPE_CHECKING:
    from venvkit.launch.asked import Choices


class Target(Struct, frozen=True):
    """A model to build: `spec` and `choices` are what `ensure_env` is called with."""

    model: str
    engine: str | None
    spec: str | ModelSpec
    choices: Choices


class Made(Struct, frozen=True):
    """The result of building one target.

    Args:
        environment: Where its environment is, whether it was built now or was there; None when there is none.
        seconds: How long it took.
        warnings: What the operator should know.
    """

    model: str
    engine: str | None
    environment: Environment | None = None
    trouble: Trouble | None = None
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()

    @property
    def state(self) -> Literal["built", "ready", "host", "failed"]:
        """The state of the result: `ready` was there already, `host` is the host's own interpreter."""
        if self.environment is None:
            return "failed"
        if self.environment.is_host:
            return "host"
        return "built" if self.environment.built else "ready"


class Order(Struct, frozen=True):
    """The targets of a build.

    Args:
        targets: One for each place in the store.
        faulty: What cannot be asked for.
        passed: Launches whose place in the store goes to another spec of the same name, in words.
        elsewhere: Launches of engines that do not run on this platform.
        faults: Files that could not be read, as `path: what is wrong`.
    """

    targets: tuple[Target, ...]
    faulty: tuple[Made, ...] = ()
    passed: tuple[str, ...] = ()
    elsewhere: tuple[tuple[str, int], ...] = ()
    faults: tuple[str, ...] = ()


class Fleet(Struct, frozen=True):
    """A fleet that was built; `unfinished` counts the targets that an interruption left out."""

    order: Order
    made: tuple[Made, ...]
    unfinished: int = 0


def order_all(
    wanted: Wanted,
    choices: Choices,
    *,
    settings: Settings,
    environ: Mapping[str, str],
    observer: Observer,
    cancel: threading.Event,
) -> Order:
    """Return the targets of every launch of a catalogue.

    Where several specs have one name, its place goes to the one that the name and the engine alone mean.

    Raises:
        VenvkitError: As `plan_fleet`.
    """
    ground = look(choices, settings, environ=environ, observer=observer, cancel=cancel)
    expansion = expand(ground.sources, ground.engines, wanted=wanted, platform=ground.platform)
    asked, _ = ask(ground, expansion.launches, cancel=cancel)
    faulty = [Made(one.launch.model.name, one.launch.engine, trouble=one.trouble) for one in asked if one.trouble]
    faulty += [Made(row.model.name, row.engine, trouble=row.answer.trouble) for row in expansion.faulty]
    by_place: dict[tuple[str, str], list[Asking]] = {}
    for one in asked:
        if one.trouble is None:
            by_place.setdefault((one.launch.model.name, (one.launch.engine or "").lower()), []).append(one)
    elsewhere = ground.engines.elsewhere(ground.platform)
    targets: list[Target] = []
    passed: list[str] = []
    for rivals in by_place.values():
        meant = _meant(rivals[0].launch, expansion.offered, choices, elsewhere)
        one = next((rival for rival in rivals if rival.launch.model == meant), rivals[0])
        launch = one.launch
        targets.append(Target(launch.model.name, launch.engine, launch.spec, {**choices, "engine": launch.engine}))
        passed += _passed(one, rivals)
    return Order(tuple(targets), tuple(faulty), tuple(passed), expansion.elsewhere, expansion.faults)


def build_all(
    order: Order, *, jobs: int | None, enable: bool | None, observer: Observer, cancel: threading.Event
) -> Fleet:
    """Build every target of an order, `jobs` of them at the same time, None for `usual_jobs`.

    When `cancel` is set the builds that run are ended, and the fleet has what was finished until then.

    Args:
        enable: As for `ensure_env`.
        observer: Receives the steps, on the thread that calls.
    """
    done: dict[int, Made] = {}
    observer(Step("build", 0, len(order.targets)))
    with ThreadPoolExecutor(jobs or usual_jobs()) as pool:
        work = {pool.submit(_build, target, enable, cancel): number for number, target in enumerate(order.targets)}
        try:
            for future in as_completed(work):
                made = future.result()
                if made is not None:
                    done[work[future]] = made
                    failed = made.environment is None
                    observer(Step("build", len(done), len(order.targets), made.model, trouble=failed))
        except BaseException:
            cancel.set()
            raise
    in_order = tuple(done[number] for number in sorted(done))
    return Fleet(order, (*in_order, *order.faulty), len(order.targets) - len(done))


def _build(target: Target, enable: bool | None, cancel: threading.Event) -> Made | None:
    """Build one target; None when it was cancelled."""
    warnings: list[str] = []

    def gather(event: Event) -> None:
        if isinstance(event, Warned):
            warnings.append(mask(event.message))

    started = time.monotonic()
    environment, trouble = None, None
    try:
        if cancel.is_set():
            return None
        environment = ensure_env(target.spec, enable=enable, observer=gather, cancel=cancel, **target.choices)
        # What is told of hundreds of models holds no descriptor for each.
        environment.release()
    except CancelledError:
        return None
    except Exception as error:  # noqa: BLE001 - what one model meets may not end the run for all others
        trouble = Trouble.of(error)
    seconds = time.monotonic() - started
    return Made(target.model, target.engine, environment, trouble, seconds, tuple(dict.fromkeys(warnings)))


def _meant(launch: Launch, offered: Sequence[Model], choices: Choices, elsewhere: frozenset[str]) -> Model | None:
    """Return the model that the name and engine of a launch alone mean to `ensure_env`; None when several."""
    named = [model for model in offered if model.name == launch.model.name]
    asked = Asked(launch.model.name, engine=launch.engine, format=choices.get("model_format"), elsewhere=elsewhere)
    try:
        return choose(asked, [model for model in named if model.place == named[0].place])
    except SpecError:
        return None


def _passed(one: Asking, rivals: Sequence[Asking]) -> Iterator[str]:
    for other in rivals:
        if other.request != one.request:
            launch = other.launch
            engine = f" for {launch.engine}" if launch.engine else ""
            yield f"{launch.model.name}{engine}: {launch.model.origin} (its place goes to {one.launch.model.origin})"
