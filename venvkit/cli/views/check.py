"""The verdicts of `check` as a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from venvkit.api import results
from venvkit.cli.page.blocks import Block, Line
from venvkit.cli.views.findings import finding_blocks


class Verdicts(Struct, frozen=True):
    """The result of `check`."""

    result: results.Verdicts

    def data(self) -> dict[str, Any]:
        return self.result.to_dict()

    def blocks(self) -> Iterator[Block]:
        if not self.result.verdicts:
            yield Line("there is nothing to check")
        for verdict in self.result.verdicts:
            if verdict.ok:
                yield Line(f"{verdict.label}: proved", "good")
            yield from finding_blocks(verdict.findings, verdict.label)
