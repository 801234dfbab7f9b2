"""From a job to the planner's problem: the request's roots, the host behind them, what bends and protects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from venvkit.base import cachefile
from venvkit.base.digest import value_digest
from venvkit.base.version import __version__
from venvkit.errors import NoSolutionError
from venvkit.plan.bounds import Bound
from venvkit.plan.members import host_view
from venvkit.plan.orphans import requirements_of
from venvkit.plan.problem import Problem, Root
from venvkit.plan.view import HostView
from venvkit.spec.language.requires import parse_requires

if TYPE_CHECKING:
    from venvkit.launch.job import Job


def pose(job: Job) -> Problem:
    """Return the problem of a job.

    Raises:
        NoSolutionError: The child would not see the host, and so lack what is protected (`protected-missing`).
    """
    settings, levers, call = job.call.settings, job.request.levers, job.call
    optional = {canonicalize_name(name) for name in levers.optional}
    roots = tuple(
        Root(item.name, str(item), item.origin, wish=item.wish, bare=item.bare, optional=item.name in optional)
        for item in job.request.requirements
    )
    protect = frozenset(canonicalize_name(name) for name in (*settings.protect, *levers.protect))
    if not job.sees_host and protect:
        _refuse_unprotected(protect, roots)
    environment = dict(job.child.interpreter.environment)
    host = host_view(job.child)
    _recall_bounds(job, host, environment)
    return Problem(
        roots=roots,
        host=host,
        environment=environment,
        inherit=bool(call.choice("skip_installed", settings.skip_installed)),
        orphans=call.choice("orphans", settings.orphans),
        protect=protect,
        constraints=levers.constraints,
        overrides=levers.overrides,
        excludes=levers.excludes,
        no_inherit=frozenset(canonicalize_name(name) for name in levers.no_inherit),
        families=job.families,
        upgrade=bool(call.choices["upgrade"]),
    )


def _recall_bounds(job: Job, host: HostView, environment: Mapping[str, str]) -> None:
    """Keep what the host asks of itself beside its snapshot: to find it in a thousand distributions takes 100 ms."""
    if not host:
        return
    required = requirements_of(host, environment, job.families)
    key = value_digest([__version__, job.host.fingerprint, environment, job.families])
    place = job.cache / "hosts" / f"{key[:32]}.bounds.json"
    known = cachefile.load(place, tuple[Bound, ...]) if not required.is_read else ()
    if known:
        required.recall(known)
    elif not required.is_read:
        cachefile.store(place, required.bounds)


def _refuse_unprotected(protect: frozenset[str], roots: tuple[Root, ...]) -> None:
    """A child without the host cannot have what is protected there, unless the model asks for it itself."""
    asked = {canonicalize_name(parsed.name) for root in roots if (parsed := parse_requires(root.line)) is not None}
    missing = sorted(protect - asked)
    if missing:
        raise NoSolutionError(
            f"the environment would not see the host, and so lack what is protected: {', '.join(missing)}",
            code="protected-missing",
            remedy="use the host's own Python version without --isolated, or add it with --package",
        )
