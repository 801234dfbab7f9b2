"""Which of several launches of one name and engine a caller of `ensure_env` would get by them alone."""

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

    def meant(self, launch: Launch) -> Model | None:
        """Return the model that the name and engine of a launch mean; None when several."""
        named = [model for model in self.offered if model.name == launch.model.name]
        asked = Asked(
            name=launch.model.name,
            type=None,
            variant=None,
            engine=launch.engine,
            format=self.choices.get("model_format"),
            elsewhere=self.elsewhere,
        )
        try:
            return choose(asked, [model for model in named if model.place == named[0].place])
        except SpecError:
            return None
