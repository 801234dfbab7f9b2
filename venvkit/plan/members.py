"""Distributions as members of a view."""

from __future__ import annotations

from collections.abc import Iterable

from venvkit.host.distribution import Distribution
from venvkit.host.snapshot import HostSnapshot
from venvkit.plan.view import HostView, Member


def members(distributions: Iterable[Distribution], *, inherited: bool) -> HostView:
    """Return distributions as members of a view."""
    return HostView(
        (
            item.name,
            Member(item.name, item.version, item.requires, inherited=inherited, compiled=item.compiled),
        )
        for item in distributions
    )


def host_view(snapshot: HostSnapshot) -> HostView:
    """Return what a host has as a view; for the snapshot asked for last the same one again, with all read from it."""
    global _last
    if _last is None or _last[0] is not snapshot.distributions:
        _last = (snapshot.distributions, members(snapshot.distributions, inherited=True))
    return _last[1]


_last: tuple[tuple[Distribution, ...], HostView] | None = None
