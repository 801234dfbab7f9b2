"""The verdicts of `check` as a page."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from venvkit.cli.outcome import Failure, plain
from venvkit.cli.page.blocks import Block, Column, Line, table
from venvkit.cli.page.text import counted
from venvkit.errors import ProofError
from venvkit.launch.examine import Verdict


class Verdicts(Struct, frozen=True):
    """The result of `check`."""

    verdicts: tuple[Verdict, ...]

    @property
    def failed(self) -> tuple[Verdict, ...]:
        return tuple(verdict for verdict in self.verdicts if not verdict.ok)

    @property
    def failure(self) -> Failure | None:
        """The failure that `check` ends with: an environment is not proved."""
        if not self.failed:
            return None
        return Failure.of(
            ProofError(
                f"{counted(len(self.failed), 'environment')} of {len(self.verdicts)} not proved",
                where=", ".join(verdict.label for verdict in self.failed),
                remedy="`venvkit check --repair` rebuilds it",
            )
        )

    def data(self) -> object:
        return plain(self.verdicts)

    def blocks(self) -> Iterator[Block]:
        if not self.verdicts:
            yield Line("there is nothing to check")
        for verdict in self.verdicts:
            if verdict.ok:
                yield Line(f"{verdict.label}: proved", "good")
                continue
            rows = [(finding.kind, finding.message) for finding in verdict.findings]
            title = f"{verdict.label}: {counted(len(rows), 'finding')}"
            yield table(title, (Column("kind", "bad"), Column("what", folds=True)), rows, "bad")
