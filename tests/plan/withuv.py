"""Random problems posed to the real uv: a folder of wheels for the index, a mirror for the host."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from msgspec.structs import replace
from packaging.utils import NormalizedName

from tests.plan.fuzz import planned, problem
from tests.plan.oracle import judged
from tests.plan.solver import Index
from tests.wheelhouse import Wheelhouse
from venvkit.base.digest import digest
from venvkit.base.process import Runner
from venvkit.host.distribution import Distribution
from venvkit.host.interpreter import Interpreter
from venvkit.host.probe import probe
from venvkit.host.snapshot import HostSnapshot
from venvkit.plan.problem import Problem
from venvkit.plan.view import Member
from venvkit.spec.configuration.sources import Sources
from venvkit.spec.levers import Levers
from venvkit.tools.descriptions import Descriptions
from venvkit.tools.metadata import MetadataReader
from venvkit.tools.uv.client import Uv, find_uv
from venvkit.tools.uv.mirror import Mirrors
from venvkit.tools.uv.resolver import UvResolver


@dataclass
class Bench:
    """Everything that stays from problem to problem.

    Args:
        folder: Where wheels, mirrors and scratch files go.
        environ: uv's environment.
    """

    folder: Path
    environ: Mapping[str, str]

    @cached_property
    def runner(self) -> Runner:
        return Runner()

    @cached_property
    def uv(self) -> Uv:
        return find_uv(self.runner, environ=self.environ)

    @cached_property
    def interpreter(self) -> Interpreter:
        return replace(probe(sys.executable, self.runner), site_dirs=(), pth_dirs=())

    def judge(self, seed: int) -> list[str]:
        """Return the faults of the answer to one random problem."""
        index, posed = problem(random.Random(seed))
        wheelhouse = shelved(index, self.folder / f"wheels-{seed}")
        resolver = self.resolver(posed, wheelhouse)
        return judged(index, posed, planned(posed, resolver))

    def resolver(self, posed: Problem, wheelhouse: Wheelhouse) -> UvResolver:
        distributions = tuple(map(self.distribution, sorted(posed.host.values(), key=lambda item: item.name)))
        snapshot = HostSnapshot(self.interpreter, distributions, (), (), digest(list(map(repr, distributions))))
        sources = Sources.said("spec", find_links=[wheelhouse.url])
        return UvResolver(
            uv=self.uv,
            mirrors=Mirrors(self.folder / "mirrors", self.uv),
            snapshot=snapshot,
            sources=sources,
            levers=Levers(),
            reader=lambda: MetadataReader(self.folder / "metadata", sources, environ=self.environ),
            descriptions=Descriptions(self.folder / "descriptions", "tests"),
        )

    def distribution(self, item: Member) -> Distribution:
        return Distribution(
            name=item.name,
            version=item.version,
            requires=item.requires or (),
            extras=EXTRAS,
            location=str(self.folder / "nowhere"),
            site_dir=str(self.folder),
            tags=("py3-none-any",),
        )


EXTRAS: tuple[NormalizedName, ...] = tuple(map(NormalizedName, ("x", "y")))


def shelved(index: Index, folder: Path) -> Wheelhouse:
    house = Wheelhouse(folder)
    folder.mkdir(parents=True)
    for name, versions in index.items():
        for version, lines in versions.items():
            house.add(name, version, requires=lines, extras=EXTRAS)
    return house
