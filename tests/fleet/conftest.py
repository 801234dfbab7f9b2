"""A small fleet that is planned in this process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.shelf import Shelf, fill, make_shelf
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse
from venvkit.base.process import Completed, Runner
from venvkit.events import Event, Step
from venvkit.fleet.expand import Wanted
from venvkit.fleet.planning import Survey, plan_fleet
from venvkit.fleet.values import Row
from venvkit.settings import load_settings


@pytest.fixture
def shelf(tmp_path: Path, wheelhouse: Wheelhouse, host: Host, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    return make_shelf(tmp_path / "shelf", wheelhouse, host, monkeypatch)


@pytest.fixture
def whole(shelf: Shelf, home: Path, host: Host) -> Shelf:
    return fill(shelf, home, host)


@dataclass
class Fleet:
    """Plans a shelf, and notes the steps."""

    shelf: Shelf
    steps: list[Step] = field(default_factory=list)
    cancel: threading.Event = field(default_factory=threading.Event)

    def plan(self, wanted: Wanted | None = None, *, jobs: int = 2, refresh: bool = False, **choices: Any) -> Survey:
        self.steps.clear()
        chosen: Any = {"specs": (str(self.shelf.folder),), **choices}
        environ = dict(os.environ)
        return plan_fleet(
            wanted or Wanted(),
            chosen,
            settings=load_settings(environ),
            environ=environ,
            jobs=jobs,
            refresh=refresh,
            observer=self.note,
            cancel=self.cancel,
        )

    def note(self, event: Event) -> None:
        if isinstance(event, Step):
            self.steps.append(event)


@pytest.fixture
def fleet(shelf: Shelf) -> Fleet:
    return Fleet(shelf)


@pytest.fixture
def resolves(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The commands of all resolves and locks that are run, as they are run."""
    seen: list[tuple[str, ...]] = []
    run: Callable[..., Completed] = Runner.run

    def noted(self: Runner, argv: Sequence[str], **options: Any) -> Completed:
        if {"--dry-run", "compile"} & set(argv):
            seen.append(tuple(argv))
        return run(self, argv, **options)

    monkeypatch.setattr(Runner, "run", noted)
    return seen


def by_name(survey: Survey, name: str, engine: str | None = None) -> Row:
    """Return the one row of a model and engine."""
    rows = (*survey.rows, *survey.expansion.faulty)
    (found,) = [row for row in rows if (row.model.name, row.engine) == (name, engine)]
    return found
