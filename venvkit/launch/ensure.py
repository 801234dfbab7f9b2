"""`ensure_env` where the answer is not there yet: wait for whoever makes it already, else make it.

Of many who ask at once all but one only wait here, so nothing is imported that waiting does not need.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from venvkit.base import crash
from venvkit.events import Observer, guarded
from venvkit.formats.entry import read_entry
from venvkit.launch.asked import Call
from venvkit.launch.handle import Environment
from venvkit.launch.warm import still_true
from venvkit.store.layout import Layout
from venvkit.store.lock.flock import hold


def provision(call: Call, key: str, observer: Observer | None, cancel: threading.Event | None) -> Environment:
    """Return the environment that answers a call; `key` is its request key.

    The request's lock is held from before planning until the shell points to the result, so that of many who ask at
    once one plans and builds, and the others use what it made.

    Raises:
        VenvkitError: Of the class that says why; nothing of the attempt is left behind.
    """
    notify = guarded(observer)
    layout = Layout(Path(call.settings.home), soft=call.settings.lock == "soft")
    asked = time.time()
    try:
        layout.prepare()
        with hold(
            layout.request_lock(key),
            what=f"the request for {_label(call)}",
            observer=notify,
            cancel=cancel,
            soft=layout.soft,
        ) as lock:
            crash.at("request-locked")
            if lock.waited:
                found = _made_meanwhile(layout, key, asked if call.choices["upgrade"] else 0.0)
                if found is not None:
                    return found
            from venvkit.launch.produce import produce

            return produce(layout, call, key, notify, cancel)
    except OSError as error:
        from venvkit.store.disk.space import disk_error

        raise disk_error(error, layout.root) from error
    finally:
        layout.prune_empty()


def _label(call: Call) -> str:
    given = call.given
    return given.value.name if given.value is not None else os.path.basename(given.path or given.name or "")  # noqa: PTH119


def _made_meanwhile(layout: Layout, key: str, since: float) -> Environment | None:
    """Return what the one that we waited for has made, when it is from after `since` and still true."""
    path = layout.request(key)
    try:
        fresh = path.stat().st_mtime >= since
    except OSError:
        return None
    entry = read_entry(str(path)) if fresh else None
    return Environment(entry["facts"]) if entry is not None and still_true(entry) else None
