"""Builds that fit the host's own variant: every name of the line comes from its index, or with a warning."""

from __future__ import annotations

from packaging.utils import canonicalize_name

from tests.plan.fake import ENVIRONMENT
from tests.plan.solver import Index, OneConflict
from tests.plan.test_faults import installs, root
from venvkit.plan.planner import make_plan
from venvkit.plan.problem import Misfit, Problem
from venvkit.plan.values import Plan
from venvkit.spec.engine_values import BuildLine

TORCH, VISION = canonicalize_name("torch"), canonicalize_name("vision")
LINE = BuildLine(TORCH, (TORCH, VISION), "cpu", "https://line.example/cpu", "torch==1.0+cpu")
INDEX: Index = {"torch": {"2": ()}, "vision": {"1": ("torch",), "2": ("torch",)}, "model": {"1": ("vision",)}}


def plan(index: Index, lines: Index, *packages: str, **options: object) -> Plan:
    problem = Problem(tuple(map(root, packages)), {}, ENVIRONMENT, lines=dict.fromkeys(LINE.names, LINE), **options)  # type: ignore[arg-type]
    return make_plan(problem, OneConflict(index, lines={LINE.url: lines}))


def test_a_build_that_only_the_build_of_the_line_requires_is_of_the_line_too() -> None:
    made = plan({**INDEX, "vision": {"1": ()}}, {"vision": {"2+cpu": ("torch",)}, "torch": {"2+cpu": ()}}, "model")
    assert installs(made) == {"model": "1", "vision": "2+cpu", "torch": "2+cpu"}
    assert made.warnings == ()


def test_what_only_the_build_of_another_line_requires_is_not_installed() -> None:
    made = plan(INDEX, {"vision": {"2+cpu": ()}, "torch": {"2+cpu": ()}}, "model")
    assert installs(made) == {"model": "1", "vision": "2+cpu"}
    assert made.lines == (VISION,)


def test_names_without_builds_of_the_line_that_go_together_are_told() -> None:
    made = plan(INDEX, {"vision": {"2+cpu": ("torch",)}}, "model")
    assert installs(made) == {"model": "1", "vision": "2", "torch": "2"}
    assert [item.code for item in made.warnings] == ["build-line-missing"]
    assert made.warnings[0].message.startswith("torch==2, vision==2: not the build for the host's torch==1.0+cpu")


def test_a_version_that_is_known_not_to_load_is_taken_from_the_line_in_another_version() -> None:
    misfit = Misfit(VISION, "2+cpu", None, ("torch==2+cpu",), "undefined symbol: x")
    lines: Index = {"vision": {"1+cpu": ("torch",), "2+cpu": ("torch",)}, "torch": {"2+cpu": ()}}
    assert installs(plan(INDEX, lines, "model"))["vision"] == "2+cpu"
    assert installs(plan(INDEX, lines, "model", misfits=(misfit,)))["vision"] == "1+cpu"
