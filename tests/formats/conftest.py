"""Formats are tried on a store of the fault tests."""

from __future__ import annotations

import pytest

from tests.faults.conftest import common as common
from tests.faults.conftest import quick_world as quick_world
from tests.faults.world import World


@pytest.fixture
def world(quick_world: World) -> World:
    """A store in which nothing is built yet."""
    return quick_world
