"""Whether an environment that was built for another request answers this one as well."""

from __future__ import annotations

from packaging.utils import canonicalize_name

from venvkit.base.mask import mask
from venvkit.formats.receipt import Receipt
from venvkit.host.distribution import scan
from venvkit.plan.closure import closure
from venvkit.plan.members import members
from venvkit.plan.problem import Problem
from venvkit.plan.view import Rules, overlay
from venvkit.spec.language.requires import parse_requires, satisfied


def answers(receipt: Receipt, problem: Problem) -> bool:
    """Tell whether every requirement of a problem holds over what an environment and the host have now.

    Constraints bound what the requirements reach, a direct address asks for what was installed from it, and what may
    not be inherited has to be in the environment.
    """
    installed = members(scan([receipt.site_packages])[0], inherited=False)
    unseen = problem.barred | {canonicalize_name(item.name) for item in receipt.hidden}
    behind = {name: member for name, member in problem.host.items() if name not in unseen}
    view = overlay(behind, installed.values())
    walk = closure(view, problem.claims(), Rules.of(problem.environment, problem.overrides, problem.excludes))
    if walk.violations:
        return False
    for line in problem.constraints:
        bound = parse_requires(line)
        if bound is not None and bound.name in walk.reasons and not satisfied(bound, view[bound.name].version):
            return False
    return all(_same_source(receipt, root.line) for root in problem.roots)


def _same_source(receipt: Receipt, line: str) -> bool:
    """Tell whether what a direct reference asks for was installed from there; a checkout's address has its revision."""
    asked = parse_requires(line)
    if asked is None or not asked.url or line in (known for _, known in receipt.roots):
        return True
    address = mask(asked.url.partition("#")[0])
    origins = (item.url or "" for item in receipt.plan.install if canonicalize_name(item.name) == asked.name)
    return any(origin.startswith(address) for origin in origins)
