"""A plan as it is shown: by `plan` before a build, by `build` and `show` from the receipt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from venvkit.cli.outcome import plain
from venvkit.cli.page.blocks import Block, Cell, Column, Fields, Line, Table, table
from venvkit.cli.page.text import counted, size
from venvkit.cli.views.why import chain_of, explained
from venvkit.events import Warned
from venvkit.formats.receipt import Receipt
from venvkit.host.distribution import Unreadable
from venvkit.launch.planning import Planned
from venvkit.plan.explain import Why
from venvkit.plan.values import Absent, Held, Hidden, Inherited, Installed, Plan, Relaxed, Repaired, Shadow, Violation
from venvkit.spec.language.requires import unreadable_requires

if TYPE_CHECKING:
    pass

_REASON = Column("reason", "quiet", folds=True)
_NAME = Column("name", "strong")
_VERSION = Column("version", "version")
_ON_HOST = Column("on the host", "version")
_HERE = Column("here", "version")


class Install(Struct, frozen=True):
    """A distribution that is installed. `size` is in bytes, None when no source tells it."""

    name: str
    version: str
    url: str | None
    reason: tuple[str, ...]
    size: int | None
    builds: bool

    @classmethod
    def of(cls, item: Installed) -> Install:
        """Return what is shown of it."""
        found = item.description
        return cls(item.name, item.version, item.url or found.url, item.reason, found.size, found.builds)


class PlanView(Struct, frozen=True):
    """A plan. `python` is the environment's version, `host` the interpreter behind it, empty when it sees none."""

    python: str
    host: str
    install: tuple[Install, ...]
    inherit: tuple[Inherited, ...]
    shadow: tuple[Shadow, ...]
    held: tuple[Held, ...]
    repaired: tuple[Repaired, ...]
    broken: tuple[Violation, ...]
    relaxed: tuple[Relaxed, ...]
    absent: tuple[Absent, ...]
    hidden: tuple[Hidden, ...]
    warnings: tuple[Warned, ...]
    key: str
    unreadable: tuple[Unreadable, ...]
    download_bytes: int

    @classmethod
    def of(
        cls,
        plan: Plan,
        *,
        python: str,
        host: str,
        key: str,
        unreadable: tuple[Unreadable, ...] = (),
        hidden: tuple[Hidden, ...] = (),
    ) -> PlanView:
        """Return what is shown of a plan; `hidden` are those that the proofs added to the plan's own, and these."""
        return cls(
            python=python,
            host=host,
            install=tuple(Install.of(item) for item in plan.install),
            inherit=plan.inherit,
            shadow=plan.shadow,
            held=plan.held,
            repaired=plan.repaired,
            broken=plan.broken,
            relaxed=plan.relaxed,
            absent=plan.absent,
            hidden=hidden or plan.hidden,
            warnings=plan.warnings,
            key=key,
            unreadable=unreadable,
            download_bytes=plan.download_bytes,
        )

    @classmethod
    def built(cls, receipt: Receipt) -> PlanView:
        """Return the plan that an environment was built from."""
        return cls.of(
            receipt.plan,
            python=receipt.interpreter,
            host=receipt.host_python,
            key=receipt.key,
            hidden=receipt.hidden,
        )

    def data(self) -> dict[str, object]:
        data: dict[str, object] = plain(self)
        return data

    def tables(self, *, verb: str) -> Iterator[Block]:
        """Yield the plan's parts that are not empty; `verb` heads what gets installed."""
        yield self._install_table(verb) if self.install else Line(f"{verb}: nothing", "strong")
        parts = (
            self._inherit_table(),
            self._held_table(),
            self._repaired_table(),
            self._hidden_table(),
            self._relaxed_table(),
            self._absent_table(),
            self._warnings_table(),
            self._broken_table(),
            self._unreadable_table(),
        )
        yield from (part for part in parts if part.rows)

    def _install_table(self, verb: str) -> Table:
        known = all(item.size is not None for item in self.install)
        amount = f"{'' if known else 'at least '}{size(self.download_bytes)}"
        replaced = {str(item.name): item.host_version for item in self.shadow}
        columns = (_NAME, _VERSION, Column("size", right=True), Column("note", "warn", folds=True), _REASON)
        rows = [
            (item.name, item.version, size(item.size), _note(item, replaced.get(item.name)), _last(item.reason))
            for item in self.install
        ]
        return table(f"{verb}: {counted(len(rows), 'distribution')}, {amount}", columns, rows)

    def _inherit_table(self) -> Table:
        rows = [(item.name, item.version, _last(item.reason)) for item in self.inherit]
        title = f"inherited: {counted(len(rows), 'distribution')} of the host"
        return table(title, (_NAME, _VERSION, _REASON), rows)

    def _held_table(self) -> Table:
        columns = (Column("distribution", "strong"), Column("requires", folds=True))
        rows = [(item.distribution, item.requirement) for item in self.held]
        return table("held: bounds of the host that were kept", columns, rows)

    def _repaired_table(self) -> Table:
        columns = (_NAME, _ON_HOST, _HERE, Column("download", right=True), Column("because", "quiet", folds=True))
        sizes = {item.name: item.size for item in self.install}
        rows = [
            (item.name, item.host_version, item.version, size(sizes.get(item.name)), item.because)
            for item in self.repaired
        ]
        return table("repaired: what would have been broken, installed anew", columns, rows)

    def _hidden_table(self) -> Table:
        columns = (_NAME, _ON_HOST, Column("because", "quiet", folds=True))
        rows = [(item.name, item.version, item.reason) for item in self.hidden]
        return table("hidden: of the host, and not seen by the environment", columns, rows, "warn")

    def _relaxed_table(self) -> Table:
        columns = (Column("asked", "strong"), _ON_HOST, _HERE)
        rows = [(item.requirement, item.host_version, item.version) for item in self.relaxed]
        return table("relaxed: pins to the host's version that have no solution", columns, rows)

    def _absent_table(self) -> Table:
        columns = (Column("asked", "strong"), Column("because", "quiet", folds=True))
        rows = [(item.requirement, item.reason) for item in self.absent]
        return table("absent: optional, and without a solution", columns, rows, "warn")

    def _warnings_table(self) -> Table:
        rows = [(item.code, item.message) for item in self.warnings]
        return table("warnings of the resolver", (Column("code", "warn"), Column("about", folds=True)), rows, "warn")

    def _broken_table(self) -> Table:
        columns = (Column("distribution", "strong"), Column("requires", folds=True), Column("finds"))
        rows = [(item.distribution, item.requirement, Cell(item.found or "nothing", "bad")) for item in self.broken]
        return table(f"broken: {counted(len(rows), 'requirement')} not met", columns, rows, "bad")

    def _unreadable_table(self) -> Table:
        columns = (Column("path", folds=True), Column("why", "quiet", folds=True))
        rows = [(item.path, item.why) for item in self.unreadable]
        return table(f"unreadable on the host: {len(rows)}", columns, rows, "warn")


def _note(item: Install, replaced: str | None) -> str:
    notes = [f"replaces {replaced}"] if replaced else []
    return ", ".join([*notes, *(["from source"] if item.builds else [])])


def _last(reason: tuple[str, ...]) -> str:
    """Return the last link of a chain: what asks for the distribution itself."""
    return reason[-1] if reason else ""


class Decision(Struct, frozen=True):
    """The result of `plan`. `why` explains each distribution of the plan; None where nobody asked."""

    model: str
    plan: PlanView
    why: tuple[Why, ...] | None = None

    @classmethod
    def of(cls, planned: Planned, *, explain: bool = False) -> Decision:
        """Return what is shown of a plan that was made."""
        host = planned.recipe.host
        view = PlanView.of(
            planned.plan,
            python=planned.recipe.interpreter.version,
            host=host.interpreter.python if host is not None else "",
            key=planned.key,
            unreadable=(*planned.reading.host.unreadable, *unreadable_requires(planned.reading.host.distributions)),
        )
        why = explained(planned.plan, planned.recipe.problem) if explain else None
        return cls(planned.reading.spec.name, view, why)

    def data(self) -> object:
        why = {} if self.why is None else {"why": plain(self.why)}
        return {**self.plan.data(), **why}

    def blocks(self) -> Iterator[Block]:
        plan = self.plan
        yield Fields(
            (("python", plan.python), ("host", plan.host or "not visible"), ("key", plan.key[:16])),
            title=f"{self.model}: plan",
        )
        yield from plan.tables(verb="to install")
        yield from map(chain_of, self.why or ())
        if not plan.broken:
            yield Line("consistent: every requirement that is reached holds, and nothing of the host is broken", "good")
