"""The result of `build --all` and of `build` with several models: what became of each, and the gravest failure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from venvkit.cli.page.blocks import Block, Cell, Column, Style, facts, listed
from venvkit.cli.page.text import counted
from venvkit.cli.views.fleet import interrupted, not_here, unread
from venvkit.errors import UsageError, VenvkitError
from venvkit.fleet.building import Fleet, Made
from venvkit.fleet.values import Trouble
from venvkit.formats.envelope import told

# Exit statuses, the gravest first: a fault of venvkit or of the machine meets every model, one of a spec only its own.
_GRAVITY = (1, 7, 4, 6, 3, 5, 2)
_STYLES: dict[str, Style] = {"built": "good", "ready": "good", "host": "quiet", "failed": "bad"}
_WORDS = {"built": "built", "ready": "was there already", "host": "switched off: the host", "failed": "failed"}
_MODEL = Column("model", "strong")
_ENGINE = Column("engine", of=lambda one: one.engine or "-")
_READY = (
    Column("model", "strong", lambda one: one.environment.model, folds=True),
    Column("engine", of=lambda one: one.engine or ""),
    Column("state", of=lambda one: Cell(_WORDS[one.state], _STYLES[one.state])),
    Column("seconds", "quiet", lambda one: f"{one.seconds:.1f}", right=True),
    Column("environment", "quiet", lambda one: one.environment.path.name, folds=True),
)
_FAILED = (
    _MODEL,
    _ENGINE,
    Column("code", of=lambda one: one.trouble.code),
    Column("why", "quiet", lambda one: _why(one.trouble), below=True),
)
_WARNED = (_MODEL, _ENGINE, Column("warning", "quiet", lambda one: "; ".join(one.warnings), below=True))


class FleetBuilt(Struct, frozen=True):
    """A fleet that was built."""

    fleet: Fleet

    @property
    def failure(self) -> VenvkitError | None:
        """The failure that the command ends with: an interruption, else the gravest of a build or of reading."""
        made, faults = self.fleet.made, self.fleet.order.faults
        if self.fleet.unfinished:
            return interrupted(self.fleet.unfinished, "model")
        failed = [(one, one.trouble) for one in made if one.trouble is not None]
        if failed:
            worst = min((trouble for _, trouble in failed), key=_rank)
            error = VenvkitError(
                f"{len(failed)} of {len(made)} models have no environment; the gravest: {worst.message}",
                code=worst.code,
                where=worst.where,
                remedy=worst.remedy,
                details=tuple(
                    f"{one.model}{f' for {one.engine}' if one.engine else ''}: {item.code}" for one, item in failed
                ),
            )
            error.exit_code = worst.exit_code
            return error
        if not faults:
            return None
        return UsageError(
            f"{counted(len(faults), 'file')} could not be read, and its models were not built",
            code="spec-unread",
            remedy="correct the file, or move it out of the folder",
            details=faults,
        )

    def data(self) -> dict[str, Any]:
        made = self.fleet.made
        return {
            "environments": [_made(one) for one in made],
            "passed_over": self.fleet.order.passed,
            "faults": self.fleet.order.faults,
            "totals": {
                "targets": len(made) + self.fleet.unfinished,
                "states": dict(Counter(one.state for one in made)),
                "environments": self._distinct(),
                "elsewhere": dict(self.fleet.order.elsewhere),
                "unfinished": self.fleet.unfinished,
            },
        }

    def blocks(self) -> Iterator[Block]:
        made, order = self.fleet.made, self.fleet.order
        passed = "passed over: another spec of the name has the place"
        parts = (
            listed("environments", (one for one in made if one.environment is not None), _READY),
            listed(passed, order.passed, (Column("model", of=str, folds=True),), "warn"),
            listed("failed", (one for one in made if one.trouble is not None), _FAILED, "bad"),
            listed("warnings", (one for one in made if one.warnings), _WARNED, "warn"),
            unread(order.faults),
        )
        yield from (part for part in parts if part.rows)
        yield facts(self._sums(), "in all")

    def _distinct(self) -> int:
        found = (one.environment for one in self.fleet.made if one.environment is not None)
        return len({environment.path.name for environment in found if not environment.is_host})

    def _sums(self) -> Iterator[tuple[str, str]]:
        states = Counter(one.state for one in self.fleet.made)
        yield "models", ", ".join(f"{count} {_WORDS[state]}" for state, count in states.most_common()) or "none"
        yield "environments", f"{self._distinct()} distinct"
        yield "not for this platform", not_here(self.fleet.order.elsewhere)
        yield "not finished", str(self.fleet.unfinished or "")


def _rank(trouble: Trouble) -> int:
    return _GRAVITY.index(trouble.exit_code) if trouble.exit_code in _GRAVITY else len(_GRAVITY)


def _made(one: Made) -> dict[str, object]:
    env = one.environment
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
        "error": one.trouble and told(one.trouble),
        "warnings": one.warnings,
    }


def _why(trouble: Trouble) -> str:
    return ": ".join(filter(None, (trouble.where, trouble.message, "; ".join(trouble.details[:2]))))
