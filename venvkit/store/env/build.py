"""Building one environment: lock, create, install, prove, seal; nothing half-built is ever found complete."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from venvkit.base import crash
from venvkit.base.files import remove_tree
from venvkit.base.process import Runner
from venvkit.events import Observer, PhaseStarted, Warned
from venvkit.formats.receipt import RECEIPT, Conflict, Receipt, write_receipt
from venvkit.host.distribution import Distribution
from venvkit.plan.values import Hidden
from venvkit.proof.integrity import intact
from venvkit.proof.metadata import prove_installed
from venvkit.proof.ownership import find_conflicts
from venvkit.proof.start import Starter, expected_names, starts_otherwise, verify_start
from venvkit.store.disk.space import check_space
from venvkit.store.env.assembly import Assembly
from venvkit.store.env.child import hook_source, write_hook
from venvkit.store.env.launchers import write_launchers
from venvkit.store.env.prove import Fitness, hiding_of, prove_fit, prove_hook, prove_imports
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
        verdicts: Where verdicts on distributions that do not fit are kept; None keeps none.
        spoilt: The path of an environment that is built anew though its receipt is there; empty for none.
    """

    layout: Layout
    assembly: Assembly
    runner: Runner
    observer: Observer
    cancel: threading.Event | None
    uv_version: str
    max_builds: int
    verdicts: Path | None = None
    spoilt: str = ""

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
                receipt = find_sealed(layout, recipe.key, recipe.prove, but=self.spoilt)
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
        hook = _hook(recipe, self.layout.lease(place.name))
        write_hook(site_packages, hook)
        crash.at("build-hook")
        with contextlib.ExitStack() as children:
            starter = self._start(place, children)
            self.assembly.install(place, recipe, keep_fds=held.keep_fds)
            crash.at("build-installed")
            prove_hook(site_packages, hook)
            if starts_otherwise(site_packages):
                starter.close()
                starter = self._start(place, children)
            installed = self._prove_files(place, site_packages, recipe)
            hidden = recipe.plan.hidden
            self._hide(place, site_packages, recipe, installed, hidden)
            fitness = prove_fit(place, site_packages, recipe, installed, self.runner, self.verdicts)
            for finding in fitness.findings:
                self.observer(Warned(finding.kind, str(finding)))
            if fitness.hidden:
                for item in fitness.hidden:
                    self.observer(Warned("hidden", f"the environment does not see {item.reason}"))
                hidden = (*hidden, *fitness.hidden)
                self._hide(place, site_packages, recipe, installed, hidden)
            if hidden:
                starter.close()
                starter = self._start(place, children)
            receipt = self._seal(place, site_packages, recipe, installed, replace(fitness, hidden=hidden), starter)
        crash.at("build-sealed")
        return receipt

    def _hide(
        self,
        place: Path,
        site_packages: Path,
        recipe: Recipe,
        installed: Sequence[Distribution],
        hidden: Sequence[Hidden],
    ) -> None:
        if hidden:
            hiding = hiding_of(hidden, recipe, installed)
            write_hook(site_packages, _hook(recipe, self.layout.lease(place.name), hiding))

    def _start(self, place: Path, children: contextlib.ExitStack) -> Starter:
        starter = Starter(place / "bin" / "python", self.runner)
        children.callback(starter.close)
        return starter

    def _prove_files(self, place: Path, site_packages: Path, recipe: Recipe) -> tuple[Distribution, ...]:
        self.observer(PhaseStarted("verify", place.name))
        return prove_installed(site_packages, recipe.plan, recipe.problem, (*claims(recipe), *repaired_roots(recipe)))

    def _seal(
        self,
        place: Path,
        site_packages: Path,
        recipe: Recipe,
        installed: Sequence[Distribution],
        fitness: Fitness,
        starter: Starter,
    ) -> Receipt:
        write_launchers(place / "bin", _inherited(recipe))
        owners = expected_names(installed)
        starter.ask(owners)
        # Beside the interpreter's answer.
        conflicts = _conflicts(recipe, installed)
        for conflict in conflicts:
            self.observer(Warned("conflict", str(conflict)))
        size = installed_size(place, site_packages, installed)
        verify_start(
            starter.answer(),
            owners,
            site_packages=site_packages,
            prefix=place,
            shadowed={item.name for item in recipe.plan.shadow},
        )
        imports = prove_imports(place, site_packages, recipe, installed, self.runner, fitness.lacking)
        compile_hook(site_packages)
        crash.at("build-verified")
        self.observer(PhaseStarted("seal", place.name))
        receipt = replace(
            receipt_of(place, site_packages, recipe, self.uv_version),
            conflicts=conflicts,
            hidden=fitness.hidden,
            proved=recipe.prove,
            imports=imports,
            findings=fitness.findings,
            size=size,
        )
        write_receipt(receipt)
        return receipt


def find_sealed(layout: Layout, key: str, prove: str, *, but: str = "") -> Receipt | None:
    """Return the newest environment of a content key that is unspoilt and proved that far; others, and `but`, are not.

    Args:
        prove: How far it must have been proved.
    """
    for number in sorted(_numbers(layout, key), reverse=True):
        place = layout.envs / f"{key[:KEY_LENGTH]}-{number}"
        receipt = intact(place) if str(place) != but else None
        if receipt is not None and receipt.key == key and receipt.proves(prove):
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


def _hook(recipe: Recipe, lease: Path, hiding: str = "") -> str:
    """Return the source of the start-up hook through which the environment sees its host."""
    site_dirs: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    if recipe.host is not None:
        order = recipe.host.interpreter.site_dirs
        site_dirs = recipe.host.interpreter.pth_dirs
    plain = tuple(path for path in order if path not in site_dirs)
    return hook_source(site_dirs, plain, order, lease, hiding)


def _inherited(recipe: Recipe) -> list[Distribution]:
    if recipe.host is None:
        return []
    found = (recipe.host.find(item.name) for item in recipe.plan.inherit)
    return [item for item in found if item is not None]


def _conflicts(recipe: Recipe, installed: Iterable[Distribution]) -> tuple[Conflict, ...]:
    own = tuple(installed)
    replaced = {item.name for item in own} | {item.name for item in recipe.plan.hidden}
    host = recipe.host.distributions if recipe.host is not None else ()
    wanted = {item.name for item in recipe.plan.install if len(item.reason) == 1}
    return find_conflicts(own, [item for item in host if item.name not in replaced], wanted)
