"""The result of `build --all` and of `build` with several models: what became of each, and the gravest failure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from venvkit.cli.outcome import Failure
from venvkit.cli.page.blocks import Block, Cell, Column, Fields, Style, Table, table
from venvkit.cli.page.text import counted
from venvkit.cli.views.fleet import interrupted, unread
from venvkit.errors import UsageError
from venvkit.fleet.building import Fleet, Made
from venvkit.fleet.values import Trouble

# Exit statuses, the gravest first: a fault of venvkit or of the machine meets every model, one of a spec only its own.
_GRAVITY = (1, 7, 4, 6, 3, 5, 2)
_STYLES: dict[str, Style] = {"built": "good", "ready": "good", "host": "quiet", "failed": "bad"}
_WORDS = {"built": "built", "ready": "was there already", "host": "switched off: the host", "failed": "failed"}


class FleetBuilt(Struct, frozen=True):
    """A fleet that was built."""

    fleet: Fleet

    @property
    def failure(self) -> Failure | None:
        """The failure that the command ends with: an interruption, else the gravest of a build or of reading."""
        fleet = self.fleet
        if fleet.unfinished:
            return interrupted(fleet.unfinished, "model")
        failed = [(one, one.trouble) for one in fleet.made if one.trouble is not None]
        if not failed:
            return _unread_failure(fleet.order.faults)
        worst = min((trouble for _, trouble in failed), key=_rank)
        return Failure(
            worst.code,
            f"{len(failed)} of {len(fleet.made)} models have no environment; the gravest: {worst.message}",
            worst.where,
            worst.remedy,
            tuple(f"{one.model}{f' for {one.engine}' if one.engine else ''}: {item.code}" for one, item in failed),
            worst.exit_code,
        )

    def data(self) -> object:
        made = self.fleet.made
        return {
            "environments": [_made(one) for one in made],
            "passed_over": list(self.fleet.order.passed),
            "faults": list(self.fleet.order.faults),
            "totals": {
                "targets": len(made) + self.fleet.unfinished,
                "states": dict(Counter(one.state for one in made)),
                "environments": len(_ids(made)),
                "elsewhere": dict(self.fleet.order.elsewhere),
                "unfinished": self.fleet.unfinished,
            },
        }

    def blocks(self) -> Iterator[Block]:
        parts = (self._ready(), self._passed(), self._failed(), self._warnings(), unread(self.fleet.order.faults))
        yield from (part for part in parts if part.rows)
        yield Fields(tuple(self._sums()), title="in all")

    def _ready(self) -> Table:
        columns = (
            Column("model", "strong", folds=True),
            Column("engine"),
            Column("state"),
            Column("seconds", "quiet", right=True),
            Column("environment", "quiet", folds=True),
        )
        made = [one for one in self.fleet.made if one.environment is not None]
        rows = [
            (
                one.environment.model if one.environment else one.model,
                one.engine or "",
                Cell(_WORDS[one.state], _STYLES[one.state]),
                f"{one.seconds:.1f}",
                _id(one),
            )
            for one in made
        ]
        return table("environments", columns, rows)

    def _failed(self) -> Table:
        columns = (Column("model", "strong"), Column("engine"), Column("code"), Column("why", "quiet", below=True))
        rows = [
            (one.model, one.engine or "-", one.trouble.code, _why(one.trouble))
            for one in self.fleet.made
            if one.trouble is not None
        ]
        return Table("failed", columns, tuple(rows), "bad")

    def _passed(self) -> Table:
        rows = [(line,) for line in self.fleet.order.passed]
        return table(
            "passed over: another spec of the name has the place", (Column("model", folds=True),), rows, "warn"
        )

    def _warnings(self) -> Table:
        columns = (Column("model", "strong"), Column("engine"), Column("warning", "quiet", below=True))
        rows = [(one.model, one.engine or "-", "; ".join(one.warnings)) for one in self.fleet.made if one.warnings]
        return Table("warnings", columns, tuple(rows), "warn")

    def _sums(self) -> Iterator[tuple[str, str]]:
        made = self.fleet.made
        states = Counter(one.state for one in made)
        yield "models", ", ".join(f"{count} {_WORDS[state]}" for state, count in states.most_common()) or "none"
        yield "environments", f"{len(_ids(made))} distinct"
        others = [f"{count} of {engine}" for engine, count in self.fleet.order.elsewhere]
        if others:
            yield "not for this platform", ", ".join(others)
        if self.fleet.unfinished:
            yield "not finished", str(self.fleet.unfinished)


def _unread_failure(faults: Sequence[str]) -> Failure | None:
    """Return the failure of files that may hold more models and could not be read."""
    if not faults:
        return None
    return Failure.of(
        UsageError(
            f"{counted(len(faults), 'file')} could not be read, and its models were not built",
            code="spec-unread",
            remedy="correct the file, or move it out of the folder",
            details=tuple(faults),
        )
    )


def _rank(trouble: Trouble) -> int:
    return _GRAVITY.index(trouble.exit_code) if trouble.exit_code in _GRAVITY else len(_GRAVITY)


def _made(one: Made) -> dict[str, object]:
    env, trouble = one.environment, one.trouble
    return {
        "model": env.model if env else one.model,
        "engine": one.engine,
        "state": one.state,
        "path": str(env.shell or env.path) if env else "",
        "key": env.key if env else "",
        "environment": str(env.path) if env else "",
        "interpreter": str(env.python) if env else "",
        "built": env.built if env else False,
        "seconds": round(one.seconds, 3),
        "error": trouble
        and {name: getattr(trouble, name) for name in ("code", "message", "where", "remedy", "details")},
        "warnings": list(one.warnings),
    }


def _why(trouble: Trouble) -> str:
    return ": ".join(filter(None, (trouble.where, trouble.message, "; ".join(trouble.details[:2]))))


def _ids(made: Iterable[Made]) -> set[str]:
    return {_id(one) for one in made if one.environment is not None and not one.environment.is_host}


def _id(one: Made) -> str:
    return one.environment.path.name if one.environment is not None else ""
