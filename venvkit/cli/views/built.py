"""The result of `build`: the model's place, its interpreter, and what is in it.

What was there already is shown in two lines, without a look at its receipt: a server's start calls this often.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from venvkit.base.plain import plain
from venvkit.cli.page.blocks import Block, Line

if TYPE_CHECKING:
    from venvkit.launch.handle import Environment


class Built(Struct, frozen=True):
    """A ready environment; the host's own interpreter where environments are switched off."""

    env: Environment

    def data(self) -> dict[str, Any]:
        from venvkit.cli.options.select import store
        from venvkit.cli.views.plan import PlanView
        from venvkit.formats.mark import MARK
        from venvkit.proof.findings import of_receipt
        from venvkit.store.lock.lease import in_use, last_use
        from venvkit.store.look.inventory import utc

        env, receipt = self.env, self.env.receipt
        used = 0.0
        if receipt is not None and env.shell is not None:
            used = max(last_use(store().layout.lease(receipt.id)), last_use(env.shell / MARK))
        return {
            "model": env.model,
            "engine": (env.engine or "default").lower(),
            "python_version": env.version,
            "path": str(env.shell or env.path),
            "key": env.key,
            "state": "host" if env.is_host else "ready",
            "size_bytes": receipt.size if receipt else 0,
            "in_use": receipt is not None and in_use(store().layout.lease(receipt.id)),
            "last_used": utc(used),
            "environment": str(env.path),
            "interpreter": str(env.python),
            "built": env.built,
            "rolled_back": bool(env.rolled_back),
            "plan": PlanView.built(receipt).data() if receipt else None,
            "conflicts": plain(receipt.conflicts) if receipt else [],
            "findings": plain(tuple(of_receipt(receipt))) if receipt else [],
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
        if env.built and (receipt := env.receipt) is not None:
            from venvkit.cli.views.plan import built_blocks

            yield from built_blocks(receipt)
        yield Line(f"interpreter: {env.python}")
