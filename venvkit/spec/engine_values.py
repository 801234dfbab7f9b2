"""Knowledge about engines as frozen values: packages, indexes, special cases.

[engines.NAME]        an engine: its packages, format extras, indexes and levers
[rules.NAME]          a special case: when it applies, what it adds
[host_indexes.NAME]   the index that fits the host's own build (`torch 2.9.0+cu128`)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from msgspec import Struct
from packaging.requirements import Requirement as PackagingRequirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from venvkit.errors import UsageError
from venvkit.spec.language.compare import engine_key
from venvkit.spec.language.requirement import Requirement
from venvkit.spec.levers import Levers

# Below this, two names have little to do with one another.
_LIKENESS = 0.75


class CudaIndex(Struct, frozen=True):
    """An index for machines whose CUDA version is in `cuda`; the first that fits counts.

    Args:
        cuda: Versions of CUDA: `>=12.8,<13`.
        packages: The distributions that come from nowhere else; empty makes it an extra index for all.
    """

    cuda: str
    index_url: str
    packages: tuple[str, ...] = ()

    def fits(self, version: str) -> bool:
        """Tell whether the index is for the CUDA version `version`."""
        try:
            return SpecifierSet(self.cuda).contains(Version(version), prereleases=True)
        except InvalidVersion:
            return False


class Engine(Struct, frozen=True):
    """One engine.

    Args:
        name: Lower case; it becomes a component of a path.
        aliases: Other names, beyond case and the choice of `-`, `_`, `.`.
        platforms: Where it runs, as `sys_platform` says it; empty for everywhere.
        packages: What `#NAME_dependencies#` stands for.
        formats: Further packages by model format.
        extra_index_urls: Further indexes, unless caller, spec or pip's configuration name some.
        optional_index_urls: Those of them that a build may do without when they cannot be reached.
        cuda_indexes: Indexes by the machine's CUDA version.
        index_strategy: How several indexes are combined.
        edited: Distributions whose files the server changes after their installation.
        levers: How its requests are to be solved.
        origin: The file that says so.
        replaces: The files whose engine of this name it stands instead of, the weakest first.
    """

    name: str
    aliases: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    formats: tuple[tuple[str, tuple[str, ...]], ...] = ()
    extra_index_urls: tuple[str, ...] = ()
    optional_index_urls: tuple[str, ...] = ()
    cuda_indexes: tuple[CudaIndex, ...] = ()
    index_strategy: str | None = None
    edited: tuple[str, ...] = ()
    levers: Levers = Levers()
    origin: str = ""
    replaces: tuple[str, ...] = ()

    def runs_on(self, platform: str) -> bool:
        """Tell whether it runs where `sys_platform` is `platform`."""
        return not self.platforms or platform in self.platforms

    def format_packages(self, model_format: str) -> tuple[str, ...]:
        """Return the further packages for a model format, compared without case."""
        return next((packages for name, packages in self.formats if name == model_format.lower()), ())


class Rule(Struct, frozen=True):
    """A special case. It applies when every condition that it states holds.

    Args:
        name: Its name; a rule of a later file with this name replaces it.
        engines: The launched engine is one of these.
        models: The model's name is one of these, compared without case.
        requires: Each of these is among the requirements; with a specifier, pinned to a version inside it.
        when: A marker.
        packages: What it adds to the requirements; the caller's win.
        levers: What it adds to the levers.
        origin: The file that says so.
        replaces: The files whose rule of this name it stands instead of, the weakest first.
    """

    name: str
    engines: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    when: str | None = None
    packages: tuple[str, ...] = ()
    levers: Levers = Levers()
    origin: str = ""
    replaces: tuple[str, ...] = ()

    def concerns(self, model: str, engine: str | None, requirements: Iterable[Requirement]) -> bool:
        """Tell whether all its conditions but the marker hold."""
        if self.engines and engine_key(engine or "") not in map(engine_key, self.engines):
            return False
        if self.models and model.casefold() not in map(str.casefold, self.models):
            return False
        named = {requirement.name: requirement for requirement in requirements}
        return all(_required(PackagingRequirement(text), named) for text in self.requires)


class BuildLine(Struct, frozen=True):
    """The index of one build variant of some distributions that belong together.

    Args:
        anchor: The distribution whose variant decides, such as torch.
        names: The distributions that this index has builds of, `anchor` among them.
        variant: The local part of their versions, such as `cpu` or `cu130`.
        host: The anchor on the host as `name==version`; empty where the host has none.
    """

    anchor: NormalizedName
    names: tuple[NormalizedName, ...]
    variant: str
    url: str
    host: str = ""


class HostIndex(Struct, frozen=True):
    """Indexes of builds of the host's packages, by the local part of their version.

    Args:
        packages: What these indexes have. The first decides which of them: by its version on the host.
        indexes: Local part (`cu128`) and index.
        without_accelerator: The local part for a host that has neither the first package nor an accelerator.
        name: Its name; one of a later file with this name replaces it.
        origin: The file that says so.
        replaces: The files whose table of this name it stands instead of, the weakest first.
    """

    packages: tuple[str, ...]
    indexes: tuple[tuple[str, str], ...]
    name: str = ""
    origin: str = ""
    replaces: tuple[str, ...] = ()
    without_accelerator: str = ""

    def line(self, version: str | None) -> BuildLine | None:
        """Return the line that fits a version of the first package; None where no index is for it.

        Args:
            version: The version on the host; None for the line of a host without accelerator.
        """
        names = tuple(map(canonicalize_name, self.packages))
        variant = self.without_accelerator if version is None else version.partition("+")[2]
        url = dict(self.indexes).get(variant) if variant else None
        host = f"{names[0]}=={version}" if version is not None else ""
        return BuildLine(names[0], names, variant, url, host) if url is not None else None

    def url(self, version: str) -> str | None:
        """Return the index for a version's local part, or None."""
        return dict(self.indexes).get(version.partition("+")[2])


class EngineTable(Struct, frozen=True):
    """All engine data of an installation.

    `public_indexes` are addresses, each with a slash at its end, below which everybody finds the same builds of
    public projects.
    """

    engines: tuple[Engine, ...] = ()
    rules: tuple[Rule, ...] = ()
    host_indexes: tuple[HostIndex, ...] = ()
    public_indexes: tuple[str, ...] = ()

    def find(self, name: str) -> Engine | None:
        """Return the engine of that name or alias, compared without case and with `-`, `_`, `.` being one."""
        key = engine_key(name)
        named = (engine for engine in self.engines if engine_key(engine.name) == key)
        aliased = (engine for engine in self.engines if key in map(engine_key, engine.aliases))
        return next(named, None) or next(aliased, None)

    def nearest(self, name: str, others: Iterable[str] = ()) -> str | None:
        """Return the engine, or one of `others`, whose name or alias is nearest to `name`; None when none is near."""
        candidates = {engine_key(alias): engine.name for engine in self.engines for alias in engine.aliases}
        candidates |= {engine_key(engine.name): engine.name for engine in self.engines}
        candidates |= {engine_key(other): other for other in others}
        found = difflib.get_close_matches(engine_key(name), candidates, n=1, cutoff=_LIKENESS)
        return candidates[found[0]] if found else None

    def unknown(self, message: str, name: str, *, where: str, others: Iterable[str] = ()) -> UsageError:
        """Return the error (`engine-unknown`) for an engine that neither the data nor `others` have."""
        others = tuple(others)
        near = self.nearest(name, others)
        known = ", ".join(sorted({*others, *(engine.name for engine in self.engines)}))
        remedy = f"did you mean `{near}`?" if near else f"known are {known}"
        return UsageError(message, code="engine-unknown", where=where, remedy=remedy)

    def elsewhere(self, platform: str) -> frozenset[str]:
        """Return the keys, as `engine_key` makes them, of the engines that do not run where `sys_platform` is this."""
        away = [engine for engine in self.engines if not engine.runs_on(platform)]
        return frozenset(engine_key(name) for engine in away for name in (engine.name, *engine.aliases))


def _required(wanted: PackagingRequirement, named: Mapping[NormalizedName, Requirement]) -> bool:
    found = named.get(canonicalize_name(wanted.name))
    if found is None or not {canonicalize_name(extra) for extra in wanted.extras} <= set(found.extras):
        return False
    if not wanted.specifier:
        return True
    pins = [one.version for one in SpecifierSet(found.specifier) if one.operator == "=="]
    return any(not pin.endswith(".*") and wanted.specifier.contains(Version(pin), prereleases=True) for pin in pins)
