"""One environment of the store as a page."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from venvkit.cli.outcome import plain
from venvkit.cli.page.blocks import Block, Fields, Line
from venvkit.cli.page.text import size
from venvkit.cli.views.conflicts import conflict_tables
from venvkit.cli.views.place import Place
from venvkit.cli.views.plan import PlanView
from venvkit.formats.receipt import Conflict
from venvkit.store.layout import Layout
from venvkit.store.lock.lease import holders
from venvkit.store.look.inventory import Entry


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
        own = plain(self)
        return {**own.pop("place"), **own}

    def blocks(self) -> Iterator[Block]:
        place = self.place
        engine = "" if place.engine == "default" else f" for {place.engine}"
        if self.problem:
            yield Line(f"{place.model}{engine}, Python {place.python}: {place.condition}, {self.problem}", "bad")
        else:
            yield Line(f"{place.model}{engine}, Python {place.python}: {place.condition}", "good")
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
