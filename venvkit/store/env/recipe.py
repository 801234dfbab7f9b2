"""The recipe: everything an environment is made from, as one frozen value, and the content key over it."""

from __future__ import annotations

from functools import cached_property

from msgspec import Struct
from packaging.utils import NormalizedName, canonicalize_name

from venvkit.base.digest import digest
from venvkit.formats.receipt import Proved, Relied
from venvkit.host.interpreter import Interpreter
from venvkit.host.snapshot import HostSnapshot
from venvkit.plan.problem import Problem
from venvkit.plan.values import Plan
from venvkit.spec.language.requires import required_name
from venvkit.spec.levers import Levers
from venvkit.spec.request import Sources

# Part of every content key: raise it when the same plan makes another environment (the hook, the launchers).
_FORMAT = 2


class Recipe(Struct, frozen=True, dict=True):
    """What is built.

    Args:
        interpreter: The interpreter that the venv is created from.
        host: The host that the child sees behind itself; None when it sees none.
        uv_settings: The operator's variables that change what the backend builds: UV_*, or PIP_*.
        backend: The tool that builds: `uv` or `pip`.
        prove: How far the environment is proved: `metadata`, `linkage` or `import`.
    """

    model: str
    engine: str | None
    interpreter: Interpreter
    host: HostSnapshot | None
    problem: Problem
    plan: Plan
    sources: Sources
    levers: Levers
    uv_settings: tuple[tuple[str, str], ...]
    backend: str = "uv"
    prove: Proved = "linkage"

    @property
    def relied(self) -> tuple[Relied, ...]:
        """The host distributions that the environment uses as they are."""
        if self.host is None:
            return ()
        found = ((item, self.host.find(item.name)) for item in self.plan.inherit)
        return tuple(Relied(item.name, item.version, known.location) for item, known in found if known is not None)

    @property
    def named(self) -> frozenset[NormalizedName]:
        """The distributions that are imported because the request names them."""
        return frozenset(root.name for root in self.problem.roots) if self.prove == "import" else frozenset()

    @property
    def imports(self) -> tuple[str, ...]:
        """What must be importable in the child: not what belongs to an optional requirement that is absent."""
        absent = {required_name(item.requirement) for item in self.plan.absent}
        return tuple(
            item for item in self.levers.verify if canonicalize_name(item.split(":")[0].split(".")[0]) not in absent
        )

    @cached_property
    def key(self) -> str:
        """The content key: equal for equal content, so that models with equal plans share one environment.

        Where a file comes from is not in it when its digest is: two mirrors of one index give one environment.
        """
        pins = [
            [
                item.name, item.version, item.description.sha256 or item.description.url or item.url,
                *([item.description.variant] if item.description.variant else []),
            ]
            for item in self.plan.install
        ]  # fmt: skip
        builds = any(item.description.builds for item in self.plan.install)
        return digest(
            {
                "format": _FORMAT,
                "install": pins,
                "interpreter": [
                    self.interpreter.version, self.interpreter.implementation, self.interpreter.base_python,
                ],
                "host": [self.host.interpreter.prefix, *self.host.interpreter.site_dirs] if self.host else None,
                "relied": [[item.name, item.version, item.location] for item in self.relied],
                "uv": self.uv_settings,
                "build": [self.sources.no_build_isolation] if builds else None,
                "verify": sorted(self.imports),
                **({"named": sorted(self.named)} if self.named else {}),
                **({} if self.backend == "uv" else {"backend": self.backend}),
                **({"hidden": [[item.name, item.version] for item in self.plan.hidden]} if self.plan.hidden else {}),
            }
        )  # fmt: skip
