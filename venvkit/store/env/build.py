"""Building one environment: lock, create, install, prove, seal; nothing half-built is ever found complete."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from venvkit.base import crash
from venvkit.base.files import remove_tree
from venvkit.base.process import Runner
from venvkit.events import Observer, PhaseStarted, Warned
from venvkit.formats.receipt import RECEIPT, Conflict, Receipt, write_receipt
from venvkit.host.distribution import Distribution
from venvkit.proof.integrity import intact
from venvkit.proof.ownership import find_conflicts
from venvkit.proof.start import (
    Finder,
    expected_names,
    prove_installed,
    starts_otherwise,
    verify_imports,
    verify_origins,
)
from venvkit.store.disk.space import check_space
from venvkit.store.env.assembly import Assembly
from venvkit.store.env.child import hook_source, write_hook
from venvkit.store.env.launchers import write_launchers
from venvkit.store.env.recipe import Recipe
from venvkit.store.env.seal import claims, compile_hook, installed_size, receipt_of, repaired_roots
from venvkit.store.layout import KEY_LENGTH, Layout
from venvkit.store.lock.flock import HeldLock, hold, hold_any
from venvkit.store.lock.lease import Lease, exclusive
from venvkit.store.look.shells import wanted_environments


class Obtained(Struct, frozen=True):
    """A sealed environment, and whether it was built just now."""

    receipt: Receipt
    built: bool


class Builder(Struct, frozen=True):
    """Builds environments into a store.

    Args:
        uv_version: Noted in receipts; empty when uv has no part in it.
        max_builds: How many builds may run at the same time in this store.
    """

    layout: Layout
    assembly: Assembly
    runner: Runner
    observer: Observer
    cancel: threading.Event | None
    uv_version: str
    max_builds: int

    @contextlib.contextmanager
    def obtain(self, recipe: Recipe) -> Iterator[Obtained]:
        """Yield the sealed environment of a recipe, leased for the block: nobody collects it before it is pointed to.

        Raises:
            VenvkitError: The build failed; everything of the attempt is gone.
        """
        layout = self.layout
        what = f"environment {recipe.key[:KEY_LENGTH]}"
        with contextlib.ExitStack() as leased:
            with hold(
                layout.environment_lock(recipe.key),
                what=what,
                observer=self.observer,
                cancel=self.cancel,
                soft=layout.soft,
            ) as held:
                number = _next_number(layout, recipe.key)
                crash.at("build-number")
                sweep_rubble(layout, recipe.key)
                receipt = find_sealed(layout, recipe.key)
                name = receipt.id if receipt is not None else f"{recipe.key[:KEY_LENGTH]}-{number}"
                leased.enter_context(Lease(layout.lease(name)))
                crash.at("build-lease")
                obtained = Obtained(receipt or self._build_in_turn(recipe, name, held), receipt is None)
            yield obtained

    def _build_in_turn(self, recipe: Recipe, name: str, held: HeldLock) -> Receipt:
        slots = self.layout.build_locks(self.max_builds)
        what = f"one of {self.max_builds} build slots"
        place = self.layout.envs / name
        try:
            with hold_any(slots, what=what, observer=self.observer, cancel=self.cancel, soft=self.layout.soft):
                check_space(recipe.plan, self.assembly.folders(place))
                return self._build(recipe, place, held)
        except BaseException:
            remove_tree(place)
            self.layout.lease(name).unlink(missing_ok=True)
            raise

    def _build(self, recipe: Recipe, place: Path, held: HeldLock) -> Receipt:
        site_packages = self.assembly.create(place, recipe, keep_fds=held.keep_fds)
        crash.at("build-created")
        _write_view(site_packages, recipe, self.layout.lease(place.name))
        crash.at("build-hook")
        with contextlib.ExitStack() as children:
            finder = self._start_finder(place, children) if recipe.plan.shadow else None
            self.assembly.install(place, recipe, keep_fds=held.keep_fds)
            crash.at("build-installed")
            if finder is not None and starts_otherwise(site_packages):
                finder.close()
                finder = self._start_finder(place, children)
            receipt = self._seal(place, site_packages, recipe, finder)
        crash.at("build-sealed")
        return receipt

    def _start_finder(self, place: Path, children: contextlib.ExitStack) -> Finder:
        finder = Finder(place / "bin" / "python", self.runner)
        children.callback(finder.close)
        return finder

    def _seal(self, place: Path, site_packages: Path, recipe: Recipe, finder: Finder | None) -> Receipt:
        self.observer(PhaseStarted("verify", place.name))
        python, runner = place / "bin" / "python", self.runner
        installed = prove_installed(
            site_packages, recipe.plan, recipe.problem, (*claims(recipe), *repaired_roots(recipe))
        )
        write_launchers(place / "bin", _inherited(recipe))
        owners = expected_names(installed, [item.name for item in recipe.plan.shadow])
        if finder is not None:
            finder.ask(owners)
        # While the child looks.
        conflicts = _conflicts(recipe, installed)
        for conflict in conflicts:
            self.observer(Warned("conflict", str(conflict)))
        size = installed_size(place, site_packages, installed)
        if finder is not None:
            verify_origins(owners, finder.origins(), str(place))
        verify_imports(python, recipe.imports, runner)
        compile_hook(site_packages)
        crash.at("build-verified")
        self.observer(PhaseStarted("seal", place.name))
        receipt = replace(receipt_of(place, site_packages, recipe, self.uv_version), conflicts=conflicts, size=size)
        write_receipt(receipt)
        return receipt


def find_sealed(layout: Layout, key: str) -> Receipt | None:
    """Return the newest environment of a content key that is complete and unspoilt; others are passed over."""
    for number in sorted(_numbers(layout, key), reverse=True):
        place = layout.envs / f"{key[:KEY_LENGTH]}-{number}"
        receipt = intact(place)
        if receipt is not None and receipt.key == key:
            return receipt
    return None


def sweep_rubble(layout: Layout, key: str) -> None:
    """Delete what dead builders left of a content key; its lock is held, so nobody writes there."""
    for number in list(_numbers(layout, key)):
        place = layout.envs / f"{key[:KEY_LENGTH]}-{number}"
        lease = layout.lease(place.name)
        # A shell may still lead to one whose receipt was lost: it goes when the shell leads to another.
        if os.path.lexists(place / RECEIPT) or place in wanted_environments(layout):
            continue
        with exclusive(lease) as alone:
            if alone:
                remove_tree(place)
                lease.unlink(missing_ok=True)


def _numbers(layout: Layout, key: str) -> Iterator[int]:
    for place in layout.envs.glob(f"{key[:KEY_LENGTH]}-*"):
        if match := re.fullmatch(r"[0-9a-f]+-(\d+)", place.name):
            yield int(match.group(1))


def _next_number(layout: Layout, key: str) -> int:
    return max(_numbers(layout, key), default=0) + 1


def _write_view(site_packages: Path, recipe: Recipe, lease: Path) -> None:
    site_dirs: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    if recipe.host is not None:
        order = recipe.host.interpreter.site_dirs
        site_dirs = recipe.host.interpreter.pth_dirs
    plain = tuple(path for path in order if path not in site_dirs)
    write_hook(site_packages, hook_source(site_dirs, plain, order, lease))


def _inherited(recipe: Recipe) -> list[Distribution]:
    if recipe.host is None:
        return []
    found = (recipe.host.find(item.name) for item in recipe.plan.inherit)
    return [item for item in found if item is not None]


def _conflicts(recipe: Recipe, installed: Iterable[Distribution]) -> tuple[Conflict, ...]:
    own = tuple(installed)
    replaced = {item.name for item in own}
    host = recipe.host.distributions if recipe.host is not None else ()
    wanted = {item.name for item in recipe.plan.install if len(item.reason) == 1}
    return find_conflicts(own, [item for item in host if item.name not in replaced], wanted)
