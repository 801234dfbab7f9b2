"""The requirements of a host's own distributions, read once, and which of them a view breaks.

A server plans many models over one host of a thousand distributions; each plan reads all of this and changes nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from operator import attrgetter

from packaging.utils import NormalizedName, canonicalize_name

from venvkit.plan.bounds import Bound, as_constraints, order
from venvkit.plan.closure import closure, host_extras
from venvkit.plan.families import Families
from venvkit.plan.values import Violation
from venvkit.plan.view import HostView, Member, Rules, View
from venvkit.spec.language.requires import Requires as Parsed
from venvkit.spec.language.requires import active_requires, required_name, satisfied

# A host is planned over with one marker environment and one set of rules; a few more are no harm.
_KEPT = 4


class HostRequirements:
    """The requirements of a host under a marker environment and the rules on binary interfaces, read on demand."""

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
        ties = {Bound.of(item, binary=True) for item in self.families.ties(self.host, self.environment)}
        told = {
            Bound(member.name, member.label, line, target, str(asked.specifier))
            for target in self._mentions.keys() & self.host.keys()
            for member, line, asked in self.holding(target)
            if asked.specifier
        }
        return order({*told, *ties})

    @cached_property
    def shared(self) -> tuple[Bound, ...]:
        """Those of `bounds` that a first question has to hold.

        What only one distribution requires of another moves with that one: where the owner stays, its metadata implies
        the bound, and where it moves the bound is moot. An answer that breaks such a bound all the same is mended.
        """
        return tuple(item for item in self.bounds if item.binary or self.dependents.get(item.target, 0) > 1)

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
        """All of `shared` as constraint lines."""
        return as_constraints(self.shared)

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


def requirements_of(host: View, environment: Mapping[str, str], families: Families) -> HostRequirements:
    """Return what a host asks of itself; of a `HostView`, which nobody changes, it is read once."""
    if not isinstance(host, HostView):
        return HostRequirements(host, environment, families)
    for known in host.readings:
        if isinstance(known, HostRequirements) and known.environment == environment and known.families == families:
            return known
    required = HostRequirements(host, environment, families)
    host.readings = [required, *host.readings[: _KEPT - 1]]
    return required


def orphans(required: HostRequirements, view: View, rules: Rules) -> tuple[Violation, ...]:
    """Return the requirements of inherited distributions that held on the host and no longer hold in `view`.

    They include what the extras of a shadowed distribution need, where an inherited distribution asks for these extras.
    """
    shadows = [name for name, member in required.host.items() if view[name] is not member]
    broken = [
        Violation(owner.label, line, view[target].version)
        for target in shadows
        for owner, line, asked in required.holding(target)
        if view[owner.name] is owner
        if (requirement := rules.bend(asked)) is not None and not satisfied(requirement, view[target].version)
    ]
    found = {*broken, *_broken_extras(required, view, rules, shadows)}
    return tuple(sorted(found, key=lambda item: (item.distribution, item.requirement)))


def _broken_extras(
    required: HostRequirements, view: View, rules: Rules, shadows: Sequence[NormalizedName]
) -> Iterator[Violation]:
    """Yield what the extras that inherited distributions ask of shadows lack, and did not lack on the host."""
    roots = [
        (owner.label, line)
        for target in shadows
        if view[target].requires
        for owner, line, asked in required.holding(target)
        if asked.extras and view[owner.name] is owner
    ]
    if roots:
        before = set(closure(required.host, roots, rules).violations)
        shadowed = {view[name].label for name in shadows}
        for item in closure(view, roots, rules).violations:
            if item.distribution in shadowed and not _lacked(item, before, required.host):
                yield item


def _lacked(item: Violation, before: set[Violation], host: View) -> bool:
    """Tell whether the host's copy of the violating distribution lacked the same name already."""
    owner, target = item.distribution.partition("==")[0], required_name(item.requirement)
    labels = {member.label for member in host.values() if member.name == owner}
    return any(one.distribution in labels and required_name(one.requirement) == target for one in before)
