"""Reading the index: what it says of each shell, and which entries lead to one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from venvkit.base import cachefile
from venvkit.base.files import listed
from venvkit.base.watch import Watch, changed, stat_watch
from venvkit.formats.entry import SCHEMA, read_entry
from venvkit.formats.mark import MARK
from venvkit.formats.pointer import POINTER
from venvkit.formats.receipt import RECEIPT, Receipt
from venvkit.store.layout import Layout


def index_entries(layout: Layout) -> Iterator[tuple[Path, dict[str, Any] | None]]:
    """Yield the path and the content of each entry; None as content where it cannot be read."""
    for path in _paths(layout):
        yield Path(path), read_entry(path)


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
    for path in _paths(layout):
        answer = cachefile.load(path, Answer)
        if answer is not None and answer.schema == SCHEMA:
            found.setdefault(answer.facts.shell, []).append(answer)
    return found


def _paths(layout: Layout) -> list[str]:
    return [path for path in listed(layout.requests) if path.endswith(".json")]


# How many there are of those below.
OWN_WATCHES = 7


def own_watches(receipt: Receipt, shell: Path) -> list[Watch]:
    """Return what shows that an environment was edited: its top level, its interpreter, its receipt, and the shell."""
    path = Path(receipt.path)
    places = [
        path / "bin" / "python",
        path / "pyvenv.cfg",
        path / RECEIPT,
        Path(receipt.site_packages),
        shell / MARK,
        shell / "bin",
        shell / Path(receipt.site_packages).relative_to(path) / POINTER,
    ]
    return [stat_watch(str(place)) for place in places]
