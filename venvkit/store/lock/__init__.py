"""Locks and leases. `hold`, the lock for a block, is looked up when it is asked for: leases are on the warm path."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from venvkit.store.lock.flock import hold

    __all__ = ["hold"]


def __getattr__(name: str) -> object:
    if name == "hold":
        from venvkit.store.lock.flock import hold

        return hold
    raise AttributeError(name)
