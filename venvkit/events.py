"""Progress: frozen events and the observer that receives them. The library itself never prints."""

from __future__ import annotations

from typing import Literal, Protocol

from msgspec import Struct

Phase = Literal["request", "probe", "resolve", "describe", "create", "install", "verify", "seal", "wait", "done"]


class PhaseStarted(Struct, frozen=True):
    """A step of `ensure_env` begins."""

    phase: Phase
    detail: str = ""


class InstallProgress(Struct, frozen=True):
    """What the installer has ready, of how much.

    Args:
        done: Distributions.
        name: The last of them; empty before the first.
        bytes_done: Bytes of what was downloaded; small files and cached ones are not told by the installer.
        bytes_total: Bytes of all files, as far as their sources tell sizes; 0 when unknown.
    """

    done: int
    total: int
    name: str = ""
    bytes_done: int = 0
    bytes_total: int = 0


class Waiting(Struct, frozen=True):
    """Another process or thread holds what this call needs, or a server is not ready; sent about once a second."""

    what: str
    seconds: float


class Warned(Struct, frozen=True):
    """Something that does not stop the build but that the operator should know. `code` is stable."""

    code: str
    message: str


class Step(Struct, frozen=True):
    """Progress of a run over many models: `done` of `total` are ready, the last of them `label`."""

    stage: Literal["read", "plan", "build"]
    done: int
    total: int
    label: str = ""
    trouble: bool = False


Event = PhaseStarted | InstallProgress | Waiting | Warned | Step


class Observer(Protocol):
    """Receives events, on whatever thread the build runs. What it raises is logged (`venvkit`) and breaks no build."""

    def __call__(self, event: Event, /) -> None: ...


def ignore(event: Event) -> None:
    """The observer that observes nothing."""


def guarded(observer: Observer | None) -> Observer:
    """Return `observer` such that nothing it raises reaches the build."""
    if observer is None:
        return ignore

    def notify(event: Event) -> None:
        try:
            observer(event)
        except Exception:
            import logging

            logging.getLogger("venvkit").exception("the observer failed on %s", type(event).__name__)

    return notify
