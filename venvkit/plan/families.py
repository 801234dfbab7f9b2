"""Binary interfaces: which distributions must move together, beyond what their metadata says. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from venvkit.errors import SpecError
from venvkit.plan.values import Violation
from venvkit.plan.view import Member, View
from venvkit.spec.language.requires import active_requires, required_name


class Pair(Struct, frozen=True):
    """Two distributions whose versions must fit: `rows` of (versions of first, versions of second)."""

    first: NormalizedName
    second: NormalizedName
    rows: tuple[tuple[str, str], ...]

    def violation(self, host: View, view: View) -> Violation | None:
        """Return what does not fit in `view`, told by the side that the host owns, so that it can be held."""
        first, second = view.get(self.first), view.get(self.second)
        if first is None or second is None or (first.inherited and second.inherited):
            return None
        if self._fit(first, second):
            return None
        if second.inherited and self.first in host:
            rows = [row for row in self.rows if _within(row[0], host[self.first]) and _within(row[1], second)]
            if rows:
                return Violation(second.label, f"{self.first}{rows[0][0]}", first.version)
            if not self._fit(host[self.first], second):
                return None  # the host's own pair did not fit
        wanted = next(row[1] for row in self.rows if _within(row[0], first))
        return Violation(first.label, f"{self.second}{wanted}", second.version)

    def ties(self, host: View) -> Iterator[Violation]:
        """Yield what each side that the host has asks of the other."""
        first, second = host.get(self.first), host.get(self.second)
        if first is None or (second is not None and not self._fit(first, second)):
            return
        for row in self.rows:
            if _within(row[0], first):
                yield Violation(first.label, f"{self.second}{row[1]}", None)
                if second is not None:
                    yield Violation(second.label, f"{self.first}{row[0]}", None)

    def _fit(self, first: Member, second: Member) -> bool:
        known = [row for row in self.rows if _within(row[0], first)]
        return not known or any(_within(row[1], second) for row in known)


class Families(Struct, frozen=True):
    """Rules on binary interfaces: those of `specs/abi.toml`, and the ties that the host's shared objects tell.

    Args:
        pairs: Pairs of distributions with the versions that fit.
        majors: Distributions whose next major version breaks what was compiled against this one.
        linked: (owner, provider): the owner's objects need libraries of exactly this version of the provider.
    """

    pairs: tuple[Pair, ...] = ()
    majors: frozenset[NormalizedName] = frozenset()
    linked: tuple[tuple[NormalizedName, NormalizedName], ...] = ()

    def ties(self, host: View, environment: Mapping[str, str]) -> Iterator[Violation]:
        """Yield what would be violated if the host's side of a rule stayed and the other side moved: told before."""
        for pair in self.pairs:
            yield from pair.ties(host)
        for owner, provider in self.linked:
            if owner in host and provider in host:
                yield Violation(host[owner].label, f"{provider}=={host[provider].version}", None)
        for name in sorted(self.majors & host.keys()):
            major = Version(host[name].version).major
            for member in _compiled_against(name, host, environment):
                yield Violation(member.label, f"{name}<{major + 1}", None)

    def violations(self, host: View, view: View, environment: Mapping[str, str]) -> Iterator[Violation]:
        """Yield what the metadata's own walk cannot see."""
        for pair in self.pairs:
            if (found := pair.violation(host, view)) is not None:
                yield found
        for owner, provider in self.linked:
            if owner in host and view[owner] is host[owner] and provider in host:
                seen = view[provider]
                if seen.version != host[provider].version:
                    yield Violation(host[owner].label, f"{provider}=={host[provider].version}", seen.version)
        for name in sorted(self.majors):
            if name in host and view[name] is not host[name]:
                yield from _crossed(name, host, view, environment)


NO_FAMILIES = Families()


def _crossed(name: NormalizedName, host: View, view: View, environment: Mapping[str, str]) -> Iterator[Violation]:
    """Yield the inherited compiled distributions that were built against an older major version of `name`.

    Only upwards: what was built against a newer one runs with an older, as far as its metadata allows.
    """
    before, after = host[name].version, view[name].version
    if after and Version(after).major > Version(before).major:
        for member in _compiled_against(name, view, environment):
            yield Violation(member.label, f"{name}<{Version(before).major + 1}", after)


def _compiled_against(name: NormalizedName, view: View, environment: Mapping[str, str]) -> Iterator[Member]:
    for member in sorted(view.values(), key=lambda member: member.name):
        if not (member.inherited and member.compiled):
            continue
        lines = tuple(line for line in member.requires or () if required_name(line) == name)
        if any(True for _ in active_requires(lines, frozenset(), environment)):
            yield member


def _within(specifier: str, member: Member) -> bool:
    if not member.version:  # a direct reference whose version only its build tells
        return True
    return SpecifierSet(specifier).contains(Version(member.version), prereleases=True)


def parse_families(document: Mapping[str, object], *, origin: str) -> Families:
    """Build the rules from the tables of an ABI file.

    Raises:
        SpecError: The file is faulty (`abi-invalid`); all faults are listed.
    """
    faults: list[str] = []
    pairs = [
        pair
        for name, table in _tables(document, "pairs", faults)
        if (pair := _pair(f"pairs.{name}", table, faults)) is not None
    ]
    majors = frozenset(canonicalize_name(name) for name, _ in _tables(document, "majors", faults))
    if faults:
        raise SpecError("the ABI data is faulty", code="abi-invalid", where=origin, details=tuple(faults))
    return Families(tuple(pairs), majors)


def _tables(document: Mapping[str, object], key: str, faults: list[str]) -> Iterable[tuple[str, Mapping[str, object]]]:
    tables = document.get(key, {})
    if not isinstance(tables, Mapping):
        faults.append(f"{key}: a table is wanted")
        return []
    return [(name, table) for name, table in tables.items() if isinstance(table, Mapping)]


def _pair(place: str, table: Mapping[str, object], faults: list[str]) -> Pair | None:
    rows = table.get("rows")
    names = (table.get("first"), table.get("second"))
    if not isinstance(rows, list) or not all(isinstance(name, str) for name in names):
        faults.append(f"{place}: first, second and rows are wanted")
        return None
    for number, row in enumerate(rows):
        try:
            first, second = row
            SpecifierSet(first), SpecifierSet(second)
        except (ValueError, TypeError, InvalidSpecifier, AttributeError):
            faults.append(f"{place}.rows[{number}]: two version specifiers are wanted")
            return None
    return Pair(canonicalize_name(str(names[0])), canonicalize_name(str(names[1])), tuple((a, b) for a, b in rows))
