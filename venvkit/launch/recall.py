"""The problem that a stored environment was planned from, read back from its receipt."""

from __future__ import annotations

import os

from packaging.utils import NormalizedName

from venvkit.base.process import Runner
from venvkit.formats.receipt import Receipt
from venvkit.host.probe import probe
from venvkit.host.snapshot import take_snapshot
from venvkit.plan.members import members
from venvkit.plan.problem import Problem, Root
from venvkit.plan.values import Plan
from venvkit.plan.view import Member, View
from venvkit.spec.language.requires import required_name


def problem_of(receipt: Receipt, runner: Runner) -> Problem:
    """Return the problem of a receipt's plan, with the host's versions of that time.

    Raises:
        UsageError: The interpreter of the host or of the environment is gone.
    """
    environ = dict(os.environ)
    host: View = {}
    if receipt.host_python:
        snapshot = take_snapshot(receipt.host_python, runner=runner, cache_dir=None, environ=environ)
        host = _as_it_was(members(snapshot.distributions, inherited=True), receipt.plan)
    lines = (*receipt.roots, *receipt.repaired_roots)
    roots = [Root(name, line, origin) for origin, line in lines if (name := required_name(line)) is not None]
    return Problem(
        roots=tuple(roots),
        host=host,
        environment=dict(probe(receipt.python, runner, environ=environ).environment),
        overrides=receipt.overrides,
        excludes=receipt.excludes,
        no_inherit=_not_inherited(receipt.plan),
    )


def _as_it_was(now: View, plan: Plan) -> View:
    """Return the host with the versions that the plan saw, though it may have changed since."""
    then = {item.name: item.version for item in plan.inherit}
    then |= {item.name: item.host_version for item in plan.shadow}
    former = {
        name: Member(name, version, None, inherited=True)
        for name, version in then.items()
        if name not in now or now[name].version != version
    }
    return {**now, **former}


def _not_inherited(plan: Plan) -> frozenset[NormalizedName]:
    """Return the names whose host copy was not allowed: only then is the same version installed in front of it."""
    otherwise = {item.name for item in plan.repaired} | {item.name for item in plan.install if item.url is not None}
    return frozenset(
        item.name for item in plan.shadow if item.version == item.host_version and item.name not in otherwise
    )
