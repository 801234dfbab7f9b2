"""The planner's decisions, each on the smallest host and index that asks for it."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from tests.plan.fake import ENVIRONMENT, TableResolver, host_of, member
from venvkit.errors import NoSolutionError
from venvkit.plan.bounds import disjoint
from venvkit.plan.families import parse_families
from venvkit.plan.planner import make_plan
from venvkit.plan.problem import Problem, Root
from venvkit.plan.values import Pin, Plan, Question
from venvkit.spec.data import data_dir

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def root(line: str, **options: Any) -> Root:
    name = canonicalize_name(line.split("[")[0].split("=")[0].split("<")[0].split(">")[0].split(" ")[0])
    return Root(name, line, "virtualenv.packages[0]", **options)


def plan(resolver: TableResolver, *lines: str | Root, **options: Any) -> Plan:
    roots = tuple(line if isinstance(line, Root) else root(line) for line in lines)
    return make_plan(Problem(roots, resolver.host, ENVIRONMENT, **options), resolver)


def installs(made: Plan) -> dict[str, str]:
    return {str(item.name): item.version for item in made.install}


def test_a_satisfied_request_installs_nothing() -> None:
    resolver = TableResolver({}, host_of(member("a", "1.0", "b"), member("b", "1.0")))
    made = plan(resolver, "a")
    assert (made.install, made.broken, made.resolves) == ((), (), 1)
    assert [(item.name, item.reason[-1]) for item in made.inherit] == [
        ("a", "virtualenv.packages[0]: a"),
        ("b", "a==1.0 requires b"),
    ]


def test_a_reason_is_a_shortest_chain_from_the_model() -> None:
    table = {"a": {"1.0": ("b", "c")}, "b": {"1.0": ("c",)}, "c": {"1.0": ()}}
    made = plan(TableResolver(table), "a")
    assert {item.name: item.reason for item in made.install}["c"] == (
        "virtualenv.packages[0]: a",
        "a==1.0 requires c",
    )


def test_a_hold_keeps_what_a_shadow_would_break() -> None:
    table = {"x": {"2.0": ("num>=2",), "1.0": ("num>=1.5",)}, "num": {"1.9": (), "2.5": ()}}
    resolver = TableResolver(table, host_of(member("num", "1.0"), member("old", "1.0", "num<2")))
    made = plan(resolver, "x")
    assert installs(made) == {"x": "1.0", "num": "1.9"}
    assert [(item.distribution, item.requirement) for item in made.held] == [("old==1.0", "num<2")]
    assert made.broken == ()
    assert made.resolves == 2


def test_a_repair_brings_a_fitting_version_where_a_hold_has_no_solution() -> None:
    table = {"num": {"2.5": ()}, "old": {"1.0": ("num<2",), "3.0": ("num>=2",)}}
    resolver = TableResolver(table, host_of(member("num", "1.0"), member("old", "1.0", "num<2")))
    made = plan(resolver, "num>=2")
    assert installs(made) == {"num": "2.5", "old": "3.0"}
    assert [(item.name, item.host_version, item.version) for item in made.repaired] == [("old", "1.0", "3.0")]
    reason = {item.name: item.reason for item in made.install}["old"]
    assert reason == ("repair of old==1.0: old", "old==1.0 requires num<2 on the host")
    assert made.broken == ()


def test_what_can_be_neither_held_nor_repaired_is_reported() -> None:
    resolver = TableResolver({"num": {"2.5": ()}}, host_of(member("num", "1.0"), member("old", "1.0", "num<2")))
    made = plan(resolver, "num>=2", orphans="hold-repair")
    assert installs(made) == {"num": "2.5"}
    assert [str(item) for item in made.broken] == ["old==1.0 requires num<2, found 2.5"]
    assert (made.held, made.repaired) == ((), ())


def test_one_hopeless_orphan_does_not_cost_the_others_their_repair() -> None:
    table = {"num": {"2.5": ()}, "good": {"3.0": ("num>=2",)}}
    host = host_of(member("num", "1.0"), member("bad", "1.0", "num<2"), member("good", "1.0", "num<2"))
    made = plan(TableResolver(table, host), "num>=2")
    assert installs(made) == {"num": "2.5", "good": "3.0"}
    assert (made.broken, [item.name for item in made.hidden]) == ((), ["bad"])


@pytest.mark.parametrize(("orphans", "expected"), [("report", {"num": "2.5"}), ("hold", {"num": "2.5"})])
def test_how_far_to_go_is_the_callers(orphans: str, expected: dict[str, str]) -> None:
    table = {"num": {"2.5": ()}, "old": {"3.0": ("num>=2",)}}
    resolver = TableResolver(table, host_of(member("num", "1.0"), member("old", "1.0", "num<2")))
    made = plan(resolver, "num>=2", orphans=orphans)
    assert installs(made) == expected
    assert len(made.broken) == 1
    assert made.resolves == (1 if orphans == "report" else 2)


def test_a_protected_distribution_refuses_with_both_sides() -> None:
    table = {"lib": {"9.0": ("num>=2",)}, "num": {"2.5": ()}, "server": {"2.0": ("num>=2",)}}
    host = host_of(member("num", "1.0"), member("part", "1.0", "num<2"), member("server", "1.0", "part"))
    with pytest.raises(NoSolutionError) as caught:
        plan(TableResolver(table, host), "lib", protect=frozenset({canonicalize_name("server")}))
    assert caught.value.code == "protected-conflict"
    text = "\n".join(caught.value.details)
    assert "lib==9.0 requires num>=2" in text
    assert "server==1.0 requires part > part==1.0 requires num<2" in text


def test_a_protected_distribution_is_held_where_it_can_be() -> None:
    table = {"num": {"1.9": (), "2.5": ()}}
    host = host_of(member("num", "1.0"), member("server", "1.0", "num<2"))
    made = plan(TableResolver(table, host), "num>=1.5", protect=frozenset({canonicalize_name("server")}))
    assert installs(made) == {"num": "1.9"}


def test_a_protected_distribution_is_not_replaced_either() -> None:
    table = {"server": {"2.0": (), "1.0": ()}, "tool": {"2.0": ("server>=2",), "1.0": ()}}
    resolver = TableResolver(table, host_of(member("server", "1.0")))
    guard = frozenset({canonicalize_name("server")})
    assert installs(plan(resolver, "tool", protect=guard)) == {"tool": "1.0"}
    with pytest.raises(NoSolutionError) as caught:
        plan(resolver, "server>=2", protect=guard)
    assert caught.value.code == "protected-conflict"
    assert "server==1.0" in "\n".join(caught.value.details)


def test_a_wish_is_kept_while_there_is_a_solution() -> None:
    table = {"x": {"2.0": ("num>=2",), "1.0": ()}, "num": {"2.5": ()}}
    resolver = TableResolver(table, host_of(member("num", "1.0")))
    made = plan(resolver, "x", root("num==1.0", wish=True))
    assert installs(made) == {"x": "1.0"}
    assert made.relaxed == ()


def test_only_the_wish_in_the_conflict_is_relaxed() -> None:
    table = {"x": {"2.0": ("num>=2",)}, "num": {"2.5": ()}, "torch": {"9.0": ()}}
    resolver = TableResolver(table, host_of(member("num", "1.0"), member("torch", "1.0")))
    made = plan(resolver, "x", root("num==1.0", wish=True), root("torch==1.0", wish=True))
    assert installs(made) == {"x": "2.0", "num": "2.5"}
    assert [(item.requirement, item.host_version, item.version) for item in made.relaxed] == [
        ("num==1.0", "1.0", "2.5")
    ]


def test_a_wish_that_need_not_give_way_is_pinned_again() -> None:
    table = {"x": {"2.0": ("num>=2", "torch<9")}, "num": {"2.5": ()}, "torch": {"9.0": (), "8.0": ()}}
    # Hidden, so that an unpinned torch would float to another version than the host's.
    resolver = TableResolver(
        {**table, "torch": {"8.0": (), "1.0": ()}}, host_of(member("num", "1.0"), member("torch", "1.0"))
    )
    made = plan(
        resolver,
        "x",
        root("num==1.0", wish=True),
        root("torch==1.0", wish=True),
        no_inherit=frozenset({canonicalize_name("torch")}),
    )
    assert installs(made)["torch"] == "1.0"
    assert [item.requirement for item in made.relaxed] == ["num==1.0"]


def test_an_optional_requirement_may_be_absent() -> None:
    made = plan(TableResolver({"a": {"1.0": ()}}), "a", root("flash>=2", optional=True))
    assert installs(made) == {"a": "1.0"}
    assert [item.requirement for item in made.absent] == ["flash>=2"]
    assert made.broken == ()


def test_an_override_replaces_and_an_exclude_removes() -> None:
    table = {"a": {"1.0": ("b<2", "c")}, "b": {"1.0": (), "2.0": ()}, "c": {"1.0": ()}}
    made = plan(TableResolver(table), "a", overrides=("b==2.0",), excludes=("c",))
    assert installs(made) == {"a": "1.0", "b": "2.0"}
    assert made.broken == ()


def test_without_inheritance_all_that_is_reached_is_installed() -> None:
    resolver = TableResolver(
        {"a": {"1.0": ("b",)}, "b": {"1.0": ()}}, host_of(member("a", "1.0", "b"), member("b", "1.0"))
    )
    made = plan(resolver, "a", inherit=False)
    assert installs(made) == {"a": "1.0", "b": "1.0"}
    assert made.inherit == ()


def test_what_only_an_unreadable_requirement_explains_says_so() -> None:
    resolver = TableResolver({"a": {"1.0": ("b",)}, "b": {"1.0": ()}}, opaque=frozenset({"a"}))
    made = plan(resolver, "a")
    assert "a==1.0" in {item.name: item.reason for item in made.install}["b"][0]


def test_an_old_source_distribution_gives_way_to_a_wheel_and_a_repair() -> None:
    table = {
        "foo": {"1.0": (), "2.0": ("dep>=2",)},
        "dep": {"2.0": ()},
        "server": {"1.0": ("dep<2",), "2.0": ("dep>=2",)},
    }
    host = host_of(member("dep", "1.0"), member("server", "1.0", "dep<2"))
    made = plan(TableResolver(table, host, sdists=frozenset({("foo", "1.0")})), "foo>=1")
    assert installs(made) == {"foo": "2.0", "dep": "2.0", "server": "2.0"}
    assert made.broken == ()


def test_a_wish_is_not_given_up_for_a_wheel() -> None:
    table = {"foo": {"1.0": (), "2.0": ("num>=2",)}, "num": {"1.0": (), "2.0": ()}}
    resolver = TableResolver(table, host_of(member("num", "1.0")), sdists=frozenset({("foo", "1.0")}))
    made = plan(resolver, "foo", root("num==1.0", wish=True))
    assert installs(made) == {"foo": "1.0"}
    assert made.relaxed == ()


def test_a_source_distribution_is_built_where_no_wheel_satisfies() -> None:
    resolver = TableResolver({"foo": {"1.0": (), "2.0": ()}}, sdists=frozenset({("foo", "1.0"), ("foo", "2.0")}))
    made = plan(resolver, "foo")
    assert (installs(made), made.resolves) == ({"foo": "2.0"}, 2)
    assert made.install[0].description.builds


FAMILIES = parse_families(tomllib.loads((data_dir() / "abi.toml").read_text()), origin="abi.toml")


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("<5", ">=5", True), ("==4.57.1", ">=5,<6", True), (">=2", "<2.4", False), ("~=1.3.0", ">=1.4", True),
        ("==1.*", "==1.26.4", False), ("<1.0", ">=0.36", False), (">5", "<=5", True), ("", "<2", False),
    ],
)  # fmt: skip
def test_disjoint_specifiers(first: str, second: str, expected: bool) -> None:
    assert disjoint(first, second) is expected
    assert disjoint(second, first) is expected


@pytest.mark.parametrize(
    ("torch", "expected"),
    [("2.4.1", "0.0.3"), ("2.7.0", "0.5.0"), ("2.9.0", "0.9.0"), ("2.10.0", "0.10.0"), ("2.11.0", "0.16.0")],
)
def test_torchcodec_follows_the_hosts_torch(torch: str, expected: str) -> None:
    versions = ("0.0.3", "0.1.0", "0.5.0", "0.7.0", "0.9.0", "0.10.0", "0.16.0", "0.17.0")
    table = {"torchcodec": dict.fromkeys(versions, ()), "torch": {"2.4.1": (), "2.15.0": ()}}
    made = plan(TableResolver(table, host_of(member("torch", torch))), "torchcodec", "torch", families=FAMILIES)
    assert installs(made) == {"torchcodec": expected}


def test_an_inherited_torchcodec_follows_a_shadowed_torch() -> None:
    table = {"torch": {"2.13.0": ()}, "torchcodec": {"0.10.0": (), "0.14.0": ()}}
    host = host_of(member("torch", "2.10.0"), member("torchcodec", "0.10.0"))
    made = plan(TableResolver(table, host), "torch==2.13.0", families=FAMILIES)
    assert installs(made) == {"torch": "2.13.0", "torchcodec": "0.14.0"}
    assert made.broken == ()


def test_compiled_distributions_cross_numpys_major_version_together() -> None:
    table = {"numpy": {"2.4.0": ()}, "scipy": {"1.0": ("numpy>=1",), "2.0": ("numpy>=1",)}}
    host = host_of(
        member("numpy", "1.26"),
        member("scipy", "1.0", "numpy>=1", compiled=True),
        member("pure", "1.0", "numpy>=1"),
    )
    made = plan(TableResolver(table, host), "numpy>=2", families=FAMILIES)
    assert installs(made) == {"numpy": "2.4.0", "scipy": "2.0"}
    assert [item.name for item in made.repaired] == ["scipy"]


def test_compiled_distributions_run_with_an_older_numpy() -> None:
    table = {"numpy": {"1.26.4": ()}, "scipy": {"1.0": ("numpy>=1",), "2.0": ("numpy>=1",)}}
    host = host_of(member("numpy", "2.4"), member("scipy", "1.0", "numpy>=1", compiled=True))
    made = plan(TableResolver(table, host), "numpy<2", families=FAMILIES)
    assert installs(made) == {"numpy": "1.26.4"}
    assert (made.repaired, made.broken, made.resolves) == ((), (), 1)


class Lying(TableResolver):
    """A resolver that forgets a requirement: the proof must not take its word."""

    def resolve(self, question: Question) -> tuple[Pin, ...]:
        return tuple(pin for pin in super().resolve(question) if pin.name != "b")


def test_the_proof_does_not_take_the_resolvers_word() -> None:
    made = plan(Lying({"a": {"1.0": ("b>=1",)}, "b": {"1.0": ()}}), "a")
    assert [str(item) for item in made.broken] == ["a==1.0 requires b>=1, found none"]
