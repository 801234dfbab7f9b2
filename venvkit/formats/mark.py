"""A shell's mark: it proves that the directory is ours, and remembers the environments that it pointed to."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from venvkit.base import cachefile
from venvkit.base.digest import canonical_json
from venvkit.base.files import Sync, write_atomically

MARK = "venvkit-shell.json"
SCHEMA = 1
# How many environments a shell keeps: the one in force and those that a rollback may go back to.
KEPT = 3


class Generation(Struct, frozen=True):
    """An environment that a shell points or pointed to; `since` is when it was first put in force (UTC, ISO 8601)."""

    environment: Path
    since: str

    @property
    def id(self) -> str:
        return self.environment.name


class Mark(Struct, frozen=True):
    """What a shell remembers.

    Args:
        environment: The one in force.
        generations: All that are kept, the newest first; the one in force is among them.
    """

    environment: Path
    generations: tuple[Generation, ...]

    @property
    def environments(self) -> frozenset[Path]:
        """All environments of the mark."""
        return frozenset((self.environment, *(item.environment for item in self.generations)))

    def with_current(self, environment: Path, now: str) -> Mark:
        """Return the mark after `environment` was put in force; one that was there before keeps its place.

        A number of the same content key replaces its predecessors: those were spoilt, and the same otherwise.
        """
        if any(item.environment == environment for item in self.generations):
            return Mark(environment, self.generations)
        key = environment.name.rpartition("-")[0]
        others = tuple(item for item in self.generations if item.id.rpartition("-")[0] != key)
        return Mark(environment, (Generation(environment, now), *others)).keeping(KEPT)

    def without(self, environment: Path) -> Mark:
        """Return the mark without a generation that is not the one in force."""
        kept = (item for item in self.generations if item.environment != environment or environment == self.environment)
        return Mark(self.environment, tuple(kept))

    def keeping(self, count: int) -> Mark:
        """Return the mark with the newest `count` generations, and the one in force in any case."""
        count = max(count, 1)
        kept = self.generations[:count]
        if all(item.environment != self.environment for item in kept):
            kept = (*kept[: count - 1], *(item for item in self.generations if item.environment == self.environment))
        return Mark(self.environment, kept)


def new_mark(environment: Path, now: str) -> Mark:
    """Return the mark of a new shell."""
    return Mark(environment, (Generation(environment, now),))


class _StoredGeneration(Struct, frozen=True):
    environment: str
    since: str


class _Stored(Struct, frozen=True):
    """The form of a stored mark."""

    schema: int
    environment: str
    generations: tuple[_StoredGeneration, ...]


def read_mark(shell: Path) -> Mark | None:
    """Read a shell's mark; None when this is no shell of ours."""
    stored = cachefile.load(shell / MARK, _Stored)
    if stored is None or stored.schema != SCHEMA:
        return None
    generations = tuple(Generation(Path(item.environment), item.since) for item in stored.generations)
    mark = Mark(Path(stored.environment), generations)
    return mark if all(item.is_absolute() for item in mark.environments) else None


def write_mark(shell: Path, mark: Mark, *, sync: Sync = "content") -> None:
    """Write a shell's mark, atomically."""
    generations = [{"environment": str(item.environment), "since": item.since} for item in mark.generations]
    content = {"schema": SCHEMA, "environment": str(mark.environment), "generations": generations}
    write_atomically(shell / MARK, canonical_json(content), what="mark", sync=sync)
