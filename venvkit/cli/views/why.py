"""Reasons as they are shown: why a distribution is here, what asks for it, and why it was not inherited."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from venvkit.base.plain import plain
from venvkit.cli.page.blocks import Block, Fields, Line
from venvkit.plan.explain import Why, why
from venvkit.plan.problem import Problem
from venvkit.plan.values import Plan
from venvkit.spec.language.requires import required_name


def explained(plan: Plan, problem: Problem) -> tuple[Why, ...]:
    """Explain every distribution of a plan, by name."""
    names = {item.name for item in plan.install} | {item.name for item in plan.inherit}
    return tuple(explain(plan, problem, name) for name in sorted(names))


def explain(plan: Plan, problem: Problem, name: str) -> Why:
    """Explain one name in words, also where nothing was installed for it."""
    found = why(plan, problem, name)
    return found if found.explanation else replace(found, explanation=_explanation(found, plan, problem))


def _explanation(found: Why, plan: Plan, problem: Problem) -> str:
    if found.status == "inherited":
        return f"the host's {found.version} satisfies all that asks for it"
    if found.status == "excluded":
        return "the request excludes it"
    if found.status == "visible":
        return "it is on the host, and nothing that the model reaches requires it"
    for item in plan.absent:
        if required_name(item.requirement) == found.name:
            return f"it is optional and has no solution: {item.reason}"
    names = sorted({*map(str, problem.host), *(str(item.name) for item in plan.install)})
    near = difflib.get_close_matches(found.name, names, n=1)
    return "nothing that the model reaches requires it" + (f"; did you mean {near[0]}?" if near else "")


def chain_of(found: Why, *, whole: bool = False) -> Fields:
    """Return the reason of one distribution, a requirement of its chain a line; `whole` adds all that require it."""
    version = f" {found.version}" if found.version else ""
    asks = _lines("required by", found.required_by) if whole else ()
    return Fields((*_chain(found), *asks), title=f"{found.name}{version}: {found.status}")


def _chain(found: Why) -> Iterator[tuple[str, str]]:
    yield from _lines("because", found.reason)
    if found.status == "installed":
        yield "not inherited", f"{found.cause}: {found.explanation}"
    else:
        yield "that is", found.explanation


def _lines(label: str, lines: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines):
        yield "" if number else label, line


class Answer(Struct, frozen=True):
    """The result of `why`. `environment` is the id of what was asked; empty for a new plan."""

    model: str
    environment: str
    label: str
    why: Why

    def data(self) -> dict[str, Any]:
        return {"model": self.model, "environment": self.environment, **plain(self.why)}

    def blocks(self) -> Iterator[Block]:
        yield Line(self.label, "quiet")
        yield chain_of(self.why, whole=True)
