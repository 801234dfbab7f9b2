"""Locks and leases."""

from venvkit.store.lock.flock import hold

__all__ = ["hold"]
