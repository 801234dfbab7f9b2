"""A plan as it is shown: by `plan` before a build, by `build` and `show` from the receipt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from venvkit.base.plain import plain
from venvkit.cli.page.blocks import Block, Column, Fields, Line, Style, Table, listed
from venvkit.cli.page.text import counted, size
from venvkit.cli.views.findings import finding_blocks
from venvkit.cli.views.why import chain_of, explained
from venvkit.formats.finding import Finding
from venvkit.formats.receipt import Receipt
from venvkit.host.distribution import Unreadable
from venvkit.launch.planning import Planned
from venvkit.plan.explain import Why
from venvkit.plan.values import Installed, Plan
from venvkit.proof.findings import of_plan, of_receipt
from venvkit.spec.language.requires import unreadable_requires

# What a plan tells beside what it installs.
_PARTS = ("inherit", "shadow", "held", "repaired", "broken", "relaxed", "absent", "hidden", "warnings")
# The last link of a chain is what asks for the distribution itself.
_REASON = Column("reason", "quiet", of=lambda item: item.reason[-1] if item.reason else "", folds=True)
_NAME = Column("name", "strong")
_VERSION = Column("version", "version")
_ON_HOST = Column("on the host", "version", of="host_version")
_HERE = Column("here", "version", of="version")
_DISTRIBUTION = Column("distribution", "strong")
_REQUIRES = Column("requires", of="requirement", folds=True)
_ASKED = Column("asked", "strong", of="requirement")
_BECAUSE = Column("because", "quiet", folds=True)


class PlanView(Struct, frozen=True):
    """A plan. `python` is the environment's version, `host` the interpreter behind it, empty when it sees none."""

    plan: Plan
    python: str
    host: str
    key: str
    unreadable: tuple[Unreadable, ...] = ()

    @classmethod
    def built(cls, receipt: Receipt) -> PlanView:
        """Return the plan that an environment was built from, with what the proofs hid beside."""
        plan = replace(receipt.plan, hidden=receipt.hidden or receipt.plan.hidden)
        return cls(plan, receipt.interpreter, receipt.host_python, receipt.key)

    def data(self) -> dict[str, object]:
        return {
            "python": self.python,
            "host": self.host,
            "install": [_install(item) for item in self.plan.install],
            **{name: plain(getattr(self.plan, name)) for name in _PARTS},
            # Whoever asks for what the plan breaks of the host gets that of hidden distributions too.
            "broken": plain((*self.plan.broken, *(item for one in self.plan.hidden for item in one.broken))),
            "hidden": [
                {"name": item.name, "version": item.version, "reason": item.reason} for item in self.plan.hidden
            ],
            "key": self.key,
            "unreadable": plain(self.unreadable),
            "download_bytes": self.plan.download_bytes,
        }

    def tables(self, *, verb: str) -> Iterator[Block]:
        """Yield the plan's parts that are not empty; `verb` heads what gets installed."""
        yield self._install_table(verb) if self.plan.install else Line(f"{verb}: nothing", "strong")
        for items, title, columns, style in self._parts():
            if items:
                yield listed(title, items, columns, style)

    def _install_table(self, verb: str) -> Table:
        items = self.plan.install
        known = all(item.description.size is not None for item in items)
        amount = f"{'' if known else 'at least '}{size(self.plan.download_bytes)}"
        replaced = {item.name: f"replaces {item.host_version}" for item in self.plan.shadow}

        def note(item: Installed) -> str:
            built = "from source" if item.description.builds else ""
            variant = f"variant {item.description.variant}" if item.description.variant else ""
            return ", ".join(filter(None, (replaced.get(item.name), built, variant)))

        columns = (_NAME, _VERSION, Column("size", of=_size, right=True), Column("note", "warn", note, folds=True))
        return listed(f"{verb}: {counted(len(items), 'distribution')}, {amount}", items, (*columns, _REASON))

    def _parts(self) -> Iterator[tuple[tuple[object, ...], str, tuple[Column, ...], Style]]:
        plan = self.plan
        sizes = {item.name: _size(item) for item in plan.install}
        download = Column("download", of=lambda item: sizes.get(item.name, "-"), right=True)
        inherited = f"inherited: {counted(len(plan.inherit), 'distribution')} of the host"
        yield plan.inherit, inherited, (_NAME, _VERSION, _REASON), "strong"
        yield plan.held, "held: bounds of the host that were kept", (_DISTRIBUTION, _REQUIRES), "strong"
        repaired = "repaired: what would have been broken, installed anew"
        yield plan.repaired, repaired, (_NAME, _ON_HOST, _HERE, download, _BECAUSE), "strong"
        because = Column("because", "quiet", of="reason", folds=True)
        hidden = "hidden: of the host, and not seen by the environment"
        yield plan.hidden, hidden, (_NAME, Column("on the host", "version", "version"), because), "warn"
        relaxed = "relaxed: pins to the host's version that have no solution"
        yield plan.relaxed, relaxed, (_ASKED, _ON_HOST, _HERE), "strong"
        yield plan.absent, "absent: optional, and without a solution", (_ASKED, because), "warn"
        about = Column("about", of="message", folds=True)
        yield plan.warnings, "warnings of the resolver", (Column("code", "warn"), about), "warn"
        where = (Column("path", folds=True), Column("why", "quiet", folds=True))
        yield self.unreadable, f"unreadable on the host: {len(self.unreadable)}", where, "warn"


def built_blocks(receipt: Receipt) -> Iterator[Block]:
    """Yield the tables of a receipt's plan, and the findings of its proofs."""
    yield from PlanView.built(receipt).tables(verb="installed")
    yield from finding_blocks(of_receipt(receipt))


def _install(item: Installed) -> dict[str, object]:
    found = item.description
    return {
        "name": item.name,
        "version": item.version,
        "url": item.url or found.url,
        "reason": item.reason,
        "size_bytes": found.size,
        "builds": found.builds,
        **({"variant": found.variant} if found.variant else {}),
    }


def _size(item: Installed) -> str:
    return size(item.description.size)


class Decision(Struct, frozen=True):
    """The result of `plan`. `why` explains each distribution of the plan; None where nobody asked.

    Args:
        findings: What is known before a build: requirements that do not hold, and what does not fit the host itself.
    """

    model: str
    plan: PlanView
    findings: tuple[Finding, ...]
    why: tuple[Why, ...] | None = None

    @classmethod
    def of(cls, planned: Planned, *, explain: bool = False) -> Decision:
        """Return the view of a plan that was made."""
        host, seen = planned.recipe.host, planned.reading.host
        unreadable = (*seen.unreadable, *unreadable_requires(seen.distributions))
        behind = host.interpreter.python if host is not None else ""
        view = PlanView(planned.plan, planned.recipe.interpreter.version, behind, planned.key, unreadable)
        why = explained(planned.plan, planned.recipe.problem) if explain else None
        found = tuple(of_plan(planned.plan, planned.recipe.problem.unfit))
        return cls(planned.reading.spec.name, view, found, why)

    def data(self) -> dict[str, Any]:
        more = {} if self.why is None else {"findings": plain(self.findings), "why": plain(self.why)}
        return {**self.plan.data(), **more}

    def blocks(self) -> Iterator[Block]:
        view = self.plan
        facts = (("python", view.python), ("host", view.host or "not visible"), ("key", view.key[:16]))
        yield Fields(facts, title=f"{self.model}: plan")
        yield from view.tables(verb="to install")
        yield from finding_blocks(self.findings)
        yield from map(chain_of, self.why or ())
        if not view.plan.broken:
            yield Line("consistent: every requirement that is reached holds, and nothing of the host is broken", "good")
