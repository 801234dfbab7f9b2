"""Planning a fleet: each distinct request once, answers of earlier runs first, the others side by side."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from venvkit.base.mask import mask
from venvkit.errors import CancelledError
from venvkit.events import Event, Observer, Step, Warned
from venvkit.fleet.away import INDEX_AWAY, Away, blamed, without
from venvkit.fleet.cache import Answers
from venvkit.fleet.expand import Expansion, Wanted, expand
from venvkit.fleet.opening import Ground, likeness, look, open_launch, request_key
from venvkit.fleet.values import Answer, Launch, Outline, Row, Trouble
from venvkit.launch.host import Services
from venvkit.launch.planning import plan_reading
from venvkit.launch.reading import Reading
from venvkit.settings import Settings

if TYPE_CHECKING:
    from venvkit.launch.asked import Choices

# More of them wait for the same index and the same disk.
_MOST_JOBS = 4


class Survey(Struct, frozen=True):
    """A fleet that was planned.

    Args:
        python: The host's interpreter; `version` is that of the environments.
        expansion: The launches, and what could not become one.
        rows: An answer for each launch; after an interruption only those that were finished.
        unfinished: Distinct requests without an answer, because the run was interrupted.
    """

    python: str
    version: str
    expansion: Expansion
    rows: tuple[Row, ...]
    unfinished: int = 0


class Asking(Struct, frozen=True):
    """A launch with the key of its request, or with the reason why there is none."""

    launch: Launch
    request: str = ""
    trouble: Trouble | None = None


def usual_jobs() -> int:
    """Return how many requests are planned at the same time unless told otherwise."""
    return min(_MOST_JOBS, os.cpu_count() or 1)


def plan_fleet(
    wanted: Wanted,
    choices: Choices,
    *,
    settings: Settings,
    environ: Mapping[str, str],
    jobs: int | None,
    refresh: bool,
    observer: Observer,
    cancel: threading.Event,
) -> Survey:
    """Plan every launch of a catalogue. What one launch cannot have is an answer too, and stops no other.

    When `cancel` is set the survey has what was finished until then.

    Args:
        choices: As for `plan_env`, for all launches, without an engine.
        jobs: How many requests are planned at the same time; None for `usual_jobs`.
        refresh: Pass over answers of earlier runs.
        observer: Receives the events of looking at the host and the catalogue and, on the thread that calls, the
            steps; not the events of single plans.

    Raises:
        VenvkitError: What all launches need is missing or faulty: host, tool, settings, engine data, a whole source.
    """
    ground = look(choices, settings, environ=environ, observer=observer, cancel=cancel)
    expansion = expand(ground.sources, ground.engines, wanted=wanted, platform=ground.platform)
    asked, readings = ask(ground, expansion.launches, cancel=cancel)
    answers = Answers(ground.services.cache / "fleet")
    now = time.time()
    answers.prune(now)
    old = {} if refresh else {key: kept for key in readings if (kept := answers.get(key, now)) is not None}
    left = {key: reading for key, reading in readings.items() if key not in old}
    new = _plan(left, ground.services, answers, count=jobs or usual_jobs(), cancel=cancel)
    known = {**old, **new}
    rows = []
    for one in asked:
        answer = Answer(now, trouble=one.trouble) if one.trouble is not None else known.get(one.request)
        if answer is not None:
            rows.append(Row(one.launch.model, one.launch.engine, one.request, answer, cached=one.request in old))
    host, child = ground.reading.host, ground.reading.child
    return Survey(
        host.interpreter.python, child.interpreter.version, expansion, tuple(rows), len(readings) - len(known)
    )


def ask(
    ground: Ground, launches: Sequence[Launch], *, cancel: threading.Event
) -> tuple[list[Asking], dict[str, Reading]]:
    """Make the request of each launch; return them, and a reading for each distinct request."""
    asked: list[Asking] = []
    readings: dict[str, Reading] = {}
    alike: dict[Hashable, str] = {}
    for number, launch in enumerate(launches):
        if cancel.is_set():
            raise CancelledError("interrupted")
        ground.services.observer(Step("read", number, len(launches), launch.model.name))
        try:
            like = likeness(ground, launch)
            if like not in alike:
                reading = open_launch(ground, launch)
                alike[like] = request_key(reading)
                readings.setdefault(alike[like], reading)
            asked.append(Asking(launch, alike[like]))
        except CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - one odd spec may not end the run for all others
            asked.append(Asking(launch, trouble=Trouble.of(error)))
    return asked, readings


def _plan(
    readings: Mapping[str, Reading],
    services: Services,
    answers: Answers,
    *,
    count: int,
    cancel: threading.Event,
) -> dict[str, Answer]:
    """Plan each reading, and return the answers of those that were finished."""
    done: dict[str, Answer] = {}
    away = Away()
    services.observer(Step("plan", 0, len(readings)))
    with ThreadPoolExecutor(count) as pool:
        work = {pool.submit(_plan_one, key, reading, services, answers, away): key for key, reading in readings.items()}
        try:
            for future in as_completed(work):
                answer, key = future.result(), work[future]
                if answer is None:
                    continue
                done[key] = answer
                name, failed = readings[key].spec.name, answer.plan is None
                services.observer(Step("plan", len(done), len(readings), name, trouble=failed))
        except BaseException:
            # Nobody waits for them any more: their processes end, and what has not begun never does.
            cancel.set()
            raise
    return done


def _plan_one(key: str, reading: Reading, services: Services, answers: Answers, away: Away) -> Answer | None:
    """Plan one reading and keep the answer; None when it was cancelled."""
    warned: list[Warned] = []

    def gather(event: Event) -> None:
        if isinstance(event, Warned):
            warned.append(event)

    lost = away.of(reading)
    away.warn(lost, gather)
    try:
        planned = plan_reading(without(reading, lost), replace(services, observer=gather))
        plan, trouble = Outline.of(planned.plan, planned.key), None
    except CancelledError:
        return None
    except Exception as error:  # noqa: BLE001 - what one request meets may not end the run for all others
        plan, trouble = None, Trouble.of(blamed(error, lost))
    # What is broken is in the plan.
    told = dict.fromkeys(mask(event.message) for event in warned if event.code != "broken")
    makeshift = any(event.code == INDEX_AWAY for event in warned)
    away.learn(reading, warned)
    answer = Answer(time.time(), plan, trouble, tuple(told), makeshift)
    with contextlib.suppress(Exception):  # an answer that cannot be kept is still one
        answers.put(key, answer)
    return answer
