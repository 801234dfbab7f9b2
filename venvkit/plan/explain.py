"""Questions to a finished plan: why is this here, why was it not inherited, what differs between two plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct
from packaging.utils import NormalizedName, canonicalize_name

from venvkit.plan.closure import host_extras
from venvkit.plan.problem import Problem
from venvkit.plan.values import Installed, Plan
from venvkit.plan.view import Member, overlay
from venvkit.spec.language.requires import active_requires, parse_requires, required_name, satisfied

Status = Literal["installed", "inherited", "visible", "hidden", "excluded", "absent"]
Cause = Literal["missing", "version", "build", "held", "repaired", "barred", "hidden", "chosen", ""]


class Why(Struct, frozen=True):
    """The answer to "why is NAME here?".

    Args:
        status: `installed` into the child; `inherited` from the host; `visible` on the host without being needed;
            `hidden` from the child; `excluded` by the request; `absent` altogether.
        version: What the child sees; None when it sees none.
        host_version: What the host has; None when it has none.
        reason: The shortest chain from the model.
        required_by: Every requirement of the view that speaks of it, as `NAME==VERSION requires LINE`.
        cause: Why it was not inherited: `missing` on the host; the host's `version` does not satisfy; another `build`
            is asked for by address; `held` or `repaired` for another distribution; `barred` by the request's levers,
            or because it does not fit the host itself; `hidden` because it would be broken and nobody needs it;
            `chosen` where the resolver had to, for no single requirement; empty when it is inherited.
        explanation: The cause in one sentence.
    """

    name: NormalizedName
    status: Status
    version: str | None
    host_version: str | None
    reason: tuple[str, ...]
    required_by: tuple[str, ...]
    cause: Cause
    explanation: str


def why(plan: Plan, problem: Problem, name: str) -> Why:
    """Explain one distribution of a plan, or its absence."""
    wanted = canonicalize_name(name)
    installed = {item.name: item for item in plan.install}
    chains = {item.name: item.reason for item in plan.install}
    chains.update((item.name, item.reason) for item in plan.inherit)
    view = overlay(
        problem.host,
        (Member(item.name, item.version, item.description.requires, inherited=False) for item in plan.install),
    )
    for item in plan.hidden:
        view.pop(item.name, None)
    member, on_host = view.get(wanted), problem.host.get(wanted)
    asks = _asks(wanted, view, chains, problem)
    cause, explanation = _cause(wanted, installed.get(wanted), plan, problem, asks)
    return Why(
        name=wanted,
        status=_status(wanted, plan, problem, member),
        version=member.version if member else None,
        host_version=on_host.version if on_host else None,
        reason=chains.get(wanted, ()),
        required_by=tuple(f"{source} requires {line}" for source, line in asks),
        cause=cause,
        explanation=explanation,
    )


def _status(name: NormalizedName, plan: Plan, problem: Problem, member: Member | None) -> Status:
    if any(item.name == name for item in plan.install):
        return "installed"
    if any(item.name == name for item in plan.inherit):
        return "inherited"
    if any(item.name == name for item in plan.hidden):
        return "hidden"
    if name in {canonicalize_name(item) for item in problem.excludes}:
        return "excluded"
    return "visible" if member else "absent"


def _asks(
    name: NormalizedName,
    view: Mapping[NormalizedName, Member],
    chains: Mapping[NormalizedName, object],
    problem: Problem,
) -> list[tuple[str, str]]:
    """Return who asks for a name: the request's roots, then the distributions that the request reaches."""
    found = [(root.origin, root.line) for root in problem.roots if root.name == name]
    extras = dict(host_extras(view, problem.environment))
    for root in problem.roots:
        parsed = parse_requires(root.line)
        asked = parsed.extras if parsed is not None else ()
        extras[root.name] = extras.get(root.name, frozenset()) | frozenset(map(canonicalize_name, asked))
    for other in sorted(chains):
        member = view.get(other)
        if member is None:
            continue
        lines = tuple(line for line in member.requires or () if required_name(line) == name)
        active = active_requires(lines, extras.get(member.name, frozenset()), problem.environment)
        found += [(member.label, line) for line, _ in active]
    return found


def _cause(
    name: NormalizedName, item: Installed | None, plan: Plan, problem: Problem, asks: list[tuple[str, str]]
) -> tuple[Cause, str]:
    if item is None:
        gone = next((one.reason for one in plan.hidden if one.name == name), "")
        return ("hidden", gone) if gone else ("", "")
    host = problem.host.get(name)
    if host is None:
        return "missing", "the host has none"
    if name in problem.barred:
        return "barred", problem.unfit.get(name, f"the host's {host.version} may not satisfy this request")
    for repair in plan.repaired:
        if repair.name == name:
            return "repaired", f"the host's {host.version} would be broken: {repair.because}"
    if item.url is not None:
        return "build", f"another build is asked for: {item.url}"
    for source, line in asks:
        parsed = parse_requires(line)
        if parsed is not None and not satisfied(parsed, host.version):
            return "version", f"the host's {host.version} does not satisfy {line} of {source}"
    for held in plan.held:
        if required_name(held.requirement) == name:
            return "held", f"{item.version} keeps {held.distribution} whole, which requires {held.requirement}"
    return "chosen", f"no solution keeps the host's {host.version}"


class Change(Struct, frozen=True):
    """One name that differs between two plans; None where a side does not have it. `how` is installed or inherited."""

    name: NormalizedName
    before: str | None
    after: str | None
    how_before: str
    how_after: str


class _Named(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...


class Contents(Protocol):
    """A plan, or the outline of one: what it installs and what it inherits."""

    @property
    def install(self) -> Sequence[_Named]: ...
    @property
    def inherit(self) -> Sequence[_Named]: ...


def diff(before: Contents, after: Contents) -> tuple[Change, ...]:
    """Return what differs between two plans, by name: version, or where the distribution comes from."""
    first, second = _contents(before), _contents(after)
    changes = []
    for name in sorted(first.keys() | second.keys()):
        old, new = first.get(name, (None, "")), second.get(name, (None, ""))
        if old != new:
            changes.append(Change(name, old[0], new[0], old[1], new[1]))
    return tuple(changes)


def _contents(plan: Contents) -> dict[NormalizedName, tuple[str, str]]:
    found = {canonicalize_name(item.name): (item.version, "inherited") for item in plan.inherit}
    found.update({canonicalize_name(item.name): (item.version, "installed") for item in plan.install})
    return found
