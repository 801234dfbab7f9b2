"""The runtime is never replaced; what is broken for nobody is repaired within a budget, else hidden."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from msgspec.structs import replace
from packaging.utils import NormalizedName, canonicalize_name

from tests.plan.fake import ENVIRONMENT, host_of, member
from tests.plan.solver import Index, OneConflict
from tests.plan.test_faults import installs, root
from venvkit.errors import NoSolutionError
from venvkit.plan.explain import why
from venvkit.plan.planner import make_plan
from venvkit.plan.problem import Problem
from venvkit.plan.values import Description, Pin, Plan

SERVER = canonicalize_name("server")
# As an old server stands in an index: an older copy of it suits everything.
INDEX: Index = {
    "hub": {"2": ("click>=8.4",), "1": ()},
    "click": {"8.1": (), "8.4": ()},
    "server": {"1": ("click",), "4": ("click<8.2",)},
    "tool": {"1": ("click<8.2",), "2": ("click>=8.4", "big")},
    "big": {"1": ()},
}
HOST = (member("server", "4", "click<8.2"), member("click", "8.1"))


class Described(OneConflict):
    """The solver with further facts about files."""

    facts: Mapping[str, Mapping[str, Any]] = {}

    def describe(self, pins: Iterable[Pin]) -> dict[NormalizedName, Description]:
        return {name: replace(item, **self.facts.get(name, {})) for name, item in super().describe(pins).items()}


def pose(host: tuple[Any, ...], *lines: str, **options: Any) -> Problem:
    return Problem(tuple(map(root, lines)), host_of(*host), ENVIRONMENT, **{"runtime": frozenset({SERVER}), **options})


def plan(problem: Problem, index: Index = INDEX, **facts: Mapping[str, Any]) -> Plan:
    resolver = Described(index, problem.host)
    resolver.facts = facts
    return make_plan(problem, resolver)


def broken(made: Plan) -> list[str]:
    return list(map(str, made.broken))


def test_the_runtime_is_not_replaced_by_an_older_one_that_suits() -> None:
    made = plan(pose(HOST, "hub>=2"))
    assert installs(made) == {"hub": "2", "click": "8.4"}
    assert broken(made) == ["server==4 requires click<8.2, found 8.4"]
    assert made.hidden == ()


def test_without_a_runtime_the_older_one_is_taken() -> None:
    assert installs(plan(pose(HOST, "hub>=2", runtime=frozenset()))) == {"hub": "2", "click": "8.4", "server": "1"}


def test_what_the_runtime_requires_is_held_where_that_has_a_solution() -> None:
    made = plan(pose(HOST, "hub"))
    assert (installs(made), broken(made)) == ({"hub": "1"}, [])


def test_only_the_requirements_in_the_conflict_give_way() -> None:
    index = {**INDEX, "hub": {"2": ("click>=8.4", "num")}, "num": {"1": (), "2": ()}}
    host = (member("server", "4", "click<8.2", "num<2"), member("click", "8.1"), member("num", "1"))
    made = plan(pose(host, "hub>=2"), index)
    assert installs(made) == {"hub": "2", "click": "8.4"}
    assert broken(made) == ["server==4 requires click<8.2, found 8.4"]


def test_the_runtime_is_inherited_with_what_it_reaches_and_nothing_else() -> None:
    made = plan(pose((*HOST, member("other", "1", "click")), "hub"))
    assert [(item.name, item.reason) for item in made.inherit] == [
        ("click", ("runtime: server", "server==4 requires click<8.2")),
        ("server", ("runtime: server",)),
    ]


def test_a_request_that_names_the_runtime_gets_it_with_a_warning() -> None:
    made = plan(pose(HOST, "hub>=2", "server<2"))
    assert installs(made) == {"hub": "2", "click": "8.4", "server": "1"}
    assert [item.code for item in made.warnings] == ["runtime-replaced"]
    kept = plan(pose(HOST, "hub>=2", "server"))
    assert installs(kept) == {"hub": "2", "click": "8.4", "server": "1"}
    assert (installs(plan(pose(HOST, "hub", "server"))), kept.warnings) == ({"hub": "1"}, made.warnings)


def test_a_requirement_of_a_requirement_does_not_replace_the_runtime() -> None:
    with pytest.raises(NoSolutionError):
        plan(pose(HOST, "odd"), {**INDEX, "odd": {"1": ("server<2",)}})


def test_with_nothing_inherited_the_runtime_stays_the_hosts() -> None:
    made = plan(pose(HOST, "extra", inherit=False), {**INDEX, "extra": {"1": ("server", "click")}})
    assert installs(made) == {"extra": "1", "click": "8.1"}


def test_protection_of_the_runtime_still_refuses() -> None:
    with pytest.raises(NoSolutionError) as caught:
        plan(pose(HOST, "hub>=2", protect=frozenset({SERVER})))
    assert caught.value.code == "protected-conflict"


TOOL = (member("tool", "1", "click<8.2"), member("click", "8.1"))


def test_a_repair_within_the_budget_is_made() -> None:
    made = plan(pose(TOOL, "hub>=2"), tool={"size": 60}, big={"size": 40}, hub={"size": 10**9})
    assert installs(made) == {"hub": "2", "click": "8.4", "tool": "2", "big": "1"}
    assert [(item.name, item.because) for item in made.repaired] == [("tool", "tool==1 requires click<8.2")]


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"tool": {"size": 60}, "big": {"size": 41}}, "it would download 0 MB, of 0 MB that a repair may"),
        ({"big": {"builds": True}}, "big==1 would be built from source"),
    ],
)
def test_a_repair_that_costs_too_much_is_not_made(facts: dict[str, Any], reason: str) -> None:
    made = plan(pose(TOOL, "hub>=2", budget=100), **facts)
    assert installs(made) == {"hub": "2", "click": "8.4"}
    assert [(item.name, item.version, item.reason) for item in made.hidden] == [
        ("tool", "1", f"tool==1 requires click<8.2, found 8.4; not repaired: {reason}")
    ]
    assert (made.repaired, made.broken) == ((), ())


def test_a_repair_keeps_the_build_variant_of_the_host() -> None:
    index = {**INDEX, "tool": {"2+cpu": ("click>=8.4",), "3": ("click>=8.4",)}}
    host = (member("tool", "1+cpu", "click<8.2"), member("click", "8.1"))
    made = plan(pose(host, "hub>=2"), index)
    assert installs(made) == {"hub": "2", "click": "8.4"}
    assert [item.name for item in made.hidden] == ["tool"]
    same = {**INDEX, "tool": {"2+cpu": ("click>=8.4",)}}
    assert installs(plan(pose(host, "hub>=2"), same)) == {"hub": "2", "click": "8.4", "tool": "2+cpu"}


def test_what_needs_a_hidden_distribution_is_hidden_as_well() -> None:
    index = {name: versions for name, versions in INDEX.items() if name != "tool"}
    host = (*TOOL, member("user", "1", "tool"), member("other", "1", "user"), member("free", "1", "click"))
    made = plan(pose(host, "hub>=2"), index)
    assert [(item.name, item.reason) for item in made.hidden] == [
        ("other", "other==1 requires user, which is hidden"),
        ("tool", "tool==1 requires click<8.2, found 8.4"),
        ("user", "user==1 requires tool, which is hidden"),
    ]
    told = why(made, pose(host, "hub>=2"), "tool")
    assert (told.status, told.cause, told.version, told.host_version) == ("hidden", "hidden", None, "1")


def test_what_the_runtime_reaches_is_reported_and_not_hidden() -> None:
    index = {name: versions for name, versions in INDEX.items() if name != "tool"}
    served = (member("server", "4", "tool"), *TOOL)
    made = plan(pose(served, "hub>=2"), index)
    assert (broken(made), made.hidden) == (["tool==1 requires click<8.2, found 8.4"], ())


@pytest.mark.parametrize(("orphans", "hidden"), [("hold-repair", False), ("hold-hide", True), ("hold", False)])
def test_the_steps_are_chosen(orphans: str, hidden: bool) -> None:
    index = {**INDEX, "tool": {"1": ("click<8.2",)}}
    made = plan(pose(TOOL, "hub>=2", orphans=orphans), index)
    assert [item.name for item in made.hidden] == (["tool"] if hidden else [])
    assert broken(made) == ([] if hidden else ["tool==1 requires click<8.2, found 8.4"])


def test_what_does_not_fit_the_host_is_hidden_unless_it_is_asked_for() -> None:
    unfit = {canonicalize_name("vision"): "vision==1 does not fit torch==2"}
    host = (member("vision", "1"), member("user", "1", "vision"))
    made = plan(pose(host, "hub", unfit=unfit))
    assert [item.name for item in made.hidden] == ["user", "vision"]
    asked = plan(pose(host, "vision", unfit=unfit), {**INDEX, "vision": {"1": (), "2": ()}})
    assert installs(asked) == {"vision": "2"}
    assert asked.hidden == ()


def test_the_runtime_stays_the_hosts_also_where_it_does_not_fit() -> None:
    unfit = {SERVER: "server==4 does not fit click==8.1"}
    made = plan(pose(HOST, "extra", unfit=unfit), {**INDEX, "extra": {"1": ("server",)}})
    assert installs(made) == {"extra": "1"}
    assert ([item.name for item in made.inherit], made.hidden) == (["click", "server"], ())
    assert [item.code for item in made.warnings] == ["host-unfit"]


def test_what_does_not_fit_is_hidden_from_the_runtime_too_and_that_is_reported() -> None:
    unfit = {canonicalize_name("vision"): "vision==1 does not fit torch==2"}
    host = (member("server", "4", "user"), member("user", "1", "vision"), member("vision", "1"), member("other", "1"))
    made = plan(pose(host, "hub", unfit=unfit))
    assert [item.name for item in made.hidden] == ["vision"]
    assert broken(made) == ["user==1 requires vision, found none"]
    assert [item.name for item in made.inherit] == ["server", "user"]
    assert plan(pose(host, "user", unfit=unfit), {**INDEX, "vision": {"2": ()}}).hidden == ()


def test_an_excluded_name_hides_nobody_that_requires_it() -> None:
    unfit = {canonicalize_name("vision"): "vision==1 does not fit torch==2"}
    host = (member("vision", "1"), member("user", "1", "vision"))
    made = plan(pose(host, "hub", unfit=unfit, excludes=("Vision",)))
    assert [item.name for item in made.hidden] == ["vision"]


def test_a_request_that_reaches_a_moved_distribution_is_its_reason() -> None:
    index: Index = {"engine": {"1": ("torch==2", "fs")}, "torch": {"2": ()}, "fs": {"2": ()}}
    host = (member("torch", "3", "fs<2"), member("fs", "1"))
    made = plan(pose(host, "engine", "fs>=2"), index)
    assert {item.name: item.reason[-1] for item in made.install}["torch"] == "engine==1 requires torch==2"
    assert made.repaired == ()


def test_a_version_that_was_taken_for_its_wheel_says_which_has_none() -> None:
    index: Index = {"cow": {"5": (), "4": ()}}

    class Wheels(Described):
        def resolve(self, question: Any) -> tuple[Pin, ...]:
            pins = super().resolve(question)
            return tuple(replace(pin, version="4") if pin.name in question.wheels else pin for pin in pins)

        def describe(self, pins: Iterable[Pin]) -> dict[NormalizedName, Description]:
            return {pin.name: Description((), builds=pin.version == "5") for pin in pins}

    problem = pose((member("a", "1", "b<2"), member("b", "1")), "cow<6")
    made = make_plan(problem, Wheels(index, problem.host))
    assert (installs(made), made.inherit) == ({"cow": "4"}, ())
    assert [item.message for item in made.warnings] == ["cow==4 is taken because cow==5 has no wheel"]
