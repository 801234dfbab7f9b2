"""What must hold of every plan, whatever the index and the host; `fuzz` and its oracle hold the rest."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from tests.plan.fake import ENVIRONMENT, TableResolver, host_of
from venvkit.errors import NoSolutionError
from venvkit.plan.planner import make_plan
from venvkit.plan.problem import Problem, Root
from venvkit.plan.values import Plan
from venvkit.plan.view import Member

NAMES = ("a", "b", "c", "d", "e")
VERSIONS = ("1.0", "2.0", "3.0")

_specifiers = st.sampled_from(["", "<2", ">=2", "==1.0", "!=2.0", "<3", ">=3"])
_lines = st.builds(lambda name, spec: f"{name}{spec}", st.sampled_from(NAMES), _specifiers)
_requires = st.lists(_lines, max_size=2).map(tuple)
_tables = st.fixed_dictionaries(
    {name: st.dictionaries(st.sampled_from(VERSIONS), _requires, max_size=3) for name in NAMES}
)
_hosts = st.dictionaries(st.sampled_from(NAMES), st.tuples(st.sampled_from(VERSIONS), _requires), max_size=5)
_roots = st.lists(st.tuples(_lines, st.booleans()), min_size=1, max_size=3, unique_by=lambda item: item[0][0])


def problem_of(
    host: dict[str, tuple[str, tuple[str, ...]]], roots: list[tuple[str, bool]], **options: object
) -> Problem:
    members = host_of(
        *(Member(canonicalize_name(name), version, lines, inherited=True) for name, (version, lines) in host.items())
    )
    made = tuple(
        Root(canonicalize_name(line[0]), line, f"packages[{line}]", optional=optional) for line, optional in roots
    )
    return Problem(made, members, ENVIRONMENT, **options)  # type: ignore[arg-type]


def solve(table: dict[str, dict[str, tuple[str, ...]]], problem: Problem) -> Plan | NoSolutionError:
    try:
        return make_plan(problem, TableResolver(table, problem.host))
    except NoSolutionError as error:
        return error


@settings(max_examples=150, deadline=None)
@given(table=_tables, host=_hosts, roots=_roots)
def test_planning_over_the_result_changes_nothing(
    table: dict[str, dict[str, tuple[str, ...]]],
    host: dict[str, tuple[str, tuple[str, ...]]],
    roots: list[tuple[str, bool]],
) -> None:
    first = solve(table, problem_of(host, roots))
    if isinstance(first, NoSolutionError) or first.broken or first.absent:
        return
    after = {**host, **{item.name: (item.version, table[item.name][item.version]) for item in first.install}}
    second = solve(table, problem_of(after, roots))
    assert not isinstance(second, NoSolutionError)
    assert second.install == ()


@settings(max_examples=100, deadline=None)
@given(host=_hosts, extras=st.sets(st.sampled_from(["x", "y"]), min_size=1))
def test_extras_and_addresses_are_never_lost(host: dict[str, tuple[str, tuple[str, ...]]], extras: set[str]) -> None:
    wanted = ",".join(sorted(extras))
    table = {
        "lib": {"1.0": tuple(f'{extra}dep; extra == "{extra}"' for extra in ("x", "y"))},
        "xdep": {"1.0": ()},
        "ydep": {"1.0": ()},
        "far": {"1.0": ()},
    }
    problem = problem_of(host, [])
    roots = (
        Root(canonicalize_name("lib"), f"lib[{wanted}]", "packages[0]"),
        Root(canonicalize_name("far"), "far @ https://example.org/far-1.0-py3-none-any.whl", "packages[1]"),
    )
    plan = solve(table, Problem(roots, problem.host, ENVIRONMENT))
    assert not isinstance(plan, NoSolutionError)
    installed = {str(item.name): item for item in plan.install}
    assert {f"{extra}dep" for extra in extras} == {name for name in installed if name.endswith("dep")}
    assert installed["far"].url == "https://example.org/far-1.0-py3-none-any.whl"
