"""Reading the index: what it says of each shell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct

from venvkit.base import cachefile
from venvkit.base.files import listed
from venvkit.base.watch import Watch, changed, stat_watch
from venvkit.formats.entry import SCHEMA, is_newer
from venvkit.formats.mark import MARK
from venvkit.formats.pointer import POINTER
from venvkit.formats.receipt import RECEIPT, Receipt
from venvkit.store.layout import Layout


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
    deep: str
    call: dict[str, Any] | None
    planned: int = 0

    def holds(self) -> bool:
        """Tell whether shell and environment are as they were; of what else the entry hangs on nothing is asked."""
        own = (f"{self.facts.path}/", f"{self.facts.shell}/")
        mine = [watch for watch in self.watches if str(watch[1]).startswith(own)]
        return len(mine) == OWN_WATCHES and changed(mine) is None


class Indexed(Struct, frozen=True):
    """One entry of the index; `answer` is None where it cannot be read, `newer` where a later version wrote it."""

    path: Path
    answer: Answer | None
    newer: bool = False


def read_index(layout: Layout) -> tuple[Indexed, ...]:
    """Read the index of a store."""
    return tuple(_read(path) for path in listed(layout.requests) if path.endswith(".json"))


def _read(path: str) -> Indexed:
    answer = cachefile.load(path, Answer)
    if answer is None or answer.schema != SCHEMA:
        return Indexed(Path(path), None, is_newer(path))
    return Indexed(Path(path), answer)


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
