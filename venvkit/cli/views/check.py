"""The verdicts of `check` as a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from venvkit.api import results
from venvkit.cli.page.blocks import Block, Column, Line, listed
from venvkit.cli.page.text import counted

_FINDING = (Column("kind", "bad"), Column("what", of="message", folds=True))


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
            else:
                title = f"{verdict.label}: {counted(len(verdict.findings), 'finding')}"
                yield listed(title, verdict.findings, _FINDING, "bad")
