"""The index: a request on this host -> its environment, so that the second launch does not plan.

An entry lists everything that it depends on outside of itself as watches; the warm path compares those and no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from venvkit.canonical import canonical_json
from venvkit.host.watch import Watch, stat_watch
from venvkit.store.child import POINTER
from venvkit.store.files import write_atomically
from venvkit.store.layout import RECEIPT, Layout
from venvkit.store.mark import MARK
from venvkit.store.receipt import Receipt
from venvkit.warm import INDEX_SCHEMA


def write_entry(
    layout: Layout,
    request: str,
    receipt: Receipt,
    shell: Path,
    *,
    deep: str,
    watches: Sequence[Watch],
    model: str,
    engine: str | None,
    call: Mapping[str, Any] | None,
) -> Mapping[str, Any]:
    """Record that `request` is answered by an environment, and return the facts that the warm path will give.

    Args:
        request: The request key.
        deep: Digest of the request after parsing and of the host's content: when only watches moved, an equal one
            says that nothing has changed.
        watches: What the request and the host were read from.
        call: What repeats the call, so that a spoilt environment can be built anew; None when that may not be stored.
    """
    facts = facts_of(layout, receipt, shell, model=model, engine=engine)
    entry = {
        "schema": INDEX_SCHEMA,
        "facts": facts,
        "deep": deep,
        "call": call,
        "watches": [*watches, *own_watches(receipt, shell)],
    }
    write_atomically(layout.request(request), canonical_json(entry), what="index")
    return facts


def facts_of(layout: Layout, receipt: Receipt, shell: Path, *, model: str, engine: str | None) -> Mapping[str, Any]:
    """Return what an `Environment` is made of."""
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
    }


def own_watches(receipt: Receipt, shell: Path) -> list[Watch]:
    """Return what shows that an environment was edited: its top level, its interpreter, its receipt, and the shell."""
    path = Path(receipt.path)
    places = [
        path / "bin" / "python",
        path / "pyvenv.cfg",
        path / RECEIPT,
        Path(receipt.site_packages),
        shell / MARK,
        shell / Path(receipt.site_packages).relative_to(path) / POINTER,
    ]
    return [stat_watch(str(place)) for place in places]
