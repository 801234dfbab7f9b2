"""The index: a request on this host -> its environment, so that the second launch does not plan.

An entry lists everything that it depends on outside of itself as watches; the warm path compares those and no more.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from venvkit.base.digest import canonical_json
from venvkit.base.files import listed, write_atomically
from venvkit.base.watch import Watch, changed, stat_watch
from venvkit.formats.mark import MARK
from venvkit.formats.receipt import Receipt
from venvkit.host.metadata import read_bytes
from venvkit.launch.warm import INDEX_SCHEMA
from venvkit.store.env.child import POINTER
from venvkit.store.layout import RECEIPT, Layout


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
        "size": receipt.size,
        "watches": [*watches, *own_watches(receipt, shell)],
    }
    # One that a power cut has spoilt is none: then the environment is found by its content.
    write_atomically(layout.request(request), canonical_json(entry), what="index", sync="never")
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


class _Facts(Struct, frozen=True):
    """Of the facts, what tells which environment a shell leads to."""

    shell: str
    path: str
    key: str


class Answer(Struct, frozen=True):
    """What an entry says of a shell: the environment that it leads to, and what holds as long as neither is touched."""

    schema: int
    facts: _Facts
    watches: tuple[Watch, ...]
    size: int

    def holds(self) -> bool:
        """Tell whether shell and environment are as they were; of what else the entry hangs on nothing is asked."""
        own = (f"{self.facts.path}/", f"{self.facts.shell}/")
        mine = [watch for watch in self.watches if str(watch[1]).startswith(own)]
        return len(mine) == OWN_WATCHES and changed(mine) is None


def answers(layout: Layout) -> dict[str, list[Answer]]:
    """Return what the index says of each shell, by its path; what cannot be read says nothing."""
    found: dict[str, list[Answer]] = {}
    decoder = msgspec.json.Decoder(Answer)
    for path in listed(layout.requests):
        if path.endswith(".json"):
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                answer = decoder.decode(read_bytes(path))
                if answer.schema == INDEX_SCHEMA:
                    found.setdefault(answer.facts.shell, []).append(answer)
    return found


# How many there are of those below.
OWN_WATCHES = 6


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
