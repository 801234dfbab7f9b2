"""The result of `build`: the model's place, its interpreter, and what is in it.

What was there already is shown in two lines, without a look at its receipt: a server's start calls this often.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from venvkit.cli.outcome import plain
from venvkit.cli.page.blocks import Block, Line

if TYPE_CHECKING:
    from venvkit.cli.views.place import Place
    from venvkit.formats.receipt import Receipt
    from venvkit.launch.handle import Environment


class Built(Struct, frozen=True):
    """A ready environment; the host's own interpreter where environments are switched off."""

    env: Environment

    def data(self) -> object:
        from venvkit.cli.views.plan import PlanView

        receipt = self.env.receipt
        return {
            **plain(_place(self.env, receipt)),
            "environment": str(self.env.path),
            "interpreter": str(self.env.python),
            "built": self.env.built,
            "rolled_back": bool(self.env.rolled_back),
            "plan": PlanView.built(receipt).data() if receipt else None,
            "conflicts": [plain(item) for item in receipt.conflicts] if receipt else [],
        }

    def blocks(self) -> Iterator[Block]:
        env = self.env
        if env.is_host:
            yield Line(f"{env.model}: environments are switched off; this is the host", "strong")
        else:
            how = "built" if env.built else "was there already"
            engine = f" for {env.engine.lower()}" if env.engine else ""
            yield Line(f"{env.model}{engine}, Python {env.version}: {how}", "good")
        if env.rolled_back:
            yield Line(f"rolled back from {env.rolled_back}; `--upgrade` or a changed request ends that", "strong")
        if env.built:
            yield from self._contents()
        yield Line(f"interpreter: {env.python}")

    def _contents(self) -> Iterator[Block]:
        from venvkit.cli.views.conflicts import conflict_tables
        from venvkit.cli.views.plan import PlanView

        receipt = self.env.receipt
        if receipt is not None:
            yield from PlanView.built(receipt).tables(verb="installed")
            yield from conflict_tables(receipt.conflicts)


def _place(env: Environment, receipt: Receipt | None) -> Place:
    from venvkit.cli.options.select import store
    from venvkit.cli.views.place import Place
    from venvkit.store.lock.lease import in_use

    return Place(
        model=env.model,
        engine=(env.engine or "default").lower(),
        python=env.version,
        path=str(env.shell or env.path),
        key=env.key,
        state="host" if env.is_host else "ready",
        size=receipt.size if receipt is not None else 0,
        in_use=receipt is not None and in_use(store().lease(receipt.id)),
    )
