"""The values of the fleet: a launch, the answer to it, and what it would do to the store."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from venvkit.base.mask import mask
from venvkit.catalogue.values import Model
from venvkit.errors import NoSolutionError, PolicyError, SourceError, UsageError, VenvkitError, raised_at
from venvkit.plan.explain import Change
from venvkit.plan.values import Plan
from venvkit.spec.model import ModelSpec

Status = Literal[
    "planned", "broken", "no-solution", "source-unreachable", "source-refused", "refused", "faulty", "failed"
]


class Launch(Struct, frozen=True):
    """A model with the engine that it is launched with, if any."""

    model: Model
    spec: ModelSpec
    engine: str | None


class Item(Struct, frozen=True):
    """A distribution that a plan installs. `size` is in bytes, None when no source tells it."""

    name: str
    version: str
    size: int | None
    builds: bool


class Kept(Struct, frozen=True):
    """A distribution that a plan inherits from the host."""

    name: str
    version: str


class Outline(Struct, frozen=True):
    """The summary of a plan; `key` is the content key of its environment."""

    key: str
    install: tuple[Item, ...]
    inherit: tuple[Kept, ...]
    broken: tuple[str, ...] = ()

    @classmethod
    def of(cls, plan: Plan, key: str) -> Outline:
        """Return the outline of a plan."""
        described = ((item, item.description) for item in plan.install)
        return cls(
            key,
            tuple(Item(item.name, item.version, found.size, found.builds) for item, found in described),
            tuple(Kept(item.name, item.version) for item in plan.inherit),
            tuple(mask(str(item)) for item in plan.broken),
        )

    @property
    def download_bytes(self) -> int:
        """Bytes to download, as far as the sources tell sizes."""
        return sum(item.size or 0 for item in self.install)

    @property
    def compiles(self) -> tuple[str, ...]:
        """The distributions that are built from source."""
        return tuple(f"{item.name}=={item.version}" for item in self.install if item.builds)


class Trouble(Struct, frozen=True):
    """The reason of a missing plan or environment. `exit_code` is the exit status of the command line for it."""

    status: Status
    code: str
    message: str
    where: str
    remedy: str
    details: tuple[str, ...]
    exit_code: int

    @classmethod
    def of(cls, error: Exception) -> Trouble:
        """Return the record of an error, secrets masked; one that is no error of ours has its place in the code."""
        if not isinstance(error, VenvkitError):
            text = mask(f"{type(error).__name__}: {error}")
            return cls("failed", "unexpected", text, raised_at(error), "please report it", (), 1)
        status: Status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), "failed")
        if status == "source-unreachable" and error.code != status:
            status = "source-refused"
        message, where, remedy, *details = map(mask, (error.message, error.where, error.remedy, *error.details))
        return cls(status, error.code, message, where, remedy, tuple(details), error.exit_code)


_STATUS: dict[type[VenvkitError], Status] = {
    NoSolutionError: "no-solution",
    SourceError: "source-unreachable",
    PolicyError: "refused",
    UsageError: "faulty",
}


class Answer(Struct, frozen=True):
    """The result of planning one request: a plan, or the reason of its absence.

    Args:
        made: When, in seconds since 1970.
        warnings: What the operator should know, beside what is broken.
        makeshift: An optional index could not be reached, and the plan does without it.
    """

    made: float
    plan: Outline | None = None
    trouble: Trouble | None = None
    warnings: tuple[str, ...] = ()
    makeshift: bool = False

    @property
    def status(self) -> Status:
        """The status of the answer."""
        if self.plan is not None:
            return "broken" if self.plan.broken else "planned"
        return self.trouble.status if self.trouble is not None else "failed"


class Stored(Struct, frozen=True):
    """The state of the store for a launch.

    Args:
        state: `built`: its place leads to this very environment; `shared`: another model's does; `other-variant`: its
            place belongs to another spec of the same name; `rebuild`: its place leads to something else; `new`.
        environment: The id of the environment that is there.
        changes: What would change in it.
        note: Why it would be built anew though nothing of that changes.
    """

    state: Literal["built", "shared", "other-variant", "rebuild", "new"]
    environment: str = ""
    changes: tuple[Change, ...] = ()
    note: str = ""


class Row(Struct, frozen=True):
    """One launch and its answer.

    Args:
        request: Digest of what its plan follows from; launches with the same one are planned once. Empty where there
            is no request, because the spec is faulty.
        cached: The answer is from an earlier run.
        stored: What the store has for it; None where there is no plan.
    """

    model: Model
    engine: str | None
    request: str
    answer: Answer
    cached: bool = False
    stored: Stored | None = None
