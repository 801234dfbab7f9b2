"""`venvkit show MODEL`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct, to_builtins

from venvkit.cli.options.request import json_option, request_options
from venvkit.cli.options.select import select, store
from venvkit.cli.outcome import Outcome
from venvkit.cli.page.blocks import Block, Fields, Line
from venvkit.cli.page.text import size
from venvkit.cli.views.conflicts import conflict_tables
from venvkit.cli.views.place import Place
from venvkit.cli.views.plan import PlanView
from venvkit.errors import UsageError
from venvkit.launch.asked import Call
from venvkit.launch.given import is_path
from venvkit.launch.warm import read_entry
from venvkit.proof.ownership import Conflict
from venvkit.settings import load_settings
from venvkit.store.layout import Layout
from venvkit.store.lock.lease import holders
from venvkit.store.look.inventory import Entry

if TYPE_CHECKING:
    from venvkit.launch.asked import Choices


class Sight(Struct, frozen=True):
    """The result of `show`: a place, and what its receipt says where it has one."""

    place: Place
    environment: str
    interpreter: str
    host: str
    created: str
    venvkit: str
    uv: str
    problem: str
    used_by: tuple[int, ...]
    plan: PlanView | None
    conflicts: tuple[Conflict, ...] = ()

    @classmethod
    def of(cls, layout: Layout, entry: Entry) -> Sight:
        """Return what is shown of an entry of the store."""
        receipt = entry.receipt
        lease = layout.lease(entry.environment.name) if entry.environment is not None else None
        return cls(
            place=Place.of(entry),
            environment=str(entry.environment or ""),
            interpreter=receipt.python if receipt else "",
            host=receipt.host_python if receipt else "",
            created=receipt.created if receipt else "",
            venvkit=receipt.venvkit if receipt else "",
            uv=receipt.uv if receipt else "",
            problem=entry.problem,
            used_by=holders(lease) if lease is not None and entry.in_use else (),
            plan=PlanView.built(receipt) if receipt else None,
            conflicts=receipt.conflicts if receipt else (),
        )

    def data(self) -> object:
        own = to_builtins(self)
        return {**own.pop("place"), **own}

    def blocks(self) -> Iterator[Block]:
        place = self.place
        engine = "" if place.engine == "default" else f" for {place.engine}"
        if self.problem:
            yield Line(f"{place.model}{engine}, Python {place.python}: {place.state}, {self.problem}", "bad")
        else:
            yield Line(f"{place.model}{engine}, Python {place.python}: {place.state}", "good")
        yield Fields(tuple((name, value) for name, value in self._facts() if value))
        if self.plan is not None:
            yield from self.plan.tables(verb="installed")
            yield from conflict_tables(self.conflicts)

    def _facts(self) -> Iterator[tuple[str, str]]:
        place = self.place
        how = f"uv {self.uv}" if self.uv else "pip"
        yield "shell", place.path
        yield "environment", self.environment
        yield "interpreter", self.interpreter
        yield "host", self.host or ("not visible" if self.plan else "")
        yield "key", place.key
        yield "size", size(place.size) if place.key else ""
        yield "created", f"{self.created} by venvkit {self.venvkit} with {how}" if self.created else ""
        pids = ", ".join(map(str, self.used_by))
        yield "in use", (f"by pid {pids}" if pids else "yes") if place.in_use else "no"


@click.command("show")
@click.argument("model")
@request_options
@json_option
def command(model: str, choices: Choices) -> Outcome:
    """Show the environment of MODEL: its receipt, its host and its paths.

    With the path of a spec and build's options, the environment that answers exactly those; with a name, the one
    in the store (--engine and --python tell several apart).
    """
    layout = store()
    found = _exact(layout, model, choices) if is_path(model) else None
    return Outcome(Sight.of(layout, found or _by_name(layout, model, choices)))


def _exact(layout: Layout, model: str, choices: Choices) -> Entry | None:
    """Return the place that answered this very request, as long as it still leads to the same environment."""
    environ = dict(os.environ)
    answer = read_entry(str(layout.request(Call(model, choices, load_settings(environ), environ).key())))
    if answer is None:
        return None
    facts = answer["facts"]
    wanted = (Path(facts["shell"]), Path(facts["path"]))
    try:
        entries = select(layout, facts["model"], facts["engine"])
    except UsageError:
        return None
    return next((entry for entry in entries if (entry.path, entry.environment) == wanted), None)


def _by_name(layout: Layout, model: str, choices: Choices) -> Entry:
    other = sorted(choices.keys() - {"engine", "python"})
    if other:
        raise UsageError(
            f"nothing in the store was built with these options: {', '.join(other)}",
            code="model-not-built",
            where=model,
            remedy="`venvkit build` with the same options makes it; without options, show takes any of the model's",
        )
    found = select(layout, model, choices.get("engine"))
    version = choices.get("python", "")
    found = tuple(entry for entry in found if f"{entry.python}.".startswith(f"{version}." if version else ""))
    if len(found) == 1:
        return found[0]
    there = ", ".join(f"{entry.engine} on Python {entry.python}" for entry in found) or "none"
    raise UsageError(
        f"{len(found)} environments of {model!r} fit: {there}",
        code="model-ambiguous" if found else "model-not-built",
        where=model,
        remedy="tell them apart with --engine and --python",
    )
