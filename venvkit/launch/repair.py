"""Build anew what a check found spoilt: ask the call that it was built for again.

A spoilt environment is never changed in place. While the next number is built, the spoilt one stays in force as it is,
so that a repair that fails or dies loses nothing. Only when the shell leads to the new one, the receipt of the spoilt
one is put aside: then it answers no other model. Processes that run from it are not touched.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from venvkit.base import crash
from venvkit.base.process import Runner
from venvkit.errors import UsageError
from venvkit.events import Observer
from venvkit.formats.entry import read_entry
from venvkit.formats.receipt import RECEIPT, Receipt
from venvkit.launch.asked import Call
from venvkit.launch.ensure import ensure
from venvkit.launch.handle import Environment
from venvkit.proof.check import changed_distributions
from venvkit.settings import load_settings
from venvkit.spec.model import ModelSpec
from venvkit.store.disk.space import near_cache
from venvkit.store.layout import Layout
from venvkit.store.lock.flock import hold
from venvkit.store.look.inventory import Entry
from venvkit.tools.uv.client import find_uv

_ASIDE = "venvkit-spoilt.json"


def repair(layout: Layout, entry: Entry, observer: Observer) -> Environment:
    """Build the environment of a model anew, with the tool that built it.

    Raises:
        UsageError: The request that it answers is not known any more (`repair-unknown`).
        VenvkitError: The build failed; what there was stays in force.
    """
    asked = _call(layout, entry)
    if entry.receipt is not None and entry.receipt.uv:
        _clean_cache(layout, entry.receipt)
    environment = ensure(asked, asked.key(), observer, None)
    crash.at("repaired")
    if entry.environment is not None and str(environment.path) != asked.spoilt:
        _condemn(layout, entry.environment, observer)
    return environment


def _call(layout: Layout, entry: Entry) -> Call:
    """Return the call that the environment in force was made for; the latest where it answers several."""
    found = []
    for path in layout.requests.glob("*.json"):
        recorded = read_entry(str(path))
        if recorded is not None and _answers(recorded["facts"], entry) and recorded.get("call"):
            found.append((path.stat().st_mtime, recorded["call"]))
    call: Mapping[str, Any] = max(found, key=lambda item: item[0])[1] if found else {}
    if not call or ("path" in call and not Path(call["path"]).exists()) or Path(call.get("name", "")).is_file():
        raise UsageError(
            f"the request that {entry.model} was built for is not known any more",
            code="repair-unknown",
            where=str(entry.path),
            remedy="`venvkit build` makes a new environment from the spec",
        )
    environ = dict(os.environ)
    settings = load_settings(environ)
    choices = call["choices"]
    if entry.receipt is not None:
        backend = "uv" if entry.receipt.uv else "pip"
        # Only where it is another one than today's: a choice is a part of the request's key.
        if (choices.get("backend") or settings.backend) != backend:
            choices = {**choices, "backend": backend}
    spec = call.get("path") or call.get("name") or msgspec.convert(call["spec"], ModelSpec)
    asked = Call(spec, choices, settings, environ)
    asked.spoilt = str(entry.environment or "")
    return asked


def _answers(facts: Mapping[str, Any], entry: Entry) -> bool:
    """Tell whether a request led to the environment by itself: after a rollback, others do that have another plan."""
    led = bool(facts.get("rolled_back"))
    return bool(facts["shell"] == str(entry.path) and facts["path"] == str(entry.environment) and not led)


def _clean_cache(layout: Layout, receipt: Receipt) -> None:
    """Have uv forget what was edited: its files are linked with its cache, and the next number would get them too."""
    names = changed_distributions(receipt)
    if names:
        uv, _ = near_cache(find_uv(Runner(), dict(os.environ)), layout)
        done = uv.run(["cache", "clean", *names])
        if done.status != 0:
            raise uv.failure(done)


def _condemn(layout: Layout, environment: Path, observer: Observer) -> None:
    """Put the receipt of a spoilt environment aside, so that it counts as incomplete for every model."""
    key = environment.name.rpartition("-")[0]
    what = f"environment {key}"
    with (
        hold(layout.environment_lock(key), what=what, observer=observer, soft=layout.soft),
        contextlib.suppress(FileNotFoundError),
    ):
        (environment / RECEIPT).replace(environment / _ASIDE)
    crash.at("condemned")
