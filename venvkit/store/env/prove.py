"""The proofs of an environment that was just installed, in their order; what they find decides whether it is sealed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from venvkit.base.process import Runner
from venvkit.errors import ProofError
from venvkit.formats.pointer import HOOK, POINTER
from venvkit.host.contents import import_names
from venvkit.host.distribution import Distribution
from venvkit.plan.problem import Misfit
from venvkit.plan.values import Hidden
from venvkit.proof.fit import Unfit, unfit_distributions
from venvkit.proof.imports import failed_imports
from venvkit.proof.learned import learn
from venvkit.store.env.hiding import hiding_source
from venvkit.store.env.libraries import library_environ, library_folders
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


def prove_fit(
    place: Path,
    site_packages: Path,
    recipe: Recipe,
    installed: Sequence[Distribution],
    runner: Runner,
    cache: Path | None,
) -> tuple[Unfit, ...]:
    """Return the distributions that do not fit what was installed, and that nobody needs.

    Raises:
        ProofError: One that the request reaches does not import (`proof-failed`).
    """
    folders = library_folders(site_packages, recipe.host.interpreter.site_dirs if recipe.host is not None else ())
    unfit = unfit_distributions(
        visible(recipe, installed),
        {item.name for item in installed},
        place / "bin" / "python",
        runner,
        folders=folders,
        environ=library_environ(folders),
        cache=cache,
    )
    reached = {item.name for item in recipe.plan.install} | {item.name for item in recipe.plan.inherit}
    needed = [item for item in unfit if item.name in reached]
    if needed:
        if cache is not None:
            learn(cache, _misfits(needed, recipe), recipe.host.distributions if recipe.host is not None else ())
        error = ProofError(
            f"{needed[0].distribution} does not import in the environment: {needed[0].reason}",
            code="proof-failed",
            where=str(place),
            details=tuple(map(str, needed)),
            remedy=_remedy(needed[0]),
        )
        error.names = tuple(item.name for item in needed)
        raise error
    return unfit


def _misfits(unfit: Sequence[Unfit], recipe: Recipe) -> Iterator[Misfit]:
    installed = {str(item.name): item for item in recipe.plan.install}
    for item in unfit:
        if (own := installed.get(item.name)) is not None:
            yield Misfit(own.name, item.version, own.description.sha256, item.providers, item.reason)


def prove_imports(place: Path, recipe: Recipe, runner: Runner) -> None:
    """Import what the request wants imported.

    Raises:
        ProofError: A module does not import (`import-failed`).
    """
    failed = failed_imports(place / "bin" / "python", recipe.imports, runner)
    if failed:
        raise ProofError(
            f"import {failed[0].module} fails in the environment",
            code="import-failed",
            details=failed[0].output or (failed[0].reason,),
            remedy="its last line says why; pin a version that imports, or take the module out of `verify`",
        )


def _remedy(item: Unfit) -> str:
    fitting = ", ".join(item.providers)
    return f"a build of {item.name} made for {fitting} fits: name its index, or pin the version that belongs to it"
