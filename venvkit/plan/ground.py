"""What a host asks of itself, read once: its requirements by the name they speak of, the bounds that hold on it now.

From it follow the bounds of a problem, and what of the host a view breaks. A server plans many models over one host of
a thousand distributions; each plan needs all of this and changes none of it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from operator import attrgetter

from packaging.utils import NormalizedName, canonicalize_name

from venvkit.plan.bounds import Bound, as_constraints, order
from venvkit.plan.families import Families
from venvkit.plan.problem import Problem, Root
from venvkit.plan.values import Violation
from venvkit.plan.view import HostView, Member, Rules, View, host_extras
from venvkit.spec.language.requires import Requires as Parsed
from venvkit.spec.language.requires import active_requires, parse_requires, required_name, satisfied

# A host is planned over with one marker environment and one set of rules; a few more are no harm.
_KEPT = 4


class Ground:
    """A host under a marker environment and the rules on binary interfaces. Pure data, read when it is asked for."""

    def __init__(self, host: View, environment: Mapping[str, str], families: Families) -> None:
        self.host = host
        self.environment = environment
        self.families = families
        self._holding: dict[NormalizedName, tuple[tuple[Member, str, Parsed], ...]] = {}

    @cached_property
    def extras(self) -> Mapping[NormalizedName, frozenset[str]]:
        """Which extras of host distributions other host distributions ask for."""
        return host_extras(self.host, self.environment)

    @cached_property
    def dependents(self) -> Mapping[NormalizedName, int]:
        """How many host distributions require a name, extras aside."""
        found: Counter[NormalizedName] = Counter()
        for target, lines in self._mentions.items():
            found[target] = len({member.name for member, line in lines if "extra ==" not in line})
        return found

    def holding(self, target: NormalizedName) -> Sequence[tuple[Member, str, Parsed]]:
        """Return the host's requirements on `target`, one of its own, that apply and hold: owner, line, parsed."""
        if target not in self._holding:
            self._holding[target] = tuple(self._find_holding(target))
        return self._holding[target]

    @cached_property
    def bounds(self) -> tuple[Bound, ...]:
        """Every bound that holds on the host now, in order: of its metadata, and of binary interfaces."""
        ties = {Bound.of(item, hidden=True) for item in self.families.ties(self.host, self.environment)}
        told = {
            Bound(member.name, member.label, line, target, str(asked.specifier))
            for target in self._mentions.keys() & self.host.keys()
            for member, line, asked in self.holding(target)
            if asked.specifier
        }
        return order({*told, *ties})

    def on(self, target: NormalizedName) -> Sequence[Bound]:
        """Return those of `bounds` that bound one name."""
        return self._bounds_on.get(target, ())

    @cached_property
    def _bounds_on(self) -> Mapping[NormalizedName, Sequence[Bound]]:
        return {name: tuple(group) for name, group in groupby(self.bounds, attrgetter("target"))}

    @property
    def is_read(self) -> bool:
        """Whether `bounds` are known already."""
        return "bounds" in self.__dict__

    def recall(self, bounds: tuple[Bound, ...]) -> None:
        """Take the bounds that another process has found on the same host."""
        self.__dict__["bounds"] = bounds

    @cached_property
    def constraints(self) -> tuple[str, ...]:
        """All of `bounds` as constraint lines."""
        return as_constraints(self.bounds)

    @cached_property
    def _mentions(self) -> Mapping[NormalizedName, list[tuple[Member, str]]]:
        """Each line of the host by the name that it speaks of; nothing is parsed for it."""
        found: dict[NormalizedName, list[tuple[Member, str]]] = defaultdict(list)
        for member in self.host.values():
            for line in member.requires or ():
                if (name := required_name(line)) is not None:
                    found[name].append((member, line))
        return found

    def _find_holding(self, target: NormalizedName) -> Iterator[tuple[Member, str, Parsed]]:
        version = self.host[target].version
        for member, line in self._mentions.get(target, ()):
            extras = self.extras.get(member.name, frozenset())
            for _, asked in active_requires((line,), extras, self.environment):
                # A malformed head may have been taken for another name.
                if canonicalize_name(asked.name) == target and satisfied(asked, version):
                    yield member, line, asked


def ground_of(host: View, environment: Mapping[str, str], families: Families) -> Ground:
    """Return what a host asks of itself; of a `HostView`, which nobody changes, it is read once."""
    if not isinstance(host, HostView):
        return Ground(host, environment, families)
    for known in host.grounds:
        if isinstance(known, Ground) and known.environment == environment and known.families == families:
            return known
    ground = Ground(host, environment, families)
    host.grounds = [ground, *host.grounds[: _KEPT - 1]]
    return ground


def host_bounds(problem: Problem, rules: Rules, ground: Ground) -> tuple[Bound, ...]:
    """Return every bound that holds on the host now and that the request leaves in force, in order."""
    moving = {root.name for root in problem.roots if _must_move(root, problem)} - problem.protect
    # What the request overrides or excludes is no bound any more.
    bent = rules.overrides.keys() | rules.excludes
    kept = tuple(_kept(problem))
    if not (moving or bent or kept):
        return ground.bounds
    found = (item for item in ground.bounds if item.owner not in moving and (item.hidden or item.target not in bent))
    return order({*found, *kept}) if kept else tuple(found)


def _kept(problem: Problem) -> Iterator[Bound]:
    """What is protected stays as it is: its own version is a bound, too."""
    for name in problem.protect & problem.host.keys():
        member = problem.host[name]
        yield Bound(name, member.label, f"{name}=={member.version}", name, f"=={member.version}")


def _must_move(root: Root, problem: Problem) -> bool:
    """Tell whether the request itself puts another copy in front of the host's, whose requirements then are moot."""
    member, parsed = problem.host.get(root.name), parse_requires(root.line)
    if member is None or parsed is None or parsed.url:
        return True
    return root.name in problem.hidden or (not root.wish and not satisfied(parsed, member.version))


def orphans(ground: Ground, view: View, rules: Rules) -> tuple[Violation, ...]:
    """Return the requirements of inherited distributions that held on the host and no longer hold in `view`."""
    host = ground.host
    shadows = [name for name, member in host.items() if view[name] is not member]
    broken = [
        Violation(owner.label, line, view[target].version)
        for target in shadows
        for owner, line, asked in ground.holding(target)
        if view[owner.name] is owner
        if (requirement := rules.bend(asked)) is not None and not satisfied(requirement, view[target].version)
    ]
    return tuple(sorted(broken, key=lambda item: (item.distribution, item.requirement)))
