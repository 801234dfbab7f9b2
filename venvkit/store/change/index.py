"""Writing the index: a request on this host -> its environment, so that the second launch does not plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from venvkit.base.digest import canonical_json
from venvkit.base.files import delete, remove_tree, write_atomically
from venvkit.base.watch import Watch
from venvkit.formats.entry import SCHEMA
from venvkit.formats.receipt import Receipt
from venvkit.store.layout import Layout
from venvkit.store.lock.flock import attempt
from venvkit.store.look.index import Indexed, own_watches, read_index


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


def forget_entries(layout: Layout, entries: Iterable[Indexed], *, answered: bool = False) -> None:
    """Remove entries of the index, and their locks.

    Args:
        answered: Also those whose request is being answered now; nobody writes one while its shell is locked.
    """
    for item in entries:
        with attempt(layout.request_lock(item.path.stem), soft=layout.soft) as lock:
            if lock is not None or answered:
                delete(item.path)
            if lock is not None:
                lock.discard = True


def forget(layout: Layout, shell: Path) -> None:
    """Remove the entries that lead to a shell, also those whose request is being answered."""
    for item in read_index(layout):
        if item.answer is not None and item.answer.facts.shell == str(shell):
            delete(item.path)
