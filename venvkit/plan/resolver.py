"""The seam to the solver: what the planner needs from it, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from packaging.utils import NormalizedName

from venvkit.errors import NoSolutionError
from venvkit.plan.values import Description, Pin, Question


class Unsolvable(NoSolutionError):  # noqa: N818 - a fact about the question
    """The question has no solution.

    Attributes:
        mentions: The names that the solver's reasoning speaks of.
        asks: The requirements in it, as (name, specifier); empty where it cannot be read so closely.
    """

    def __init__(
        self,
        message: str,
        *,
        mentions: frozenset[NormalizedName] = frozenset(),
        asks: tuple[tuple[NormalizedName, str], ...] = (),
        details: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, details=details, remedy="loosen one of the requirements named above")
        self.mentions = mentions
        self.asks = asks


class Resolver(Protocol):
    """Solves questions against the sources, with the host's distributions as candidates."""

    def resolve(self, question: Question) -> tuple[Pin, ...]:
        """Return what must be installed on top of the host's candidates for `question` to hold.

        Raises:
            Unsolvable: No set of distributions satisfies it.
            SourceError: A source cannot be reached or refused the request.
        """
        ...

    def describe(self, pins: Iterable[Pin]) -> Mapping[NormalizedName, Description]:
        """Return what the sources say of each pin that `resolve` chose."""
        ...
