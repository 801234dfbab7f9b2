"""A shell's mark: it proves that the directory is ours, and remembers the environments that it pointed to."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from venvkit.base import cachefile
from venvkit.base.digest import canonical_json
from venvkit.base.files import Sync, remove_tree, write_atomically

MARK = "venvkit-shell.json"
SCHEMA = 1
KEPT = 3
"""How many environments a shell keeps by default: the one in force and those that a rollback may go back to."""


class Generation(Struct, frozen=True):
    """An environment that a shell points or pointed to; `since` is when it was first put in force (UTC, ISO 8601)."""

    environment: Path
    since: str

    @property
    def id(self) -> str:
        return self.environment.name


class Rollback(Struct, frozen=True):
    """A rollback: what was answered by `former` before `at` (nanoseconds since the epoch) is answered by `now`."""

    former: Path
    now: Path
    at: int


class Mark(Struct, frozen=True):
    """The memory of a shell.

    Args:
        environment: The one in force.
        generations: All that are kept, the newest first; the one in force is among them.
        rollbacks: One for each environment that a rollback led away from.
    """

    environment: Path
    generations: tuple[Generation, ...]
    rollbacks: tuple[Rollback, ...] = ()

    @property
    def environments(self) -> frozenset[Path]:
        """All environments of the mark."""
        return frozenset((self.environment, *(item.environment for item in self.generations)))

    def with_current(self, environment: Path, now: str) -> Mark:
        """Return the mark after `environment` was put in force; one that was there before keeps its place.

        A number of the same content key takes the place of its predecessor, which was spoilt and the same otherwise.
        """
        if any(item.environment == environment for item in self.generations):
            return replace(self, environment=environment)
        spoilt = {path for path in self.environments if _key(path) == _key(environment)}
        others = [item for item in self.generations if item.environment not in spoilt]
        place = next((n for n, item in enumerate(self.generations) if item.environment in spoilt), 0)
        led = [item for item in self.rollbacks if item.now in spoilt]
        rollbacks = {item.former: item for item in self.rollbacks}
        # What a rollback leads to the predecessor, and what it has led there already.
        rollbacks |= {path: Rollback(path, environment, item.at) for item in led for path in (item.former, item.now)}
        generations = (*others[:place], Generation(environment, now), *others[place:])
        return Mark(environment, generations, tuple(rollbacks.values()))

    def rolled_back(self, environment: Path, at: int) -> Mark:
        """Return the mark after a rollback to one of its generations."""
        former = {item.former for item in self.rollbacks} | {self.environment}
        rollbacks = tuple(Rollback(path, environment, at) for path in sorted(former - {environment}))
        return replace(self, environment=environment, rollbacks=rollbacks)

    def led_to(self, environment: Path, planned: int) -> Path | None:
        """Return where a rollback leads the requests that `environment` answered since `planned`; None: nowhere."""
        return next((item.now for item in self.rollbacks if item.former == environment and planned < item.at), None)

    @property
    def is_rolled_back(self) -> bool:
        """A rollback put the environment in force, and a newer one is kept."""
        newest = self.generations[0].environment if self.generations else self.environment
        return self.environment != newest and any(item.now == self.environment for item in self.rollbacks)

    def without(self, environment: Path) -> Mark:
        """Return the mark without a generation that is not the one in force."""
        kept = (item for item in self.generations if item.environment != environment or environment == self.environment)
        return replace(self, generations=tuple(kept))


def _key(environment: Path) -> str:
    return environment.name.rpartition("-")[0]


def new_mark(environment: Path, now: str, *former: Path) -> Mark:
    """Return the mark of a new shell, or of one whose mark was spoilt and that led to `former` environments."""
    return Mark(environment, tuple(Generation(path, now) for path in dict.fromkeys((environment, *former))))


class _Stored(Mark, frozen=True, kw_only=True):
    """The form of a stored mark; version 0.1 wrote no rollbacks."""

    schema: int


def is_newer_mark(shell: Path) -> bool:
    """Tell whether a later version of venvkit wrote the mark of a shell, which alone may judge and change it."""
    head = cachefile.load(shell / MARK, _Head)
    return head is not None and head.schema > SCHEMA


class _Head(Struct, frozen=True):
    schema: int


def read_mark(shell: Path) -> Mark | None:
    """Read a shell's mark; None when this is no shell of ours."""
    stored = cachefile.load(shell / MARK, _Stored)
    if stored is None or stored.schema != SCHEMA:
        return None
    mark = Mark(stored.environment, stored.generations, stored.rollbacks)
    return mark if all(item.is_absolute() for item in mark.environments) else None


def write_mark(shell: Path, mark: Mark, *, sync: Sync = "content") -> None:
    """Write a shell's mark, atomically."""
    content = {"schema": SCHEMA, **to_builtins(mark, enc_hook=str)}
    if (shell / MARK).is_dir():  # it cannot be replaced by a file
        remove_tree(shell / MARK)
    write_atomically(shell / MARK, canonical_json(content), what="mark", sync=sync)
