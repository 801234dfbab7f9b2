"""Conflicts that the resolver reports one at a time, and answers that must not depend on the order of input."""

from __future__ import annotations

from typing import Any

import pytest
from packaging.utils import canonicalize_name

from tests.plan.fake import ENVIRONMENT, host_of, member
from tests.plan.solver import Index, OneConflict
from venvkit.plan.families import Families, Pair
from venvkit.plan.planner import make_plan
from venvkit.plan.problem import Problem, Root
from venvkit.plan.values import Plan
from venvkit.spec.levers import Levers


def root(line: str, **options: Any) -> Root:
    name = line.split("[")[0].split("=")[0].split("<")[0].split(">")[0]
    return Root(canonicalize_name(name), line, f"packages[{line}]", **options)


def plan(index: Index, host: tuple[Any, ...], *roots: Root, **options: Any) -> Plan:
    members = host_of(*host)
    return make_plan(Problem(roots, members, ENVIRONMENT, **options), OneConflict(index, members))


def installs(made: Plan) -> dict[str, str]:
    return {str(item.name): item.version for item in made.install}


def test_each_optional_name_without_a_solution_is_absent() -> None:
    roots = [root("a"), *(root(name, optional=True) for name in ("one", "two", "three"))]
    made = plan({"a": {"1.0": ()}}, (), *roots)
    assert installs(made) == {"a": "1.0"}
    assert [item.requirement for item in made.absent] == ["one", "three", "two"]


def test_a_wish_is_not_released_for_a_conflict_of_others() -> None:
    index: Index = {"x": {"2.0": ("num>=2",)}, "num": {"2.5": ()}, "torch": {"9.0": (), "1.0": ()}}
    host = (member("num", "1.0"), member("torch", "1.0"))
    wishes = (root("num==1.0", wish=True), root("torch==1.0", wish=True))
    made = plan(index, host, root("x"), *wishes, no_inherit=frozenset({canonicalize_name("torch")}))
    assert installs(made) == {"x": "2.0", "num": "2.5", "torch": "1.0"}
    assert [item.requirement for item in made.relaxed] == ["num==1.0"]


def test_a_wish_is_not_released_for_an_optional_name() -> None:
    index: Index = {"torch": {"9.0": (), "1.0": ()}}
    nobody = frozenset({canonicalize_name("torch")})
    made = plan(
        index, (member("torch", "1.0"),), root("torch==1.0", wish=True), root("gone", optional=True), no_inherit=nobody
    )
    assert (installs(made), made.relaxed) == ({"torch": "1.0"}, ())


def test_an_optional_wish_can_be_dropped() -> None:
    made = plan({"a": {"1.0": ()}}, (), root("a"), root("gone==1.0", wish=True, optional=True))
    assert installs(made) == {"a": "1.0"}
    assert [item.requirement for item in made.absent] == ["gone==1.0"]


def test_a_pair_that_two_pins_break_is_reported_where_the_host_has_neither() -> None:
    pair = Pair(canonicalize_name("torch"), canonicalize_name("torchcodec"), (("==2.9.*", ">=0.8,<0.10"),))
    index: Index = {"torch": {"2.9.0": ()}, "torchcodec": {"0.7": (), "0.9": ()}}
    families = Families((pair,))
    made = plan(index, (), root("torch==2.9.0"), root("torchcodec==0.7"), families=families)
    assert [item.requirement for item in made.broken] == ["torchcodec>=0.8,<0.10"]
    assert made.repaired == ()
    fitting = plan(index, (member("torchcodec", "0.7"),), root("torch==2.9.0"), root("torchcodec"), families=families)
    assert (installs(fitting)["torchcodec"], fitting.broken) == ("0.9", ())


def test_the_reason_of_a_repair_does_not_depend_on_the_order_of_roots() -> None:
    index: Index = {"p": {"2": ()}, "q": {"2": ()}, "old": {"1": (), "2": ()}}
    host = (member("p", "1"), member("q", "1"), member("old", "1", "p<2", "q<2"))
    one = plan(index, host, root("p>=2"), root("q>=2"))
    assert one == plan(index, host, root("q>=2"), root("p>=2"))
    assert [item.because for item in one.repaired] == ["old==1 requires p<2"]


def test_an_override_replaces_the_extras_too() -> None:
    index: Index = {
        "a": {"1.0": ("foo[bar]",)}, "foo": {"1.0": ('gone; extra == "bar"',), "2.0": ()},
    }  # fmt: skip
    made = plan(index, (), root("a"), overrides=("foo==1.0",))
    assert (installs(made), made.broken) == ({"a": "1.0", "foo": "1.0"}, ())


@pytest.mark.parametrize("there", [True, False])
def test_extras_that_the_host_asks_of_a_shadow_are_held_or_reported(there: bool) -> None:
    index: Index = {"foo": {"2.0": ('qux; extra == "bar"',)}, **({"qux": {"1.0": ()}} if there else {})}
    made = plan(index, (member("foo", "1.0"), member("d", "1.0", "foo[bar]")), root("foo>=2"))
    assert installs(made) == ({"foo": "2.0", "qux": "1.0"} if there else {"foo": "2.0"})
    told = [] if there else ['foo==2.0 requires qux; extra == "bar", found none']
    assert [str(item) for item in made.broken] == told


def test_a_reason_says_what_was_read() -> None:
    index: Index = {"foo": {"2.0": ('qux; extra == "bar"',)}, "qux": {"1.0": ()}}
    made = plan(index, (member("foo", "1.0"), member("d", "1.0", "foo[bar]")), root("foo>=2"))
    assert not any("cannot be read" in link for item in made.install for link in item.reason)


def test_the_later_speaker_overrides_the_earlier_one() -> None:
    spoken = Levers(overrides=("foo==1", "bar==1")).merged(Levers(overrides=("Foo==2",)))
    assert spoken.overrides == ("bar==1", "Foo==2")


@pytest.mark.parametrize(("newer", "told"), [("2.9.0", ["torchcodec>=0.8,<0.10"]), ("2.4.0", [])])
def test_a_pair_that_no_row_judged_on_the_host_is_judged_after_a_shadow(newer: str, told: list[str]) -> None:
    pair = Pair(canonicalize_name("torch"), canonicalize_name("torchcodec"), (("==2.9.*", ">=0.8,<0.10"),))
    index: Index = {"torch": {newer: ()}, "torchcodec": {"0.7": ()}}
    host = (member("torch", "2.3.0"), member("torchcodec", "0.7"))
    made = plan(index, host, root(f"torch=={newer}"), families=Families((pair,)))
    assert [item.requirement for item in made.broken] == told


def test_what_is_protected_is_held_also_where_the_rest_of_the_host_is_only_reported() -> None:
    index: Index = {"tool": {"2.0": ("part>=2",), "1.0": ()}, "part": {"2.0": ()}}
    host = (member("part", "1.0"), member("server", "1.0", "part<2"))
    made = plan(index, host, root("tool"), orphans="report", protect=frozenset({canonicalize_name("server")}))
    assert installs(made) == {"tool": "1.0"}
