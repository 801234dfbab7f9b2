"""The results of `Store`: frozen values with `to_dict()` (dicts, sequences and scalars) and `warnings`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from venvkit.base.plain import plain
from venvkit.errors import BusyError, ProofError, VenvkitError
from venvkit.events import Warned

if TYPE_CHECKING:
    from venvkit.launch.examine import Verdict
    from venvkit.store.change.remove import Removed
    from venvkit.store.collect.gc import Report
    from venvkit.store.look.history import Past
    from venvkit.store.look.inventory import Entry


class Result(Struct, frozen=True):
    """What a method of `Store` found or did."""

    @property
    def failure(self) -> VenvkitError | None:
        """The error that the command line ends with after it has shown the result; None when all was done."""
        return None

    @property
    def warnings(self) -> tuple[Warned, ...]:
        """What was not done, or is not as it should be, each with a stable code."""
        return ()

    def to_dict(self) -> dict[str, Any]:
        """Return the result as dicts, sequences and scalars: what `--json` prints."""
        raise NotImplementedError


class Places(Result, frozen=True):
    """The models of a store, sorted by path."""

    root: Path
    entries: tuple[Entry, ...]

    @property
    def warnings(self) -> tuple[Warned, ...]:
        return tuple(
            Warned(item.state, f"{item.label}: {item.problem}") for item in self.entries if item.state != "ready"
        )

    def to_dict(self) -> dict[str, Any]:
        return {"environments": [entry.to_dict() for entry in self.entries]}


class Verdicts(Result, frozen=True):
    """What a check found, for each environment."""

    verdicts: tuple[Verdict, ...]

    @property
    def failure(self) -> ProofError | None:
        failed = [verdict.label for verdict in self.verdicts if not verdict.ok]
        if not failed:
            return None
        return ProofError(
            f"{_environments(len(failed))} of {len(self.verdicts)} not proved",
            where=", ".join(failed),
            remedy="`venvkit check --repair` rebuilds it",
        )

    @property
    def warnings(self) -> tuple[Warned, ...]:
        found = ((verdict.label, finding) for verdict in self.verdicts for finding in verdict.findings)
        return tuple(Warned(finding.kind, f"{label}: {finding.message}") for label, finding in found)

    def to_dict(self) -> dict[str, Any]:
        return {"environments": [verdict.to_dict() for verdict in self.verdicts]}


class Removal(Result, frozen=True):
    """What was removed, and why the rest stays: `in-use`, or `not-ours`."""

    removed: tuple[Removed, ...]
    refused: tuple[VenvkitError, ...] = ()

    @property
    def failure(self) -> VenvkitError | None:
        if len(self.refused) < 2:
            return next(iter(self.refused), None)
        return BusyError(
            f"{_environments(len(self.refused))} stay",
            code="in-use",
            remedy="end the processes that use them first",
            details=tuple(f"{error.where}: {error.message}" for error in self.refused),
        )

    @property
    def warnings(self) -> tuple[Warned, ...]:
        return tuple(Warned(error.code, error.message) for error in self.refused)

    def to_dict(self) -> dict[str, Any]:
        removed = [
            {**item.entry.to_dict(), "environment_removed": item.whole, "freed_bytes": item.freed}
            for item in self.removed
        ]
        return {"removed": removed, "freed_bytes": sum(item.freed for item in self.removed)}


class Collection(Result, frozen=True):
    """What a collection removed, or with `dry_run` would remove.

    Args:
        max_size: The bytes that the store was to be held to; None for no limit.
        cache: What uv said when its cache was pruned; None when it was not.
    """

    report: Report
    max_size: int | None
    dry_run: bool
    cache: str | None

    @property
    def failure(self) -> BusyError | None:
        size = self.report.size
        if self.max_size is None or size <= self.max_size:
            return None
        busy = [item for item in self.report.left if item.pids]
        why = f"{_environments(len(busy))} in use" if busy else "the rest is kept, in use or not venvkit's"
        return BusyError(
            f"{size / 1e6:.1f} MB remain, more than the {self.max_size / 1e6:.1f} MB asked for: {why}",
            code="in-use" if busy else "max-size",
            details=tuple(f"{item.path}: pid {', '.join(map(str, item.pids))}" for item in busy),
            remedy="end those processes first" if busy else "ask for more, or keep less",
        )

    @property
    def warnings(self) -> tuple[Warned, ...]:
        failure = self.failure
        left = tuple(Warned("left", f"{item.path}: {item.why}") for item in self.report.left)
        return (*left, Warned(failure.code, failure.message)) if failure is not None else left

    def to_dict(self) -> dict[str, Any]:
        report = plain(self.report)
        return {
            "dry_run": self.dry_run,
            "removed": report["removed"],
            "left": report["left"],
            "freed_bytes": report["freed"],
            "size_bytes": report["size"],
            "cache": self.cache,
        }


class Histories(Result, frozen=True):
    """The environments that each place of a model had, the newest first."""

    places: tuple[tuple[Entry, tuple[Past, ...]], ...]

    def to_dict(self) -> dict[str, Any]:
        return {"environments": [{**entry.head(), "generations": plain(past)} for entry, past in self.places]}


class RolledBack(Result, frozen=True):
    """A rollback: the ids of the environment that was in force, and of the one that is now."""

    entry: Entry
    former: str
    environment: str

    def to_dict(self) -> dict[str, Any]:
        return {**self.entry.head(), "former": self.former, "environment": self.environment}


def _environments(count: int) -> str:
    return f"{count} environment{'' if count == 1 else 's'}"
