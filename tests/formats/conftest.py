"""Formats are tried on the store's world."""

from __future__ import annotations

from tests.faults.conftest import world as world
