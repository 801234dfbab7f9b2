"""From the catalogue to distinct requirement sets: every model for every engine that its spec names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.catalogue.hosts import Seen
from venvkit.host.accelerator import parse_accelerator
from venvkit.spec.data import data_dir
from venvkit.spec.engines import EngineTable, load_engines
from venvkit.spec.language.marker import MarkerContext
from venvkit.spec.model import ModelSpec, load_specs
from venvkit.spec.request import Choice, Request, build_request, spec_engines

# The engine of another platform: what only it launches is not planned for Linux.
_FOREIGN_ENGINE = "mlx"


@dataclass(slots=True)
class RequirementSet:
    """One distinct set of requirements, and who asks for it.

    Args:
        lines: The requirements, sorted.
        launches: (model, engine) of every launch that asks for exactly these.
        spec: The spec of the first launch, which is the one that is planned.
        engine: The engine of the first launch.
        variants: Sources and levers that the launches differ in.
    """

    lines: tuple[str, ...]
    spec: ModelSpec
    engine: str | None
    launches: list[tuple[str, str]] = field(default_factory=list)
    variants: set[str] = field(default_factory=set)

    @property
    def id(self) -> str:
        """A short name that stays the same as long as the requirements do."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The expanded catalogue: how many specs and launches it has, all sets, and those for Linux."""

    specs: int
    launches: int
    sets: tuple[RequirementSet, ...]
    linux: tuple[RequirementSet, ...]


def expand(folder: Path, host: Seen) -> Catalogue:
    """Expand every spec of an unpacked catalogue for a Linux machine without an accelerator."""
    engines = load_engines([data_dir() / "engines.toml"])
    specs = [spec for path in _files(folder) for spec in load_specs(path)]
    all_sets: dict[tuple[str, ...], RequirementSet] = {}
    linux: dict[tuple[str, ...], RequirementSet] = {}
    launches = 0
    for spec in specs:
        for engine in spec_engines(spec, engines) or (None,):
            launches += 1
            request = _request(spec, engine, engines, host)
            for table in (all_sets,) if engine == _FOREIGN_ENGINE else (all_sets, linux):
                _add(table, request, spec)
    return Catalogue(len(specs), launches, tuple(all_sets.values()), tuple(linux.values()))


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted((folder / "xinference" / "model").rglob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        objects = document if isinstance(document, list) else [document]
        if any(isinstance(one, dict) and one.get("virtualenv") for one in objects):
            yield path


def _request(spec: ModelSpec, engine: str | None, engines: EngineTable, host: Seen) -> Request:
    context = MarkerContext(
        environment=host.environment,
        engine=None,
        accelerator=lambda: parse_accelerator("none", where="the harness"),
        variables={"model_src": "huggingface"},
    )
    versions = {name: version for name, (version, _) in host.distributions.items()}
    choice = Choice(engine=engine)
    return build_request(spec, choice, engines=engines, context=context, host_versions=versions, pip=None)


def _add(table: dict[tuple[str, ...], RequirementSet], request: Request, spec: ModelSpec) -> None:
    lines = tuple(sorted(map(str, request.requirements)))
    one = table.setdefault(lines, RequirementSet(lines, spec, request.engine))
    one.launches.append((spec.name, request.engine or "-"))
    one.variants.add(repr((request.sources, request.levers)))
