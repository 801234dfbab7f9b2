"""The view: the host's distributions overlaid by what a plan installs. Pure data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from packaging.utils import NormalizedName, canonicalize_name

from venvkit.spec.language.requires import Requires as Parsed
from venvkit.spec.language.requires import parse_requires


class Member(Struct, frozen=True):
    """A distribution that the child sees.

    Args:
        requires: Its Requires-Dist lines; None when its metadata cannot be read before the build.
        inherited: It is the host's copy.
        compiled: Its wheel holds compiled code.
    """

    name: NormalizedName
    version: str
    requires: tuple[str, ...] | None
    inherited: bool
    compiled: bool = False

    @property
    def label(self) -> str:
        """`name==version`."""
        return f"{self.name}=={self.version}"


class Rules(Struct, frozen=True):
    """What bends requirements in every walk: the marker environment, overrides by name, excluded names."""

    environment: Mapping[str, str]
    overrides: Mapping[NormalizedName, Parsed]
    excludes: frozenset[NormalizedName]

    @classmethod
    def of(cls, environment: Mapping[str, str], overrides: Iterable[str] = (), excludes: Iterable[str] = ()) -> Rules:
        """Build rules from requirement lines and names."""
        parsed = [requirement for line in overrides if (requirement := parse_requires(line)) is not None]
        by_name = {canonicalize_name(requirement.name): requirement for requirement in parsed}
        return cls(environment, by_name, frozenset(canonicalize_name(name) for name in excludes))

    def bend(self, requirement: Parsed) -> Parsed | None:
        """Return the requirement in force in place of `requirement`; None when its name is excluded."""
        name = canonicalize_name(requirement.name)
        if name in self.excludes:
            return None
        return self.overrides.get(name, requirement)


View = Mapping[NormalizedName, Member]


class HostView(dict[NormalizedName, Member]):
    """A host that nobody changes any more; `readings` keeps what the planner has read from it."""

    readings: Sequence[object] = ()


def overlay(host: View, installed: Iterable[Member]) -> dict[NormalizedName, Member]:
    """Return the host's members with `installed` in front of them."""
    return {**host, **{member.name: member for member in installed}}
