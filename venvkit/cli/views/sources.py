"""The sources of a request: each that is in force, in its order, who named it, and what was not heeded and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from venvkit.base.plain import plain
from venvkit.cli.page.blocks import Block, Cell, Column, facts, listed
from venvkit.launch.reading import Reading
from venvkit.spec.configuration.account import Reach, account, reach
from venvkit.spec.configuration.statements import By, Kind, Statement
from venvkit.spec.options import OPTIONS, SPEC_ONLY

_NAMED = {option.name: option for option in (*OPTIONS, *SPEC_ONLY)}
# Kinds of statements, and the options of a call or fields of a spec that make them.
_OPTIONS: dict[Kind, str] = {
    "index": "index_url",
    "extra-index": "extra_index_urls",
    "package-index": "sources",
    "find-links": "find_links",
    "index-strategy": "index_strategy",
    "trusted-host": "trusted_hosts",
    "no-build-isolation": "no_build_isolation",
}
_PREFIXES: dict[By, str] = {
    "caller": "option ", "spec": "spec ", "pip": "pip: ", "rule": "special case", "engine": "engine ",
    "host": "the host's ", "uv": "uv: ", "installer": "the installer's own",
}  # fmt: skip
_INDEXES: tuple[Kind, ...] = ("package-index", "extra-index", "index")
_REACH = (
    Column("name", "strong"),
    Column("value", folds=True),
    Column("from", "quiet", "where", folds=True),
    Column("note", "warn", folds=True),
)


class Sourced(Struct, frozen=True):
    """The sources of a call after everything that it names was read; no source is asked."""

    reading: Reading
    statements: tuple[Statement, ...]
    reach: tuple[Reach, ...]

    @classmethod
    def of(cls, reading: Reading) -> Sourced:
        """Return the account of the sources of a call."""
        said = (reading.request.sources, reading.call.environ, reading.backend)
        return cls(reading, account(*said), tuple(reach(*said)))

    def data(self) -> dict[str, Any]:
        return {
            "model": self.reading.spec.name,
            "engine": self.reading.request.engine,
            "backend": self.reading.backend,
            "offline": self._offline,
            "indexes": [self._shown(one) for one in self._of(*_INDEXES)],
            "index_strategy": self._shown(next(self._of("index-strategy"))),
            "find_links": [self._shown(one) for one in self._of("find-links")],
            "trusted_hosts": [self._shown(one) for one in self._of("trusted-host")],
            "reach": plain(self.reach),
            "dropped": [{**self._shown(one), "dropped": one.dropped} for one in self.statements if one.dropped],
        }

    def blocks(self) -> Iterator[Block]:
        strategy = next(self._of("index-strategy"))
        pairs = (
            ("engine", self.reading.request.engine or "none"),
            ("backend", self.reading.backend),
            ("index strategy", f"{strategy.value} ({self._origin(strategy)})"),
            ("offline", "no index is asked" if self._offline else ""),
        )
        yield facts(pairs, f"{self.reading.spec.name}: sources")
        origin = Column("from", "quiet", self._origin, folds=True)
        numbers = {id(one): str(number) for number, one in enumerate(self._of(*_INDEXES), start=1)}
        indexes = (
            Column("", "quiet", lambda one: numbers[id(one)], right=True),
            Column("index", "strong", lambda one: one.value or Cell("the public index", "plain"), folds=True),
            Column("alone for", of="package"),
            Column("note", of=lambda one: "may be left out" if self._is_optional(one) else ""),
            origin,
        )
        links = (Column("directory or page", "strong", "value", folds=True), origin)
        why_not = Column("why not", "warn", "dropped", folds=True)
        dropped = (Column("what", of="kind"), Column("value", folds=True), origin, why_not)
        hosts, trusted = (Column("host", "strong", "value"), origin), "trusted without looking at their certificates"
        parts = (
            listed("indexes, the first asked first", self._of(*_INDEXES), indexes),
            listed("find-links", self._of("find-links"), links),
            listed(trusted, self._of("trusted-host"), hosts),
            listed("proxies and certificates", self.reach, _REACH),
            listed("not in force", (one for one in self.statements if one.dropped), dropped),
        )
        yield from (part for part in parts if part.rows)

    @property
    def _offline(self) -> bool:
        return bool(self.reading.call.choice("offline", self.reading.call.settings.offline))

    def _of(self, *kinds: Kind) -> Iterator[Statement]:
        """Yield the statements in force of some kinds, kind by kind."""
        return (one for kind in kinds for one in self.statements if one.kind == kind and not one.dropped)

    def _is_optional(self, one: Statement) -> bool:
        return one.kind == "extra-index" and one.value in self.reading.request.sources.optional_index_urls

    def _where(self, one: Statement) -> str:
        option = _NAMED.get(_OPTIONS.get(one.kind, ""))
        if one.by == "caller" and option is not None:
            return option.names[0]
        if one.by == "spec" and option is not None:
            return " in ".join(filter(None, (f"virtualenv.{option.field}", self.reading.spec.origin)))
        return one.where

    def _origin(self, one: Statement) -> str:
        """Return who named a source, in words."""
        return f"{_PREFIXES[one.by]}{self._where(one)}"

    def _shown(self, one: Statement) -> dict[str, object]:
        return {
            "kind": one.kind,
            "value": one.value,
            "by": one.by,
            "where": self._where(one),
            "package": one.package,
            "optional": self._is_optional(one),
        }
