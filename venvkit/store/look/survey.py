"""One reading of a store, as a value: every shell, every environment, every index entry, and what runs.

What is listed, shown, checked, removed and collected is computed from it; only what changes the store asks again, thing
by thing, before it drops one (see `store.change.drop`).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from venvkit.base.files import listed
from venvkit.formats.receipt import seal_of
from venvkit.store.layout import Layout
from venvkit.store.lock.lease import in_use, last_use
from venvkit.store.lock.processes import running_in
from venvkit.store.look.index import Indexed, read_index
from venvkit.store.look.shells import ENVIRONMENT_NAME, Shell, read_shells


class StoredEnvironment(Struct, frozen=True):
    """An environment.

    Args:
        state: `sealed`; `unknown`: sealed by another version; `incomplete`: its build did not finish.
        leased: A process uses it.
        used: When it was last put in force, or a process last started from it, in seconds since the epoch.
    """

    path: Path
    state: Literal["sealed", "unknown", "incomplete"]
    leased: bool
    used: float


class Survey(Struct, frozen=True):
    """A store as it was found.

    Args:
        shells: Everything that stands where shells stand, sorted by path.
        environments: By path, in the order of their names.
        index: The entries of the index.
        running: The processes that run from a shell or an environment, by its path.
    """

    shells: tuple[Shell, ...]
    environments: Mapping[Path, StoredEnvironment]
    index: tuple[Indexed, ...]
    running: Mapping[Path, tuple[int, ...]]

    def is_used(self, environment: Path) -> bool:
        """Tell whether a process uses an environment."""
        item = self.environments.get(environment)
        return item is not None and (item.leased or environment in self.running)

    def last_use(self, shell: Shell) -> float:
        """Return when a shell was last made to point, or its environment last used, in seconds since the epoch."""
        environment = self.environments.get(shell.environment) if shell.environment is not None else None
        return max(shell.made, environment.used if environment is not None else 0.0)

    def wanted(self, keep_last: int | None = None, without: Collection[Path] = ()) -> set[Path]:
        """Return what the shells want, but for those whose path is in `without`."""
        kept = (shell for shell in self.shells if shell.path not in without)
        return set().union(*(shell.wants(keep_last, self.environments) for shell in kept))

    def entries_of(self) -> dict[str, list[Indexed]]:
        """Return the index entries that lead to each shell, by its path."""
        found: dict[str, list[Indexed]] = {}
        for item in self.index:
            if item.answer is not None:
                found.setdefault(item.answer.facts.shell, []).append(item)
        return found

    def useless(self, dropped: Collection[Path]) -> Iterator[Indexed]:
        """Yield the index entries that can never be true again once shells and environments in `dropped` are gone."""
        shells = {str(shell.path): shell for shell in self.shells if shell.path not in dropped}
        for item in self.index:
            if item.answer is None:
                if not item.newer:
                    yield item
                continue
            facts, shell = item.answer.facts, shells.get(item.answer.facts.shell)
            led = shell.mark.led_to(Path(facts.path), item.answer.planned) if shell and shell.mark else None
            environment = led or Path(facts.path)
            if shell is None or environment not in self.environments or environment in dropped:
                yield item


def survey(layout: Layout, *, processes: bool = True) -> Survey:
    """Read a store.

    The leases come first: whoever puts an environment in force holds one, so that each change of a shell is either seen
    or leased.

    Args:
        processes: Look for processes that run from it, which costs a look at all of the machine's.
    """
    environments = {}
    for path in environment_folders(layout):
        lease = layout.lease(path.name)
        state = seal_of(path) or "incomplete"
        environments[path] = StoredEnvironment(path, state, in_use(lease, soft=layout.soft), last_use(lease))
    shells, index = read_shells(layout), read_index(layout)
    found = Survey(shells, environments, index, running_in(layout) if processes else {})
    if all(shell.state in ("ours", "foreign") for shell in shells):
        return found
    entries = found.entries_of()
    return replace(found, shells=tuple(_with_entries(shell, entries.get(str(shell.path), ())) for shell in shells))


def _with_entries(shell: Shell, entries: Collection[Indexed]) -> Shell:
    """Have a shell whose mark cannot be read protect what the index says of it."""
    if shell.mark is not None:
        return shell
    return replace(shell, pointed=shell.pointed | {Path(item.answer.facts.path) for item in entries if item.answer})


def environment_folders(layout: Layout) -> list[Path]:
    """Return the environments and their rubble, sorted; what is named otherwise is not ours to judge."""
    return [Path(path) for path in listed(layout.envs) if ENVIRONMENT_NAME.fullmatch(os.path.basename(path))]  # noqa: PTH119
