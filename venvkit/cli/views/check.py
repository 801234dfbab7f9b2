"""The verdicts of `check` as a page."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from venvkit.cli.outcome import plain
from venvkit.cli.page.blocks import Block, Line
from venvkit.cli.page.text import counted
from venvkit.cli.views.findings import finding_blocks
from venvkit.errors import ProofError
from venvkit.launch.examine import Verdict


class Verdicts(Struct, frozen=True):
    """The result of `check`."""

    verdicts: tuple[Verdict, ...]

    @property
    def failure(self) -> ProofError | None:
        """The failure that `check` ends with: an environment is not proved."""
        failed = [verdict.label for verdict in self.verdicts if not verdict.ok]
        if not failed:
            return None
        return ProofError(
            f"{counted(len(failed), 'environment')} of {len(self.verdicts)} not proved",
            where=", ".join(failed),
            remedy="`venvkit check --repair` rebuilds it",
        )

    def data(self) -> object:
        return plain(self.verdicts)

    def blocks(self) -> Iterator[Block]:
        if not self.verdicts:
            yield Line("there is nothing to check")
        for verdict in self.verdicts:
            if verdict.ok:
                yield Line(f"{verdict.label}: proved", "good")
            yield from finding_blocks(verdict.findings, verdict.label)
