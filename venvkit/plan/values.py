"""The values that pass between the planner, its resolver and whoever shows or builds a plan."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from packaging.utils import NormalizedName

from venvkit.base.plain import plain
from venvkit.events import Warned


class Pin(Struct, frozen=True):
    """One distribution that a resolution installs: an exact version, or a direct reference.

    The version is empty where only the build of a direct reference tells it.
    """

    name: NormalizedName
    version: str
    url: str | None = None

    def __str__(self) -> str:
        return f"{self.name} @ {self.url}" if self.url else f"{self.name}=={self.version}"


class Description(Struct, frozen=True):
    """What an index says of a pin.

    Args:
        requires: Its Requires-Dist lines; None when they cannot be read before the build (a git reference).
        extras: The extras it provides.
        url: Where its file comes from.
        size: Bytes to download; None when the source does not say.
        sha256: The file's digest, in hexadecimal; None when the source does not say.
        builds: There is no wheel for this interpreter: a source distribution or checkout is built.
        variant: The label of the wheel variant that fits this machine; empty for a wheel without one.
    """

    requires: tuple[str, ...] | None
    extras: tuple[str, ...] = ()
    url: str | None = None
    size: int | None = None
    sha256: str | None = None
    builds: bool = False
    variant: str = ""


class Question(Struct, frozen=True):
    """What a resolver is asked: PEP 508 lines without markers, and what bounds the answer.

    Args:
        requirements: What must be there.
        constraints: Bounds on whatever gets chosen.
        overrides: Replace every requirement of that name.
        excludes: Names that are treated as if nothing required them.
        barred: Host distributions that may not be candidates.
        upgrade: Prefer the newest version to the host's.
        wheels: Names of which only wheels may be taken.
        tied: Names that come from one index each, and that index; they are among the requirements.
    """

    requirements: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    barred: frozenset[NormalizedName] = frozenset()
    upgrade: bool = False
    wheels: tuple[NormalizedName, ...] = ()
    tied: tuple[tuple[NormalizedName, str], ...] = ()


class Installed(Struct, frozen=True):
    """A distribution that the plan puts into the child. `reason` is a chain of requirements, the model's first."""

    name: NormalizedName
    version: str
    url: str | None
    reason: tuple[str, ...]
    description: Description


class Inherited(Struct, frozen=True):
    """A host distribution that the request reaches and that the child uses as it is."""

    name: NormalizedName
    version: str
    reason: tuple[str, ...]


class Shadow(Struct, frozen=True):
    """An installed distribution that stands in front of the host's copy."""

    name: NormalizedName
    host_version: str
    version: str


class Violation(Struct, frozen=True):
    """A requirement that does not hold in the view: of `distribution` (`name==version`), found is a version or None."""

    distribution: str
    requirement: str
    found: str | None

    def __str__(self) -> str:
        return f"{self.distribution} requires {self.requirement}, found {self.found or 'none'}"


class Held(Struct, frozen=True):
    """A bound taken from a host distribution so that the plan does not break it."""

    distribution: str
    requirement: str


class Repaired(Struct, frozen=True):
    """A host distribution that the plan would break, resolved anew so that the child has a fitting version."""

    name: NormalizedName
    host_version: str
    version: str
    because: str


class Hidden(Struct, frozen=True):
    """A host distribution that the child does not see, because it would be broken there and nobody needs it.

    Args:
        broken: Its requirements that the plan breaks; none where it is hidden for another reason.
    """

    name: NormalizedName
    version: str
    reason: str
    broken: tuple[Violation, ...] = ()


class Relaxed(Struct, frozen=True):
    """A wish (`#system_NAME#`) that has no solution and was dropped to the bare name."""

    requirement: str
    host_version: str
    version: str


class Absent(Struct, frozen=True):
    """An optional requirement that has no solution and was left out."""

    requirement: str
    reason: str


class Plan(Struct, frozen=True):
    """The decision.

    Args:
        install: Everything that is put into the child; `shadow` is the part of it that replaces a host distribution.
        inherit: The host distributions that the request and the runtime reach.
        held: Bounds of the host that decided a version.
        repaired: Host distributions that the request does not reach, in a version that fits.
        hidden: Host distributions that the child does not see.
        broken: Requirements that do not hold in the child.
        relaxed: Wishes that were released.
        absent: Optional requirements that were left out.
        lines: What comes from the index of the builds that fit the host.
        warnings: What an operator should know of what was chosen.
        resolves: How many questions were put to the resolver.
    """

    install: tuple[Installed, ...]
    inherit: tuple[Inherited, ...]
    shadow: tuple[Shadow, ...] = ()
    held: tuple[Held, ...] = ()
    repaired: tuple[Repaired, ...] = ()
    broken: tuple[Violation, ...] = ()
    relaxed: tuple[Relaxed, ...] = ()
    absent: tuple[Absent, ...] = ()
    hidden: tuple[Hidden, ...] = ()
    lines: tuple[NormalizedName, ...] = ()
    warnings: tuple[Warned, ...] = ()
    resolves: int = 1

    def __repr__(self) -> str:
        parts = ("install", "inherit", "shadow", "repaired", "hidden", "broken")
        return f"Plan({', '.join(f'{name}: {len(getattr(self, name))}' for name in parts)})"

    def to_dict(self) -> dict[str, Any]:
        """Return it as dicts, lists and scalars."""
        return {**plain(self), "download_bytes": self.download_bytes}

    @property
    def download_bytes(self) -> int:
        """Bytes to download, as far as the sources tell sizes."""
        return sum(item.description.size or 0 for item in self.install)
