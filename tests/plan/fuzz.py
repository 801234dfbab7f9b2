"""Random problems for the planner, judged by brute force: `python -m tests.plan.fuzz --count 3000`."""

from __future__ import annotations

import argparse
import random
from collections.abc import Mapping

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.plan.fake import ENVIRONMENT
from tests.plan.solver import OneConflict, World, lines_of
from venvkit.errors import NoSolutionError
from venvkit.plan.planner import make_plan
from venvkit.plan.problem import Problem, Root
from venvkit.plan.values import Plan
from venvkit.plan.view import Member

NAMES = "abcde"
SPECIFIERS = ("", "", "<2", ">=2", "==1.0", "!=2.0", ">=3")


def line(draw: random.Random, *, marked: bool) -> str:
    extra = draw.choice(("", "", "", "[x]"))
    marker = draw.choice(("", "", ' ; extra == "x"', ' ; os_name == "nt"')) if marked else ""
    return f"{draw.choice(NAMES)}{extra}{draw.choice(SPECIFIERS)}{marker}"


def requires(draw: random.Random) -> tuple[str, ...]:
    return tuple(line(draw, marked=True) for _ in range(draw.choice((0, 0, 1, 2, 3))))


def problem(draw: random.Random) -> tuple[dict[str, dict[str, tuple[str, ...]]], Problem]:
    index = {n: {v: requires(draw) for v in ("1.0", "2.0", "3.0") if draw.random() < 0.6} for n in NAMES}
    host = {
        canonicalize_name(n): Member(canonicalize_name(n), draw.choice(("1.0", "2.0")), requires(draw), inherited=True)
        for n in NAMES
        if draw.random() < 0.6
    }
    roots = {}
    for _ in range(draw.choice((1, 2, 3))):
        text = line(draw, marked=False)
        name = canonicalize_name(Requirement(text).name)
        wish = name in host and draw.random() < 0.25
        text = f"{name}=={host[name].version}" if wish else text
        roots[name] = Root(name, text, f"packages[{text}]", wish=wish, optional=draw.random() < 0.3)
    overrides = (f"{draw.choice(NAMES)}{draw.choice(SPECIFIERS)}",) if draw.random() < 0.2 else ()
    protect = frozenset(n for n in host if draw.random() < 0.1)
    orphans = draw.choice(("hold-repair", "hold-repair", "hold", "report"))
    return index, Problem(
        tuple(roots.values()), host, ENVIRONMENT, orphans=orphans, protect=protect, overrides=overrides
    )


def silent(index: Mapping[str, Mapping[str, tuple[str, ...]]], posed: Problem, plan: Plan) -> set[tuple[str, str]]:
    """Return what does not hold in a plan's view and is not reported; extras and overrides included."""
    view = {str(name): (item.version, item.requires or ()) for name, item in posed.host.items()}
    view |= {str(item.name): (item.version, index[item.name][item.version]) for item in plan.install}
    bent = {one.name: one for one in map(Requirement, posed.overrides)}
    gone = {item.requirement for item in plan.absent}
    pending = [(root.origin, root.claim) for root in posed.roots if root.line not in gone]
    found, seen = set(), set()
    while pending:
        source, text = pending.pop()
        asked = bent.get(Requirement(text).name, Requirement(text))
        version, lines = view.get(asked.name, (None, ()))
        if version is None or not asked.specifier.contains(version, prereleases=True):
            found.add((source, text))
        if version is not None and (asked.name, frozenset(asked.extras)) not in seen:
            seen.add((asked.name, frozenset(asked.extras)))
            active = set(map(str, lines_of(lines, asked.extras)))
            pending += [(f"{asked.name}=={version}", one) for one in lines if str(Requirement(one)) in active]
    return found - {(item.distribution, item.requirement) for item in plan.broken}


def judge(seed: int) -> str:
    """Return the fault of the answer to one random problem; empty when there is none."""
    draw = random.Random(seed)
    index, posed = problem(draw)
    prefers = draw.randrange(1000)
    try:
        plan = make_plan(posed, OneConflict(index, posed.host, prefers))
    except NoSolutionError:
        if posed.protect:
            return ""
        needed = [Requirement(root.claim) for root in posed.roots if not root.optional]
        world = World(index, posed.host, (), posed.overrides, ())
        return "wrong refusal" if world.solve(needed, []) is not None else ""
    mixed = Problem(
        tuple(reversed(posed.roots)), dict(reversed(posed.host.items())), ENVIRONMENT,
        orphans=posed.orphans, protect=posed.protect, overrides=posed.overrides,
    )  # fmt: skip
    if make_plan(mixed, OneConflict(index, mixed.host, prefers)) != plan:
        return "depends on the order of input"
    missed = silent(index, posed, plan)
    return f"silent: {sorted(missed)}" if missed else ""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--first", type=int, default=0)
    chosen = parser.parse_args()
    faults = {seed: told for seed in range(chosen.first, chosen.first + chosen.count) if (told := judge(seed))}
    for seed, told in faults.items():
        print(f"{seed}: {told}")
    print(f"{chosen.count} problems, {len(faults)} faults")


if __name__ == "__main__":
    main()
