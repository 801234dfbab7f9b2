"""What is read once of a host is what packaging says of each of its lines."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.plan.fake import ENVIRONMENT, host_of, member
from venvkit.plan.decisions import host_bounds
from venvkit.plan.families import NO_FAMILIES
from venvkit.plan.orphans import orphans, requirements_of
from venvkit.plan.problem import Problem, Root
from venvkit.plan.view import HostView, Member, Rules, overlay

NAMES = ("a", "b", "c", "d")
EXTRAS = ("", "[x]")
SPECIFIERS = ("", "<2", ">=2", "==1.0", "!=2.0", "~=1.0")
MARKERS = (
    "",
    " ; python_version < '3'",
    " ; python_version >= '3'",
    " ; extra == 'x'",
    " ; extra == 'y' or os_name == 'posix'",
)
_lines = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(NAMES),
    st.sampled_from(EXTRAS),
    st.sampled_from(SPECIFIERS),
    st.sampled_from(MARKERS),
)
_hosts = st.dictionaries(
    st.sampled_from(NAMES),
    st.tuples(st.sampled_from(("1.0", "2.0")), st.lists(_lines, max_size=4).map(tuple)),
    min_size=1,
)


def asked_extras(host: dict[str, tuple[str, tuple[str, ...]]]) -> dict[str, set[str]]:
    """A second opinion on which extras the host's own requirements want: to a fixed point, and slowly."""
    found: dict[str, set[str]] = {name: set() for name in host}
    while True:
        before = {name: set(extras) for name, extras in found.items()}
        for name, (_, lines) in host.items():
            for parsed in map(Requirement, lines):
                if parsed.name in host and holds(parsed, found[name]):
                    found[parsed.name] |= parsed.extras
        if found == before:
            return found


def holds(parsed: Requirement, extras: set[str]) -> bool:
    return parsed.marker is None or any(
        parsed.marker.evaluate({**ENVIRONMENT, "extra": extra}) for extra in ("", *extras)
    )


def satisfied_lines(host: dict[str, tuple[str, tuple[str, ...]]]) -> set[tuple[str, str, str]]:
    """Each requirement of the host that applies and holds: whose, as written, on what."""
    extras = asked_extras(host)
    return {
        (name, line, parsed.name)
        for name, (_, lines) in host.items()
        for line in lines
        if holds(parsed := Requirement(line), extras[name])
        and parsed.name in host
        and parsed.specifier.contains(host[parsed.name][0], prereleases=True)
    }


def view_of(host: dict[str, tuple[str, tuple[str, ...]]]) -> HostView:
    return HostView(host_of(*(member(name, version, *lines) for name, (version, lines) in host.items())))


@settings(max_examples=200, deadline=None)
@given(host=_hosts)
def test_bounds_are_the_requirements_that_hold(host: dict[str, tuple[str, tuple[str, ...]]]) -> None:
    required = requirements_of(view_of(host), ENVIRONMENT, NO_FAMILIES)
    expected = {item for item in satisfied_lines(host) if Requirement(item[1]).specifier}
    assert {(str(item.owner), item.requirement, str(item.target)) for item in required.bounds} == expected


@settings(max_examples=200, deadline=None)
@given(host=_hosts, moved=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(("1.0", "2.0", "3.0")), min_size=1))
def test_orphans_are_what_held_and_no_longer_does(
    host: dict[str, tuple[str, tuple[str, ...]]], moved: dict[str, str]
) -> None:
    behind = view_of(host)
    shadows = [Member(canonicalize_name(name), version, (), inherited=False) for name, version in moved.items()]
    found = orphans(requirements_of(behind, ENVIRONMENT, NO_FAMILIES), overlay(behind, shadows), Rules.of(ENVIRONMENT))
    expected = {
        (f"{name}=={host[name][0]}", line)
        for name, line, target in satisfied_lines(host)
        if name not in moved and target in moved
        if not Requirement(line).specifier.contains(moved[target], prereleases=True)
    }
    assert {(item.distribution, item.requirement) for item in found} == expected


def test_what_nobody_changes_is_read_once() -> None:
    host = HostView(host_of(member("a", "1.0", "b>=1"), member("b", "1.0")))
    first = requirements_of(host, ENVIRONMENT, NO_FAMILIES)
    assert requirements_of(host, dict(ENVIRONMENT), NO_FAMILIES) is first
    assert requirements_of(host, {**ENVIRONMENT, "python_version": "3.9"}, NO_FAMILIES) is not first
    plain = dict(host)
    assert requirements_of(plain, ENVIRONMENT, NO_FAMILIES) is not requirements_of(plain, ENVIRONMENT, NO_FAMILIES)


def test_what_the_request_moves_protects_or_overrides_bounds_nothing_or_more() -> None:
    host = HostView(host_of(member("a", "1.0", "b<2"), member("b", "1.0"), member("c", "1.0", "b>=1")))
    required = requirements_of(host, ENVIRONMENT, NO_FAMILIES)

    def bounds(*lines: str, **options: object) -> list[str]:
        roots = tuple(Root(canonicalize_name(Requirement(line).name), line, "packages") for line in lines)
        problem = Problem(roots, host, ENVIRONMENT, **options)  # type: ignore[arg-type]
        rules = Rules.of(ENVIRONMENT, problem.overrides, problem.excludes)
        return [str(bound) for bound in host_bounds(problem, rules, required)]

    assert bounds() == ["a==1.0 requires b<2", "c==1.0 requires b>=1"]
    assert bounds("a>=1") == bounds()
    assert bounds("a>=2") == ["c==1.0 requires b>=1"]
    assert bounds("a>=2", overrides=("b>=3",)) == bounds("a>=2", excludes=("b",)) == []
    assert "a==1.0 requires a==1.0" in bounds("a>=2", protect=frozenset({canonicalize_name("a")}))
