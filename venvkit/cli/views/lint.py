"""The findings of lint as a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from venvkit.base.plain import plain
from venvkit.cli.page.blocks import Block, Fields, Line
from venvkit.cli.page.text import counted
from venvkit.errors import UsageError
from venvkit.lint.check import Checked
from venvkit.lint.findings import Finding


class Findings(Struct, frozen=True):
    """The result of `lint`."""

    checked: Checked

    @property
    def errors(self) -> int:
        return sum(one.severity == "error" for one in self.checked.findings)

    @property
    def warnings(self) -> int:
        return len(self.checked.findings) - self.errors

    @property
    def count(self) -> str:
        """The numbers of errors and warnings in words."""
        specs = counted(self.checked.specs, "spec")
        if not self.checked.findings:
            return f"{specs}, no findings"
        return f"{specs}: {counted(self.errors, 'error')}, {counted(self.warnings, 'warning')}"

    @property
    def failure(self) -> UsageError | None:
        """The failure that `lint` ends with: a spec has an error."""
        faulty = list(dict.fromkeys(one.spot.document for one in self.checked.findings if one.severity == "error"))
        if not faulty:
            return None
        more = f" and {len(faulty) - 3} more" if len(faulty) > 3 else ""
        where = f"{', '.join(faulty[:3])}{more}"
        return UsageError(self.count, code="lint-failed", where=where, remedy="correct what is named")

    def data(self) -> dict[str, Any]:
        found = [_data(one) for one in self.checked.findings]
        return {"specs": self.checked.specs, "errors": self.errors, "warnings": self.warnings, "findings": found}

    def blocks(self) -> Iterator[Block]:
        for one in self.checked.findings:
            yield Fields((("remedy", one.remedy),), title=f"{one.spot}: {one.severity}[{one.code}]: {one.what}")
        yield Line(self.count, "bad" if self.errors else "warn" if self.warnings else "good")


def _data(one: Finding) -> dict[str, object]:
    return {"code": one.code, "severity": one.severity, **plain(one.spot), "what": one.what, "remedy": one.remedy}
