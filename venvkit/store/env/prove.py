"""The proofs of an environment that was just installed, in their order; what they find decides whether it is sealed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from msgspec import Struct
from packaging.utils import canonicalize_name

from venvkit.base.process import Runner
from venvkit.errors import ProofError
from venvkit.formats.finding import Finding
from venvkit.formats.pointer import HOOK, POINTER
from venvkit.host.contents import import_names, main_names
from venvkit.host.distribution import Distribution
from venvkit.host.libraries import library_folders
from venvkit.plan.problem import Misfit
from venvkit.plan.values import Hidden
from venvkit.proof import findings
from venvkit.proof.fit import Unfit, fit_of_view
from venvkit.proof.imports import failed_imports
from venvkit.proof.learned import learn
from venvkit.proof.processes import proof_environ
from venvkit.store.env.hiding import hiding_source
from venvkit.store.env.recipe import Recipe


def visible(recipe: Recipe, installed: Sequence[Distribution]) -> list[Distribution]:
    """Return the distributions that the child sees: the installed ones, then those of the host behind them."""
    host = recipe.host.distributions if recipe.host is not None else ()
    replaced = {item.name for item in installed} | {item.name for item in recipe.plan.hidden}
    return [*installed, *(item for item in host if item.name not in replaced)]


def hiding_of(hidden: Sequence[Hidden], recipe: Recipe, installed: Sequence[Distribution]) -> str:
    """Return the start-up code that hides host distributions; names that a visible one has too stay visible."""
    names = {item.name for item in hidden}
    host = recipe.host.distributions if recipe.host is not None else ()
    hidden_names = frozenset[str]().union(*(import_names(item) for item in host if item.name in names))
    view = [item for item in visible(recipe, installed) if item.name not in names]
    seen = frozenset[str]().union(*map(import_names, view))
    return hiding_source(hidden_names - seen, names)


def prove_hook(site_packages: Path, source: str) -> None:
    """Hold the start-up files against what was written before the install.

    Raises:
        ProofError: A distribution replaced one of them (`hook-replaced`).
    """
    for name, expected in ((f"{HOOK}.py", source), (POINTER, f"import {HOOK}\n")):
        path = site_packages / name
        try:
            intact = path.read_text(encoding="utf-8") == expected
        except (OSError, UnicodeDecodeError):
            intact = False
        if not intact:
            raise ProofError(
                f"an installed distribution replaced {name}, through which the environment sees its host",
                code="hook-replaced",
                where=str(path),
                remedy="exclude the distribution that has a file of this name",
            )


class Fitness(Struct, frozen=True):
    """What the proof of shared objects found, and did not refuse.

    Args:
        hidden: Host distributions that do not fit what was installed, and that nobody needs.
        findings: What is told: of these where they may not be hidden, and libraries that the system lacks.
        lacking: Names of the distributions that only lack a library of the system.
    """

    hidden: tuple[Hidden, ...] = ()
    findings: tuple[Finding, ...] = ()
    lacking: frozenset[str] = frozenset()


def prove_fit(
    place: Path,
    site_packages: Path,
    recipe: Recipe,
    installed: Sequence[Distribution],
    runner: Runner,
    cache: Path | None,
) -> Fitness:
    """Prove that the shared objects of the view fit each other, as far as the recipe asks for that.

    Raises:
        ProofError: One that the request reaches does not import (`proof-failed`).
    """
    if recipe.prove == "metadata":
        return Fitness()
    folders = _folders(site_packages, recipe)
    fit = fit_of_view(
        visible(recipe, installed),
        {item.name for item in installed},
        place / "bin" / "python",
        runner,
        folders=folders,
        environ=proof_environ(folders),
        cache=cache,
    )
    chains = {str(item.name): item.reason for item in recipe.plan.inherit}
    chains |= {str(item.name): item.reason for item in recipe.plan.install}
    needed = [item for item in fit.unfit if item.name in chains]
    if needed:
        raise _refusal(place, recipe, needed, cache)
    lacks = tuple(findings.lack(item, chains.get(item.distribution.partition("==")[0], ())) for item in fit.lacks)
    lacking = frozenset(item.distribution.partition("==")[0] for item in fit.lacks)
    if "hide" not in recipe.problem.orphans:
        return Fitness((), (*(findings.unfit(item, known=True) for item in fit.unfit), *lacks), lacking)
    hidden = tuple(Hidden(canonicalize_name(item.name), item.version, str(item)) for item in fit.unfit)
    return Fitness(hidden, lacks, lacking)


def _refusal(place: Path, recipe: Recipe, needed: Sequence[Unfit], cache: Path | None) -> ProofError:
    if cache is not None:
        learn(cache, _misfits(needed, recipe), recipe.host.distributions if recipe.host is not None else ())
    told = findings.unfit(needed[0])
    error = ProofError(
        f"{told.distribution} does not import in the environment: {told.found}",
        code="proof-failed",
        where=str(place),
        details=tuple(map(str, needed)),
        remedy=told.remedy,
    )
    error.names = tuple(item.name for item in needed)
    return error


def _misfits(unfit: Sequence[Unfit], recipe: Recipe) -> Iterator[Misfit]:
    installed = {str(item.name): item for item in recipe.plan.install}
    for item in unfit:
        if (own := installed.get(item.name)) is not None:
            yield Misfit(own.name, item.version, own.description.sha256, item.providers, item.reason)


def prove_imports(
    place: Path,
    site_packages: Path,
    recipe: Recipe,
    installed: Sequence[Distribution],
    runner: Runner,
    lacking: Collection[str],
) -> tuple[str, ...]:
    """Import what `verify` names, and what the request names where the recipe asks for that; return the modules.

    Args:
        lacking: Distributions that only lack a library of the system: no reason to refuse.

    Raises:
        ProofError: A module does not import (`import-failed`).
    """
    wanted = [item for item in visible(recipe, installed) if item.name in recipe.named and item.name not in lacking]
    named = {module for item in wanted for module in main_names(item)} - set(recipe.imports)
    modules = (*recipe.imports, *sorted(named))
    environ = proof_environ(_folders(site_packages, recipe)) if modules else None
    failed = failed_imports(place / "bin" / "python", modules, runner, environ=environ)
    refused = [item for item in failed if item.module in recipe.imports or not item.lacks_driver]
    if refused:
        told = findings.failed_import(refused[0])
        raise ProofError(
            f"import {refused[0].module} fails in the environment",
            code="import-failed",
            details=refused[0].output or (refused[0].reason,),
            remedy=told.remedy,
        )
    gone = {item.module for item in failed}
    return tuple(module for module in modules if module not in gone)


def _folders(site_packages: Path, recipe: Recipe) -> tuple[str, ...]:
    return library_folders(site_packages, recipe.host.interpreter.site_dirs if recipe.host is not None else ())
