"""Random problems for the planner, judged by an oracle: `python -m tests.plan.fuzz --count 3000`.

`--uv` poses them to the real uv over a folder of wheels, about four a second.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from tests.plan.oracle import judged
from tests.plan.solver import ENVIRONMENT, Index, OneConflict
from venvkit.errors import NoSolutionError
from venvkit.plan.families import NO_FAMILIES, Families, Pair
from venvkit.plan.planner import make_plan
from venvkit.plan.problem import Misfit, Problem, Root
from venvkit.plan.values import Plan
from venvkit.plan.view import Member
from venvkit.spec.engine_values import BuildLine

NAMES = "abcdef"
VERSIONS = ("1.0", "2.0", "3.0")
SPECIFIERS = ("", "", "", "<2", ">=2", "==1.0", "!=2.0", ">=3", "<3")
MARKERS = ("", "", "", ' ; extra == "x"', ' ; extra == "y"', ' ; os_name == "nt"')
ROWS = (("==1.*", "<2"), ("==2.*", "==2.*"), (">=3", ">=2"))


def line(draw: random.Random, *, marked: bool) -> str:
    extra = draw.choice(("", "", "", "", "[x]", "[x,y]"))
    return f"{draw.choice(NAMES)}{extra}{draw.choice(SPECIFIERS)}{draw.choice(MARKERS) if marked else ''}"


def requires(draw: random.Random) -> tuple[str, ...]:
    return tuple(line(draw, marked=True) for _ in range(draw.choice((0, 0, 1, 1, 2, 3))))


def roots(draw: random.Random, host: Iterable[Member]) -> tuple[Root, ...]:
    versions = {str(item.name): item.version for item in host}
    made: dict[str, Root] = {}
    for _ in range(draw.choice((1, 2, 3, 4))):
        text = line(draw, marked=False)
        one = Requirement(text)
        wish = one.name in versions and draw.random() < 0.3
        if wish:
            bare = text.partition("]")[0] + "]" if one.extras else one.name
            text = f"{bare}=={versions[one.name]}"
        made[one.name] = Root(
            canonicalize_name(one.name), text, f"packages[{len(made)}]", wish=wish, optional=draw.random() < 0.25
        )
    return tuple(made.values())


def families(draw: random.Random) -> Families:
    if draw.random() < 0.6:
        return NO_FAMILIES
    first, second, major = (canonicalize_name(name) for name in draw.sample(NAMES, 3))
    rows = tuple(row for row in ROWS if draw.random() < 0.8)
    return Families((Pair(first, second, rows),) if rows else (), frozenset({major}))


def some(draw: random.Random, chance: float, most: int = 1) -> tuple[str, ...]:
    """Return a few requirements of different names, or none."""
    if draw.random() >= chance:
        return ()
    return tuple(f"{name}{draw.choice(SPECIFIERS[3:])}" for name in draw.sample(NAMES, draw.randint(1, most)))


def problem(draw: random.Random) -> tuple[Index, Problem]:
    index = {n: {v: requires(draw) for v in VERSIONS if draw.random() < 0.65} for n in NAMES}
    host = {
        canonicalize_name(n): Member(
            canonicalize_name(n),
            draw.choice(VERSIONS[:2]),
            requires(draw),
            inherited=True,
            compiled=draw.random() < 0.4,
        )
        for n in NAMES
        if draw.random() < 0.6
    }
    return index, Problem(
        roots(draw, host.values()),
        host,
        ENVIRONMENT,
        inherit=draw.random() < 0.93,
        orphans=draw.choice(("hold-repair-hide", "hold-repair-hide", "hold-repair", "hold-hide", "hold", "report")),
        protect=frozenset(name for name in host if draw.random() < 0.08),
        runtime=frozenset(name for name in host if draw.random() < 0.1),
        unfit={name: "does not load" for name in host if draw.random() < 0.05},
        constraints=some(draw, 0.2, 2),
        overrides=some(draw, 0.2, 2),
        excludes=tuple(draw.sample(NAMES, 1)) if draw.random() < 0.15 else (),
        no_inherit=frozenset(canonicalize_name(name) for name in NAMES if draw.random() < 0.05),
        families=families(draw),
        upgrade=draw.random() < 0.1,
        misfits=misfits(draw, host),
    )


def with_lines(draw: random.Random, index: Index, posed: Problem) -> tuple[Problem, dict[str, Index]]:
    """Let some names have builds for the host's own variant in an index of their own."""
    if draw.random() >= 0.25:
        return posed, {}
    names = [canonicalize_name(name) for name in draw.sample(NAMES, 2)]
    table = {name: {f"{version}+v": requires(draw) for version in VERSIONS if draw.random() < 0.65} for name in names}
    line = BuildLine(names[0], tuple(names), "v", "https://line.example/v", draw.choice(("", f"{names[0]}==1.0+v")))
    host = {
        name: replace(item, version=f"{item.version}+v") if name in names and draw.random() < 0.7 else item
        for name, item in posed.host.items()
    }
    return replace(posed, host=host, lines=dict.fromkeys(names, line)), {line.url: table}


def misfits(draw: random.Random, host: Mapping[NormalizedName, Member]) -> tuple[Misfit, ...]:
    """Return what does not load beside a distribution of the host."""
    if draw.random() >= 0.2:
        return ()
    beside = [item.label for item in host.values()] or ["a==1.0"]
    return tuple(
        Misfit(canonicalize_name(name), draw.choice(VERSIONS), None, (draw.choice(beside),), "undefined symbol")
        for name in draw.sample(NAMES, 2)
    )


def planned(posed: Problem, resolver: Any) -> Plan | NoSolutionError:
    try:
        return make_plan(posed, resolver)
    except NoSolutionError as error:
        return error


def judge(seed: int) -> list[str]:
    """Return the faults of the answer to one random problem."""
    draw = random.Random(seed)
    index, posed = problem(draw)
    posed, lines = with_lines(draw, index, posed)
    prefers = draw.randrange(1000)
    answer = planned(posed, OneConflict(index, posed.host, prefers, lines=lines))
    mixed = replace(posed, roots=tuple(reversed(posed.roots)), host=dict(reversed(posed.host.items())))
    again = planned(mixed, OneConflict(index, mixed.host, prefers, lines=lines))
    same = str(again) == str(answer) if isinstance(answer, NoSolutionError) else again == answer
    return judged(index, posed, answer, lines) + ([] if same else ["the answer depends on the order of the input"])


def with_uv(folder: Path) -> Callable[[int], list[str]]:
    """Return what judges the answer to a random problem that the real uv solves."""
    from tests.plan.withuv import Bench

    nothing = folder / "no-index"
    nothing.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_", "VENVKIT_"))}
    environ = {**kept, "UV_CACHE_DIR": f"{folder}/cache", "UV_NO_CONFIG": "1", "UV_DEFAULT_INDEX": nothing.as_uri()}
    return Bench(folder, environ).judge


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--uv", action="store_true", help="pose them to the real uv")
    chosen = parser.parse_args()
    kinds: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        pose = with_uv(Path(folder)) if chosen.uv else judge
        for seed in range(chosen.first, chosen.first + chosen.count):
            for fault in pose(seed):
                kinds[fault.partition(":")[0]] += 1
                print(f"{seed}: {fault}")
    print(f"{chosen.count} problems, {sum(kinds.values())} faults: {dict(kinds)}")


if __name__ == "__main__":
    main()
