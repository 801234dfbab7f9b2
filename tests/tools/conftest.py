"""A host for questions to the tools that change none."""

from __future__ import annotations

import pytest

from tests.hosts import Host, make_host
from tests.wheelhouse import Wheelhouse


@pytest.fixture(scope="session")
def bare_host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """A host without distributions, which no test changes: a mirror of it is made once for each tool."""
    place = tmp_path_factory.mktemp("bare")
    return make_host(place / "host", Wheelhouse(place / "wheels"))
