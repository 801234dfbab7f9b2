"""Building anew what a check found spoilt: the call that it was built for is asked again.

A spoilt environment is never mended in place. Its receipt is put aside, so that it counts as incomplete, and the next
number is built; processes that run from it are not touched.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from venvkit.base.process import Runner
from venvkit.errors import UsageError, VenvkitError
from venvkit.events import Observer
from venvkit.formats.entry import read_entry
from venvkit.formats.receipt import RECEIPT
from venvkit.launch.handle import Environment
from venvkit.proof.check import changed_distributions
from venvkit.spec.model import ModelSpec
from venvkit.store.disk.space import near_cache
from venvkit.store.layout import Layout
from venvkit.store.look.inventory import Entry
from venvkit.tools.uv.client import find_uv

_ASIDE = "venvkit-spoilt.json"


def repair(layout: Layout, entry: Entry, observer: Observer) -> Environment:
    """Build the environment of a model anew.

    Raises:
        UsageError: What it was built for is not known any more (`repair-unknown`).
        VenvkitError: The build failed; what there was stays in force.
    """
    from venvkit.api import ensure_env

    call = next(_calls(layout, entry), None)
    if call is None or ("path" in call and not Path(call["path"]).exists()) or Path(call.get("name", "")).is_file():
        raise UsageError(
            f"what {entry.model} was built for is not known any more",
            code="repair-unknown",
            where=str(entry.path),
            remedy="`venvkit build` makes a new environment from the spec",
        )
    spec = call.get("path") or call.get("name") or msgspec.convert(call["spec"], ModelSpec)
    _clean_cache(layout, entry)
    with _condemned(entry.environment):
        return ensure_env(spec, enable=True, observer=observer, **call["choices"])


def _clean_cache(layout: Layout, entry: Entry) -> None:
    """Have uv forget what was edited: its files are linked with its cache, and the next number would get them too."""
    names = changed_distributions(entry.receipt) if entry.receipt is not None else ()
    if names:
        uv, _ = near_cache(find_uv(Runner(), dict(os.environ)), layout)
        done = uv.run(["cache", "clean", *names])
        if done.status != 0:
            raise uv.failure(done)


def _calls(layout: Layout, entry: Entry) -> Iterator[Mapping[str, Any]]:
    """Yield the calls that led to a shell, those that lead to what is in force first, the latest first."""
    found = []
    for path in layout.requests.glob("*.json"):
        recorded = read_entry(str(path))
        if recorded is not None and recorded["facts"]["shell"] == str(entry.path) and recorded.get("call"):
            in_force = recorded["facts"]["path"] == str(entry.environment)
            found.append((in_force, path.stat().st_mtime, recorded["call"]))
    for _, _, call in sorted(found, key=lambda item: item[:2], reverse=True):
        yield call


@contextlib.contextmanager
def _condemned(environment: Path | None) -> Iterator[None]:
    """Put the receipt aside for the block, and back when it fails: better a spoilt environment than none."""
    if environment is None:
        yield
        return
    receipt, aside = environment / RECEIPT, environment / _ASIDE
    with contextlib.suppress(FileNotFoundError):
        receipt.replace(aside)
    try:
        yield
    except (VenvkitError, OSError, KeyboardInterrupt):
        with contextlib.suppress(FileNotFoundError):
            aside.replace(receipt)
        raise
