"""How a launch is named so that it is found again: as shortly as a caller of `ensure_env` would name it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from venvkit.catalogue.find import Asked, choose
from venvkit.catalogue.values import Model
from venvkit.errors import SpecError
from venvkit.fleet.values import Launch

if TYPE_CHECKING:
    from venvkit.launch.asked import Choices


class Names(Struct, frozen=True):
    """What names mean among all models that are offered.

    Args:
        offered: The models of all places, in the order of their places.
        choices: What the caller chose for all launches.
        elsewhere: Engines that do not run on this platform, as `EngineTable.elsewhere` gives them.
    """

    offered: Sequence[Model]
    choices: Choices
    elsewhere: frozenset[str]

    def telling(self, launch: Launch) -> Choices | None:
        """Return what must be said beside name and engine to mean this launch; None when nothing does."""
        model = launch.model
        type: Choices = {"model_type": model.type} if model.type else {}
        variant: Choices = {"variant": model.variant}
        ways: tuple[Choices, ...] = ({}, type, variant, {**type, **variant})
        return next((way for way in ways if _alike(self.meant(launch, way), model)), None)

    def meant(self, launch: Launch, telling: Choices) -> Model | None:
        """Return the model that the name and engine of a launch mean together with `telling`; None when several."""
        name, type = launch.model.name, telling.get("model_type")
        named = [model for model in self.offered if model.name == name and model.is_of(type)]
        asked = Asked(
            name=name,
            type=type,
            variant=telling.get("variant"),
            engine=launch.engine,
            format=self.choices.get("model_format"),
            elsewhere=self.elsewhere,
        )
        try:
            return choose(asked, [model for model in named if model.place == named[0].place])
        except SpecError:
            return None


def _alike(found: Model | None, wanted: Model) -> bool:
    """Tell whether two models ask for the same: variants with equal blocks count as one."""
    if found is None or found.place != wanted.place:
        return False
    return found == wanted or (bool(found.block) and found.block == wanted.block)
