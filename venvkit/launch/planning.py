"""From a reading to a plan and the recipe of its environment: the planner's problem, the resolver, warnings."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from venvkit.base import cachefile
from venvkit.base.digest import value_digest
from venvkit.base.local import content_digest, local_path
from venvkit.base.version import __version__
from venvkit.errors import NoSolutionError
from venvkit.events import Observer, PhaseStarted, Warned
from venvkit.launch.host import Services
from venvkit.launch.plans import Plans, source_texts
from venvkit.launch.reading import Reading
from venvkit.plan.bounds import Bound
from venvkit.plan.families import Families
from venvkit.plan.members import host_view
from venvkit.plan.orphans import requirements_of
from venvkit.plan.planner import make_plan
from venvkit.plan.problem import Problem, Root
from venvkit.plan.resolver import Unsolvable
from venvkit.plan.values import Installed, Plan
from venvkit.plan.view import HostView
from venvkit.proof.fit import host_fit
from venvkit.proof.learned import learned
from venvkit.settings import key_environ
from venvkit.spec.language.requires import parse_requires
from venvkit.spec.request import Sources
from venvkit.store.env.recipe import Recipe
from venvkit.tools.find import make_resolver
from venvkit.tools.uv.resolver import UvResolver


class Planned(Struct, frozen=True):
    """A plan, and what it was made from.

    Attributes:
        reading: The call after everything that it names was read.
        plan: What to install, inherit, shadow, and what is broken.
        recipe: What an environment would be built from.
        recent: It was made a moment ago, for another call.
    """

    reading: Reading
    plan: Plan
    recipe: Recipe
    recent: bool = False

    @property
    def key(self) -> str:
        """The content key of the environment that would be built."""
        return self.recipe.key

    def __eq__(self, other: object) -> bool:
        """Whether both decide the same, whoever asked."""
        return (self.key, self.plan) == (other.key, other.plan) if isinstance(other, Planned) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"Planned(model={self.reading.spec.name!r}, key={self.key[:16]!r}, plan={self.plan!r})"

    def to_dict(self) -> dict[str, Any]:
        """Return what was decided, as dicts, lists and scalars."""
        return {"model": self.reading.spec.name, "key": self.key, "plan": self.plan.to_dict()}


def plan_reading(reading: Reading, services: Services, *, meanwhile: Callable[[], object] = lambda: None) -> Planned:
    """Plan a reading.

    Args:
        meanwhile: Called on a thread while the resolver is at work on the first question, if uv is asked one.

    Raises:
        NoSolutionError: The request has no solution, or none that keeps what is protected.
        SourceError: A source cannot be reached, or refused.
    """
    began = time.time()
    problem = pose(reading, services)
    observer = services.observer
    resolver = make_resolver(
        services.find_tool(), reading.request, reading.child, cache=services.cache, observer=observer
    )
    observer(PhaseStarted("resolve", f"{len(problem.roots)} requirement{'' if len(problem.roots) == 1 else 's'}"))
    with ThreadPoolExecutor(1) as beside:
        if isinstance(resolver, UvResolver):
            resolver.meanwhile = functools.partial(_start, beside, meanwhile)
        try:
            made = make_plan(problem, resolver)
        except Unsolvable as error:
            # Without an index that could not be reached this says nothing about the request.
            if resolver.lost is None:
                raise
            resolver.lost.details += ("without it there is no solution:", *error.details)
            raise resolver.lost from error
    pins = {f"{item.name}=={item.version}" for item in made.install} | {""}
    told = dict.fromkeys(warning for pin, warning in resolver.notices if pin in pins)
    made = replace(made, install=tuple(map(_with_digest, made.install)), warnings=(*made.warnings, *told))
    _warn(observer, made)
    # A plan made while an optional index could not be reached is not kept.
    if resolver.lost is None and not reading.call.choices["upgrade"]:
        _plans(services).put(reading.alike, made, source_texts(reading.request, reading.call.environ), began=began)
    return Planned(reading, made, recipe_of(reading, made, problem, resolver.sources))


def _start(pool: ThreadPoolExecutor, work: Callable[[], object]) -> None:
    pool.submit(work)


def recent_plan(reading: Reading, services: Services) -> Planned | None:
    """Return the plan of a moment ago for a reading that differs in its names at most; no source is asked.

    None as well where the caller wants the newest there is.
    """
    if reading.call.choices["upgrade"]:
        return None
    known = _plans(services).get(reading.alike)
    if known is None:
        return None
    services.observer(PhaseStarted("resolve", "as a moment ago"))
    _warn(services.observer, known)
    recipe = recipe_of(reading, known, pose(reading, services), reading.request.sources)
    return Planned(reading, known, recipe, recent=True)


def forget_plan(reading: Reading, services: Services) -> None:
    """Remove a recent plan that could not be carried out: a source has lost what it names, or files are others."""
    _plans(services).forget(reading.alike)


def recipe_of(reading: Reading, plan: Plan, problem: Problem, sources: Sources) -> Recipe:
    """Return the recipe of a plan.

    Args:
        problem: The problem that the plan solves.
        sources: The sources that it was made with.
    """
    prefix = f"{reading.backend.upper()}_"
    environ = key_environ(reading.call.environ)
    return Recipe(
        model=reading.spec.name,
        engine=reading.request.engine,
        interpreter=reading.child.interpreter,
        host=reading.host if reading.seen.sees_host else None,
        problem=problem,
        plan=plan,
        sources=sources,
        levers=reading.request.levers.tying((name, problem.lines[name].url) for name in plan.lines),
        uv_settings=tuple(sorted((name, value) for name, value in environ.items() if name.startswith(prefix))),
        backend=reading.backend,
        prove=reading.prove,
    )


def pose(reading: Reading, services: Services) -> Problem:
    """Return the planner's problem: the request's roots, the host behind them, what bends and protects.

    Raises:
        NoSolutionError: The child would not see the host, and so lack what is protected (`protected-missing`).
    """
    call, levers = reading.call, reading.request.levers
    settings = call.settings
    optional = {canonicalize_name(name) for name in levers.optional}
    roots = tuple(
        Root(item.name, str(item), item.origin, wish=item.wish, bare=item.bare, optional=item.name in optional)
        for item in reading.request.requirements
    )
    protect = frozenset(canonicalize_name(name) for name in (*settings.protect, *levers.protect))
    if not reading.seen.sees_host and protect:
        _refuse_unprotected(protect, roots)
    environment = dict(reading.child.interpreter.environment)
    host = host_view(reading.child)
    families, unfit = _host_facts(reading, services)
    _recall_bounds(reading, services, host, environment, families)
    return Problem(
        roots=roots,
        host=host,
        environment=environment,
        inherit=bool(call.choice("skip_installed", settings.skip_installed)),
        orphans=call.choice("orphans", settings.orphans),
        protect=protect,
        runtime=frozenset(canonicalize_name(name) for name in call.choices["runtime"] or settings.runtime),
        budget=settings.repair_budget,
        constraints=levers.constraints,
        overrides=levers.overrides,
        excludes=levers.excludes,
        no_inherit=frozenset(canonicalize_name(name) for name in levers.no_inherit),
        families=families,
        lines={
            name: line
            for line in (reading.request.lines if reading.backend == "uv" else ())
            for name in line.names
            if name not in dict(levers.sources)
        },
        misfits=learned(services.cache / "verdicts", reading.child.distributions),
        unfit=unfit,
        upgrade=bool(call.choices["upgrade"]),
    )


def _plans(services: Services) -> Plans:
    return Plans(services.cache / "plans")


def _with_digest(item: Installed) -> Installed:
    """Give a local file or source tree the digest of its content, where its source does not tell one.

    Without it an edited tree would have the content key of the former one.
    """
    path = local_path(item.description.url or item.url)
    if item.description.sha256 or path is None:
        return item
    return replace(item, description=replace(item.description, sha256=content_digest(path)))


def _host_facts(reading: Reading, services: Services) -> tuple[Families, dict[NormalizedName, str]]:
    """Return the rules on binary interfaces with what the host's own objects tell, and what does not fit the host."""
    if not reading.child.distributions:
        return reading.families, {}
    found, fresh = host_fit(reading.host, services.runner, services.cache / "hosts", reading.call.environ)
    unfit = {canonicalize_name(item.name): str(item) for item in found.unfit}
    if fresh:
        for told in unfit.values():
            services.observer(Warned("host-unfit", f"on the host itself {told}"))
    linked = tuple((canonicalize_name(owner), canonicalize_name(other)) for owner, other in found.ties)
    return replace(reading.families, linked=tuple(pair for pair in linked if pair[0] not in unfit)), unfit


def _recall_bounds(
    reading: Reading, services: Services, host: HostView, environment: Mapping[str, str], families: Families
) -> None:
    """Keep what the host asks of itself beside its snapshot: to find it in a thousand distributions takes 100 ms."""
    if not host:
        return
    required = requirements_of(host, environment, families)
    key = value_digest([__version__, reading.host.fingerprint, environment, families])
    place = services.cache / "hosts" / f"{key[:32]}.bounds.json"
    known = cachefile.load(place, tuple[Bound, ...]) if not required.is_read else ()
    if known:
        required.recall(known)
    elif not required.is_read:
        cachefile.store(place, required.bounds)


def _refuse_unprotected(protect: frozenset[str], roots: tuple[Root, ...]) -> None:
    """A child without the host cannot have what is protected there, unless the model asks for it itself."""
    asked = {canonicalize_name(parsed.name) for root in roots if (parsed := parse_requires(root.line)) is not None}
    missing = sorted(protect - asked)
    if missing:
        raise NoSolutionError(
            f"the environment would not see the host, and so lack what is protected: {', '.join(missing)}",
            code="protected-missing",
            remedy="use the host's own Python version without --isolated, or add it with --package",
        )


def _warn(observer: Observer, plan: Plan) -> None:
    """Tell what an operator should know of a plan."""
    for item in plan.relaxed:
        message = f"{item.requirement} has no solution: {item.host_version} of the host gives way to {item.version}"
        observer(Warned("relaxed", message))
    for repair in plan.repaired:
        if repair.version and Version(repair.version) < Version(repair.host_version):
            message = f"{repair.name} goes back from {repair.host_version} to {repair.version} for this model"
            observer(Warned("repaired-backwards", f"{message}; protect it to refuse that"))
    for hidden in plan.hidden:
        observer(Warned("hidden", f"the environment does not see {hidden.name}=={hidden.version}: {hidden.reason}"))
    for absent in plan.absent:
        observer(Warned("absent", f"{absent.requirement} is optional and has no solution: {absent.reason}"))
    for broken in plan.broken:
        observer(Warned("broken", str(broken)))
    for warning in plan.warnings:
        observer(warning)
