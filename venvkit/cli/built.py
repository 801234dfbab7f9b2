"""The result of `build`: the model's place, its interpreter, and what is in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from venvkit.cli.blocks import Block, Line
from venvkit.cli.conflicts import conflict_tables
from venvkit.cli.places import Place
from venvkit.cli.planned import PlanView
from venvkit.environment import Environment
from venvkit.store.layout import Layout
from venvkit.store.lease import in_use
from venvkit.store.ownership import Conflict
from venvkit.store.receipt import Receipt


@dataclass(frozen=True, slots=True)
class Built:
    """What `build` gives. `plan` is None where there is no receipt: environments are switched off."""

    place: Place
    environment: str
    interpreter: str
    built: bool
    plan: PlanView | None
    conflicts: tuple[Conflict, ...] = ()

    @classmethod
    def of(cls, env: Environment, layout: Layout) -> Built:
        """Return what is shown of a ready environment."""
        receipt = env.receipt
        return cls(
            place=_place(env, receipt, layout),
            environment=str(env.path),
            interpreter=str(env.python),
            built=env.built,
            plan=PlanView.built(receipt) if receipt is not None else None,
            conflicts=receipt.conflicts if receipt is not None else (),
        )

    def data(self) -> object:
        return {
            **asdict(self.place),
            "environment": self.environment,
            "interpreter": self.interpreter,
            "built": self.built,
            "plan": self.plan.data() if self.plan else None,
            "conflicts": [asdict(item) for item in self.conflicts],
        }

    def blocks(self) -> Iterator[Block]:
        place = self.place
        if self.plan is None:
            yield Line(f"{place.model}: environments are switched off; this is the host", "strong")
        else:
            how = "built" if self.built else "was there already"
            engine = "" if place.engine == "default" else f" for {place.engine}"
            yield Line(f"{place.model}{engine}, Python {place.python}: {how}", "good")
            yield from self.plan.tables(verb="installed")
            yield from conflict_tables(self.conflicts)
        yield Line(f"interpreter: {self.interpreter}")


def _place(env: Environment, receipt: Receipt | None, layout: Layout) -> Place:
    used = receipt is not None and in_use(layout.lease(receipt.id))
    return Place(
        model=env.model,
        engine=(env.engine or "default").lower(),
        python=env.version,
        path=str(env.shell or env.path),
        key=env.key,
        state="host" if env.is_host else "ready",
        size=receipt.size if receipt is not None else 0,
        in_use=used,
    )
