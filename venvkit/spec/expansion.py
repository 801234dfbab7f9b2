"""From strings to requirements: placeholders expanded, markers evaluated, names merged.

An expansion also remembers what of the machine it looked at, because that is what the request depends on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace
from packaging.utils import NormalizedName, canonicalize_name

from venvkit.errors import SpecError
from venvkit.spec.engine_values import BuildLine, Engine, EngineTable, Rule
from venvkit.spec.language.compare import engine_key, is_version
from venvkit.spec.language.marker import AcceleratorFacts, MarkerContext, parse_marker
from venvkit.spec.language.requirement import Line, Requirement, parse_line
from venvkit.spec.levers import Levers


class Expansion:
    """Expands strings in one context.

    Args:
        context: What markers are evaluated in. From here on use the `context` of the expansion instead: it
            notes whether the accelerator was asked.
        engine: The launched engine, if the data knows it.
        host_versions: Versions of the host's distributions, by normalized name.
    """

    def __init__(
        self,
        context: MarkerContext,
        engines: EngineTable,
        engine: Engine | None,
        *,
        host_versions: Mapping[str, str],
    ) -> None:
        self._ask = context.accelerator
        self._engines = engines
        self._engine = engine
        self._host_versions = host_versions
        self._relied: set[str] = set()
        self.context = replace(context, accelerator=self._accelerator)

    def lines(self, texts: Iterable[str], origin: str) -> Iterator[Requirement]:
        """Yield the requirements that apply; `origin` and the index of each string become its place."""
        for index, text in enumerate(texts):
            place = f"{origin}[{index}]"
            line = parse_line(text, place=place, known_variables=self.context.variables)
            if line.marker is None or line.marker.evaluate(self.context):
                yield from self._expanded(line, place)

    def rules(
        self, model: str, engine: str | None, requirements: Iterable[Requirement]
    ) -> tuple[tuple[Requirement, ...], Levers]:
        """Return the requirements and levers of the special cases that apply."""
        present = tuple(requirements)
        added: list[Requirement] = []
        levers = Levers()
        for rule in self._engines.rules:
            if rule.concerns(model, engine, present) and self._holds(rule):
                added.extend(self.lines(rule.packages, f"rule {rule.name} packages"))
                levers = levers.merged(rule.levers.applied(self.context))
        return tuple(added), levers

    def host_urls(self, requirements: Iterable[Requirement]) -> tuple[tuple[str, str], ...]:
        """Return the indexes that fit the host's builds of the distributions wished for, each with one such build."""
        wished = {requirement.name for requirement in requirements if requirement.wish}
        found: dict[str, str] = {}
        for index in self._engines.host_indexes:
            for name in map(canonicalize_name, index.packages):
                version = self._host_versions.get(name, "")
                url = index.url(version) if name in wished else None
                if url is not None:
                    found.setdefault(url, f"{name}=={version}")
        return tuple(found.items())

    def build_lines(self) -> tuple[BuildLine, ...]:
        """Return the indexes of the builds that fit the host; where it has none of them, those for its accelerator."""
        found = []
        for index in self._engines.host_indexes:
            name = canonicalize_name(index.packages[0])
            version = self._host_versions.get(name)
            if version is None and index.without_accelerator:
                facts = self._accelerator()
                if facts.has_cuda or facts.has_npu or facts.has_rocm:
                    continue
            if version is None and not index.without_accelerator:
                continue
            if (line := index.line(version)) is not None:
                found.append(line)
        return tuple(found)

    def relied(self) -> tuple[str, ...]:
        """Return the facts of the machine that were read so far."""
        return tuple(sorted(self._relied))

    def _accelerator(self) -> AcceleratorFacts:
        self._relied.add("accelerator")
        return self._ask()

    def _holds(self, rule: Rule) -> bool:
        if rule.when is None:
            return True
        marker = parse_marker(rule.when, known=self.context.variables, place=f"rules.{rule.name}.when")
        return marker.evaluate(self.context)

    def _expanded(self, line: Line, place: str) -> Iterator[Requirement]:
        if line.kind == "engine":
            yield from self._engine_packages(line.name, place)
        elif line.requirement is not None:
            yield self._wish(line.requirement) if line.kind == "system" else line.requirement

    def _engine_packages(self, name: str, place: str) -> Iterator[Requirement]:
        named = self._engines.find(name)
        if named is None:
            near = self._engines.nearest(name)
            raise SpecError(
                f"the engine data has no packages for `{name}`",
                code="placeholder-unknown",
                where=place,
                remedy=f"did you mean `{near}`?" if near else "add the engine to your own engine data",
            )
        if self._engine is not None and engine_key(named.name) == engine_key(self._engine.name):
            yield from self.lines(named.packages, f"engine {named.name} packages")

    def _wish(self, requirement: Requirement) -> Requirement:
        self._relied.add(f"host:{requirement.name}")
        version = self._host_versions.get(requirement.name)
        if version is None or not is_version(version):
            return requirement
        # The local part names a build of the host's; no index has to have that very one.
        return replace(requirement, specifier=f"=={version.partition('+')[0]}", wish=True)


def merged(*groups: Iterable[Requirement]) -> dict[NormalizedName, Requirement]:
    """Return the requirements by name: lines of one layer are joined, a later layer's line replaces an earlier one.

    A layer is where lines come from: the spec, an engine, a rule, the caller. Extras always unite.
    """
    found: dict[NormalizedName, Requirement] = {}
    for requirement in (requirement for group in groups for requirement in group):
        earlier = found.get(requirement.name)
        found[requirement.name] = _united(earlier, requirement) if earlier is not None else requirement
    return found


def _united(earlier: Requirement, later: Requirement) -> Requirement:
    one = later
    if _layer(earlier) == _layer(later):
        if earlier.url is None and later.url is None and earlier.wish == later.wish:
            parts = dict.fromkeys(part for part in (earlier.specifier, later.specifier) if part)
            one = replace(later, specifier=",".join(parts))
        elif later.url is None and (earlier.url is not None or later.wish):
            one = earlier  # an address, or a line with a bound, says more than a wish
    return replace(one, extras=tuple(sorted({*earlier.extras, *later.extras})))


def _layer(requirement: Requirement) -> str:
    return requirement.origin.partition("[")[0]
