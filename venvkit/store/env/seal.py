"""What a receipt records: made from the recipe and from the finished files."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from importlib.util import cache_from_source
from pathlib import Path

from packaging.utils import canonicalize_name

from venvkit.base.version import __version__
from venvkit.formats.pointer import HOOK
from venvkit.formats.receipt import SCHEMA, Receipt
from venvkit.host.distribution import Distribution
from venvkit.host.libraries import library_folders
from venvkit.host.metadata import read_bytes
from venvkit.proof.integrity import binary_digest, listing_digest, pyvenv_digest
from venvkit.store.env.recipe import Recipe


def claims(recipe: Recipe) -> tuple[tuple[str, str], ...]:
    """Return what the request asks of the view, without what is optional and absent."""
    return recipe.problem.claims({item.requirement for item in recipe.plan.absent})


def repaired_roots(recipe: Recipe) -> tuple[tuple[str, str], ...]:
    """Return the requirements that the planner added so that host distributions stay whole."""
    return tuple((f"repair of {item.name}=={item.host_version}", str(item.name)) for item in recipe.plan.repaired)


def receipt_of(place: Path, site_packages: Path, recipe: Recipe, uv_version: str) -> Receipt:
    """Return the receipt of a finished environment, without its size and its conflicts."""
    host = recipe.host
    bins = [str(place / "bin"), *([host.interpreter.scripts] if host else [])]
    return Receipt(
        schema=SCHEMA,
        id=place.name,
        key=recipe.key,
        path=str(place),
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        venvkit=__version__,
        uv=uv_version,
        model=recipe.model,
        engine=recipe.engine,
        interpreter=recipe.interpreter.version,
        implementation=recipe.interpreter.implementation,
        base_python=recipe.interpreter.base_python,
        host_python=host.interpreter.python if host else "",
        host_dirs=host.interpreter.site_dirs if host else (),
        scripts=tuple(bins),
        libraries=library_folders(site_packages, host.interpreter.site_dirs if host else ()),
        site_packages=str(site_packages),
        roots=claims(recipe),
        repaired_roots=repaired_roots(recipe),
        overrides=recipe.problem.overrides,
        excludes=tuple(canonicalize_name(name) for name in recipe.problem.excludes),
        relied=recipe.relied,
        plan=recipe.plan,
        listing=listing_digest(site_packages),
        pyvenv=pyvenv_digest(place),
        binary=binary_digest(place),
        size=0,
    )


def compile_hook(site_packages: Path) -> None:
    """Byte-code of a single-file module would otherwise make this entry later, and look like an edit."""
    source = str(site_packages / f"{HOOK}.py")
    if os.path.exists(cache_from_source(source)):  # noqa: PTH110 - a child that was asked has made it
        return
    import py_compile

    (site_packages / "__pycache__").mkdir(exist_ok=True)
    py_compile.compile(source, doraise=False, quiet=1)


def installed_size(place: Path, site_packages: Path, installed: Iterable[Distribution]) -> int:
    """Return the bytes of an environment's files, links not followed.

    What the records of its distributions tell is not asked of the disk; they have all files but a few.
    """
    known = 0
    for item in installed:
        recorded = _recorded_size(item)
        if recorded is None:
            return tree_size(place)
        known += recorded
    return known + _files_size(site_packages) + _files_size(place) + tree_size(place / "bin")


def _recorded_size(item: Distribution) -> int | None:
    """Return the bytes of a distribution's files in site-packages, record included; None where its record is unsure."""
    try:
        content = read_bytes(f"{item.location}/RECORD")
    except OSError:
        return None
    text = content.decode("utf-8", "replace")
    if '"' in text:
        return None
    # Left out is what is counted where it lies: scripts and the like, and files beside the folders.
    inside = [line for line in text.splitlines() if "/" in line and not line.startswith(("..", "/"))]
    sizes = [line.rpartition(",")[2] for line in inside]
    # The record alone has no size of itself.
    if sizes.count("") > 1:
        return None
    try:
        return len(content) + sum(map(int, filter(None, sizes)))
    except ValueError:
        return None


def _files_size(folder: Path) -> int:
    with os.scandir(folder) as entries:
        return sum(
            entry.stat(follow_symlinks=False).st_size for entry in entries if not entry.is_dir(follow_symlinks=False)
        )


def tree_size(folder: Path) -> int:
    total = 0
    pending = [os.fspath(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total
