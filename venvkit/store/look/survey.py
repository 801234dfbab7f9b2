"""What a collection looks at: every shell and every environment, who wants what, and when it was last used."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Literal

from msgspec import Struct

from venvkit.base.files import listed
from venvkit.formats.mark import MARK, read_mark
from venvkit.formats.receipt import seal_of
from venvkit.store.layout import Layout
from venvkit.store.lock.lease import in_use, last_use
from venvkit.store.lock.processes import running_from
from venvkit.store.look.shells import pointed_environments, shells_of, wanted_by_mark

ENVIRONMENT_NAME = re.compile(r"[0-9a-f]+-\d+")


class Shell(Struct, frozen=True):
    """A shell of ours: the environment in force, and all that it wants."""

    path: Path
    environment: Path
    wants: frozenset[Path]
    made: float


class StoredEnvironment(Struct, frozen=True):
    """An environment: `sealed`, or `unknown` (sealed by another version), and whether a process leases it."""

    path: Path
    state: Literal["sealed", "unknown"]
    leased: bool
    used: float


class Survey(Struct, frozen=True):
    """The store as it was found. Rubble is not in it.

    Args:
        shells: The shells whose mark can be read.
        environments: The sealed environments, by path.
        pointed: The environments that other shells lead to, those with a mark that is spoilt or of a later version.
    """

    shells: tuple[Shell, ...]
    environments: dict[Path, StoredEnvironment]
    pointed: frozenset[Path] = frozenset()

    def wanted(self, dropped: Container[Path]) -> set[Path]:
        """Return what the shells want that are not among `dropped`."""
        return {path for shell in self.shells if shell.path not in dropped for path in shell.wants} | self.pointed

    def unwanted(self, dropped: Container[Path], keep: tuple[str, ...]) -> Iterator[Path]:
        """Yield the environments that may go when the shells in `dropped` do."""
        wanted = self.wanted(dropped)
        for item in self.environments.values():
            if item.path not in wanted and self._may_go(item, keep):
                yield item.path

    def former_generations(self, dropped: Container[Path], keep: tuple[str, ...]) -> list[Path]:
        """Return the environments that shells keep for a rollback only, the least recently used first."""
        in_force = {shell.environment for shell in self.shells if shell.path not in dropped} | self.pointed
        kept = {path for shell in self.shells if _named(shell.path, keep) for path in shell.wants}
        former = [
            item for item in self.environments.values() if item.path not in in_force | kept and self._may_go(item, keep)
        ]
        return [item.path for item in sorted(former, key=lambda item: item.used)]

    def may_drop(self, shell: Shell, keep: tuple[str, ...]) -> bool:
        """Tell whether a shell is neither kept by name nor in use."""
        environment = self.environments.get(shell.environment)
        if _named(shell.path, keep) or shell.environment.name in keep:
            return False
        return not (environment is not None and environment.leased) and not running_from(shell.path)

    def last_use(self, shell: Shell) -> float:
        """Return when a shell was last made to point, or its environment last used, in seconds since the epoch."""
        environment = self.environments.get(shell.environment)
        return max(shell.made, environment.used if environment is not None else 0.0)

    @staticmethod
    def _may_go(item: StoredEnvironment, keep: tuple[str, ...]) -> bool:
        return item.state == "sealed" and not item.leased and item.path.name not in keep and str(item.path) not in keep


def _named(shell: Path, keep: tuple[str, ...]) -> bool:
    return str(shell) in keep or shell.parent.parent.name in keep


def survey(layout: Layout, keep_last: int | None = None) -> Survey:
    """Look at a store; `keep_last` bounds the generations that its shells may want."""
    shells = []
    pointed: set[Path] = set()
    for path in shells_of(layout):
        mark = read_mark(path)
        if mark is None:
            pointed |= pointed_environments(path)
        else:
            made = last_use(path / MARK)
            shells.append(Shell(path, mark.environment, frozenset(wanted_by_mark(path, mark, keep_last)), made))
    environments = {}
    for path in environment_folders(layout):
        state = seal_of(path)
        if state is not None:
            lease = layout.lease(path.name)
            environments[path] = StoredEnvironment(path, state, in_use(lease), last_use(lease))
    return Survey(tuple(shells), environments, frozenset(pointed))


def environment_folders(layout: Layout) -> list[Path]:
    """Return the environments and their rubble, sorted; what is named otherwise is not ours to judge."""
    return [Path(path) for path in listed(layout.envs) if ENVIRONMENT_NAME.fullmatch(os.path.basename(path))]  # noqa: PTH119
