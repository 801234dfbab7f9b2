"""One environment of the store as a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from venvkit.api.store import Store
from venvkit.base.plain import plain
from venvkit.cli.page.blocks import Block, Line, facts
from venvkit.cli.page.text import size
from venvkit.cli.views.plan import PlanView, built_blocks
from venvkit.formats.receipt import Receipt
from venvkit.proof.findings import of_receipt
from venvkit.store.look.inventory import Entry

_LEVELS = {
    "metadata": "by metadata, files and start",
    "linkage": "by metadata, files, start and shared objects",
    "import": "by metadata, files, start, shared objects and imports of the request",
}


class Sight(Struct, frozen=True):
    """The result of `show`: a place, and what its receipt says where it has one."""

    entry: Entry
    receipt: Receipt | None
    used_by: tuple[int, ...]

    @classmethod
    def of(cls, store: Store, entry: Entry) -> Sight:
        """Return the view of an entry of the store."""
        return cls(entry, entry.receipt, store.users(entry))

    def data(self) -> dict[str, Any]:
        receipt = self.receipt
        return {
            **self.entry.to_dict(),
            "environment": str(self.entry.environment or ""),
            "interpreter": receipt.python if receipt else "",
            "host": receipt.host_python if receipt else "",
            "created": receipt.created if receipt else "",
            "venvkit": receipt.venvkit if receipt else "",
            "uv": receipt.uv if receipt else "",
            "problem": self.entry.problem,
            "used_by": self.used_by,
            "plan": PlanView.built(receipt).data() if receipt else None,
            "conflicts": plain(receipt.conflicts) if receipt else [],
            "proved": receipt.proved if receipt else "",
            "findings": plain(tuple(of_receipt(receipt))) if receipt else [],
        }

    def blocks(self) -> Iterator[Block]:
        entry = self.entry
        engine = "" if entry.engine == "default" else f" for {entry.engine}"
        problem = f", {entry.problem}" if entry.problem else ""
        title = f"{entry.model}{engine}, Python {entry.python}: {entry.condition}{problem}"
        yield Line(title, "bad" if problem else "good")
        yield facts(self._facts())
        if self.receipt is not None:
            yield from built_blocks(self.receipt)

    def _facts(self) -> Iterator[tuple[str, str]]:
        entry, receipt = self.entry, self.receipt
        yield "shell", str(entry.path)
        yield "environment", str(entry.environment or "")
        if receipt is not None:
            yield "interpreter", receipt.python
            yield "host", receipt.host_python or "not visible"
        yield "key", entry.key
        yield "size", size(entry.size) if entry.key else ""
        if receipt is not None:
            tool = f"uv {receipt.uv}" if receipt.uv else "pip"
            yield "proved", _LEVELS[receipt.proved]
            yield "created", f"{receipt.created} by venvkit {receipt.venvkit} with {tool}"
        pids = ", ".join(map(str, self.used_by))
        yield "in use", (f"by pid {pids}" if pids else "yes") if entry.in_use else "no"
