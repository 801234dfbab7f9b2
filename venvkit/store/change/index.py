"""Writing the index: a request on this host -> its environment, so that the second launch does not plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from venvkit.base.digest import canonical_json
from venvkit.base.files import delete, exists, remove_tree, write_atomically
from venvkit.base.watch import Watch
from venvkit.formats.entry import SCHEMA, is_newer
from venvkit.formats.mark import read_mark
from venvkit.formats.receipt import Receipt
from venvkit.store.layout import Layout
from venvkit.store.lock.flock import attempt
from venvkit.store.look.index import index_entries, own_watches


def write_entry(
    layout: Layout,
    request: str,
    receipt: Receipt,
    shell: Path,
    *,
    facts: Mapping[str, Any],
    deep: str,
    watches: Sequence[Watch],
    call: Mapping[str, Any] | None,
    planned: int,
) -> None:
    """Record that `request` is answered by an environment.

    Args:
        request: The request key.
        facts: What the warm path will give, see `facts_of`.
        deep: Digest of the request after parsing and of the host's content: when only watches moved, an equal one
            says that nothing has changed.
        watches: What the request and the host were read from.
        call: What repeats the call, so that a spoilt environment can be built anew; None when that may not be stored.
        planned: When the request was planned, in nanoseconds since the epoch; a rollback does not lead later ones.
    """
    entry = {
        "schema": SCHEMA,
        "facts": facts,
        "deep": deep,
        "call": call,
        "planned": planned,
        "size": receipt.size,
        "watches": [*watches, *own_watches(receipt, shell)],
    }
    place = layout.request(request)
    if place.is_dir():  # it cannot be replaced by a file
        remove_tree(place)
    # One that a power cut has spoilt is none: then the environment is found by its content.
    write_atomically(place, canonical_json(entry), what="index", sync="never")


def facts_of(
    layout: Layout, receipt: Receipt, shell: Path, *, model: str, engine: str | None, rolled_back: str = ""
) -> Mapping[str, Any]:
    """Return what an `Environment` is made of.

    Args:
        rolled_back: The id of the environment that a rollback led away from; empty when none did.
    """
    return {
        "model": model,
        "engine": engine,
        "version": receipt.interpreter,
        "key": receipt.key,
        "id": receipt.id,
        "python": receipt.python,
        "path": receipt.path,
        "shell": str(shell),
        "scripts": list(receipt.scripts),
        "libraries": list(receipt.libraries),
        "lease": str(layout.lease(receipt.id)),
        "rolled_back": rolled_back,
    }


def forget(layout: Layout, shell: Path) -> None:
    """Remove the index entries that lead to a shell, and their locks."""
    for path, entry in index_entries(layout):
        if entry is not None and entry["facts"]["shell"] == str(shell):
            path.unlink(missing_ok=True)
            with attempt(layout.request_lock(path.stem), soft=layout.soft) as lock:
                if lock is not None:
                    lock.discard = True


def forget_gone(layout: Layout) -> None:
    """Remove the index entries that can never be true again: unreadable, or their environment or shell is gone."""
    for path, entry in index_entries(layout):
        if entry is None:
            useful = is_newer(str(path))
        else:
            mark = read_mark(Path(entry["facts"]["shell"]))
            led = mark.led_to(Path(entry["facts"]["path"]), entry.get("planned", 0)) if mark is not None else None
            useful = exists(entry["facts"]["shell"]) and exists(led or entry["facts"]["path"])
        if useful:
            continue
        with attempt(layout.request_lock(path.stem), soft=layout.soft) as lock:
            if lock is not None:
                delete(path)
                lock.discard = True
