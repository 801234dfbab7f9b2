"""`ensure_env` where the answer is not there yet: the whole way from a call to an environment.

asked (`Call`) -> reading (host, spec, request) -> problem -> plan -> recipe -> receipt -> shell -> index entry.

Of many who ask at once all but one only wait here, so nothing is imported that waiting does not need.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from venvkit.base import crash
from venvkit.base.turns import working
from venvkit.errors import NoSolutionError, ProofError, SourceError, SpecError
from venvkit.events import Observer, PhaseStarted, Warned, guarded
from venvkit.formats.entry import read_entry
from venvkit.launch.asked import Call
from venvkit.launch.handle import Environment
from venvkit.launch.warm import answered_by
from venvkit.store.layout import Layout
from venvkit.store.lock.flock import hold

if TYPE_CHECKING:
    from venvkit.launch.asked import Choices
    from venvkit.launch.host import Services
    from venvkit.launch.planning import Planned
    from venvkit.launch.reading import Reading
    from venvkit.tools.uv.client import Uv


# A plan, and two more where proofs or sources showed that it cannot be carried out.
_MOST_PLANS = 2


def ensure(call: Call, key: str, observer: Observer | None, cancel: threading.Event | None) -> Environment:
    """Return the environment that answers a call, found again or built.

    The request's lock is held from before planning until the shell points to the result, so that of many who ask at
    once one plans and builds, and the others use what it made.

    Args:
        key: The request key of the call.

    Raises:
        VenvkitError: Of the class that says why; nothing of the attempt is left behind, and a former environment
            stays in force.
    """
    notify = guarded(observer)
    layout = Layout(Path(call.settings.home), soft=call.settings.lock == "soft")
    with working(), _turn(layout, call, key, notify, cancel) as made:
        if made is not None:
            return made
        from venvkit.launch.host import look_at_host, open_services, see
        from venvkit.launch.planning import plan_reading, recent_plan
        from venvkit.launch.reading import find_named, read_request

        services = open_services(call, notify, cancel)
        host = look_at_host(call, services)
        try:
            named = find_named(call, host, services)
        except SpecError as error:
            if error.code != "model-unknown":
                raise
            from venvkit.launch.stored import in_force

            return in_force(layout, call, error, notify)
        reading = read_request(call, see(call, host, services), named, services)
        found, former = _look_again(layout, key, reading, services)
        if found is not None:
            return found
        near = _near_uv(layout, services)
        planned = recent_plan(reading, services) or plan_reading(reading, services, meanwhile=near)
        crash.at("planned")
        from venvkit.launch.building import keep_budget, reasons

        for reason in reasons(former, planned.recipe) if former is not None else ():
            notify(Warned("rebuilt", f"rebuilding the environment of {named.spec.name}: {reason}"))
        environment = _carry_out(layout, key, planned, services, near)
        if environment.built:
            keep_budget(layout, call.settings.max_size, environment, notify)
        notify(PhaseStarted("done", environment.path.name))
        return environment


def plan_call(call: Call, observer: Observer | None, cancel: threading.Event | None) -> Planned:
    """Return the plan of a call; nothing is built, and the plan of a moment ago is not used.

    Raises:
        VenvkitError: As `ensure`.
    """
    from venvkit.launch.host import open_services
    from venvkit.launch.planning import plan_reading
    from venvkit.launch.reading import read_call

    services = open_services(call, guarded(observer), cancel)
    return plan_reading(read_call(call, services), services)


@contextlib.contextmanager
def _turn(
    layout: Layout, call: Call, key: str, observer: Observer, cancel: threading.Event | None
) -> Iterator[Environment | None]:
    """Hold the request's lock for the block; yield what another process made while this one waited for the lock."""
    asked = time.time()
    try:
        layout.prepare()
        what = f"the request for {_label(call)}"
        with hold(layout.request_lock(key), what=what, observer=observer, cancel=cancel, soft=layout.soft) as lock:
            crash.at("request-locked")
            since = asked if call.choices["upgrade"] else 0.0
            yield _made_meanwhile(layout, call, key, since) if lock.waited else None
    except OSError as error:
        from venvkit.store.disk.space import disk_error

        raise disk_error(error, layout.root) from error
    finally:
        layout.prune_empty()


def _label(call: Call) -> str:
    given = call.given
    return given.value.name if given.value is not None else os.path.basename(given.path or given.name or "")  # noqa: PTH119


def _made_meanwhile(layout: Layout, call: Call, key: str, since: float) -> Environment | None:
    """Return the environment that was recorded after `since` and is still what the request asks for."""
    path = layout.request(key)
    try:
        fresh = path.stat().st_mtime >= since
    except OSError:
        return None
    entry = read_entry(str(path)) if fresh else None
    return answered_by(entry) if entry is not None and entry["facts"]["path"] != call.spoilt else None


def _look_again(
    layout: Layout, key: str, reading: Reading, services: Services
) -> tuple[Environment | None, Mapping[str, Any] | None]:
    """Return what the index has for a call, see `look_again`: by its own key, or by that of the spec that was found."""
    call = reading.call
    if call.choices["upgrade"]:
        return None, None
    if call.given.name is not None and not layout.request(key).exists():
        by_value = Call(reading.spec, cast("Choices", call.choices), call.settings, call.environ).key()
    else:
        by_value = key
    if not layout.request(by_value).exists():
        return None, None
    from venvkit.launch.building import look_again

    return look_again(layout, key, reading, services, recorded=by_value)


def _near_uv(layout: Layout, services: Services) -> Callable[[], tuple[Uv, Path]]:
    """Return what gives uv a cache near the store; asked ahead, it also imports what follows a plan."""

    @functools.cache
    def near() -> tuple[Uv, Path]:
        import venvkit.launch.building  # noqa: F401
        from venvkit.store.disk.space import near_cache
        from venvkit.tools.uv.client import Uv

        uv = services.find_tool()
        assert isinstance(uv, Uv)
        return near_cache(uv, layout)

    return near


def _carry_out(
    layout: Layout, key: str, planned: Planned, services: Services, near: Callable[[], tuple[Uv, Path]]
) -> Environment:
    """Build what was planned; a plan that cannot be carried out, because sources or knowledge changed, is made anew."""
    from venvkit.launch.building import carry_out
    from venvkit.launch.planning import forget_plan, plan_reading

    for _ in range(_MOST_PLANS):
        try:
            return carry_out(layout, key, planned, services, near)
        except ProofError as error:
            forget_plan(planned.reading, services)
            # Nobody asked for what was only repaired: the next plan knows that this version does not load.
            if not error.names or not set(error.names) <= {str(item.name) for item in planned.plan.repaired}:
                raise
        except (NoSolutionError, SourceError):
            if not planned.recent:
                raise
            forget_plan(planned.reading, services)
        planned = plan_reading(planned.reading, services)
    return carry_out(layout, key, planned, services, near)
