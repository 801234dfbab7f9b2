"""Hosts in memory, and the resolver of an index in memory that prefers the host's versions."""

from __future__ import annotations

from packaging.utils import NormalizedName, canonicalize_name

from tests.plan.solver import ENVIRONMENT, OneConflict
from tests.plan.solver import Index as Table
from venvkit.plan.view import Member

__all__ = ["ENVIRONMENT", "Table", "TableResolver", "host_of", "member"]

TableResolver = OneConflict


def member(name: str, version: str, *requires: str, compiled: bool = False) -> Member:
    return Member(canonicalize_name(name), version, requires, inherited=True, compiled=compiled)


def host_of(*members: Member) -> dict[NormalizedName, Member]:
    return {item.name: item for item in members}
