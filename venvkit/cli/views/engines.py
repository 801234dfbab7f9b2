"""The engine data in force as a page, with the file that each part comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct
from packaging.requirements import Requirement as PackagingRequirement
from packaging.utils import canonicalize_name

from venvkit.base.plain import plain
from venvkit.cli.page.blocks import Block, Cell, Column, Fields, Line, Table, facts, table
from venvkit.cli.page.text import counted
from venvkit.spec.configuration.sources import cuda_line
from venvkit.spec.data import EngineFile
from venvkit.spec.engines import Engine, EngineTable, HostIndex, Rule
from venvkit.spec.language.requirement import parse_line
from venvkit.spec.levers import Levers

_FROM = Column("from", "quiet", folds=True)


class Index(Struct, frozen=True):
    """An index of an engine. `cuda` says for which CUDA versions (a range, or a line such as `cu130`); empty for all.

    `packages` come from nowhere else; empty makes it an index for everything.
    """

    url: str
    cuda: str
    packages: tuple[str, ...]
    optional: bool

    @classmethod
    def all_of(cls, engine: Engine) -> tuple[Index, ...]:
        """Return an engine's indexes, in the order in which they are asked."""
        optional = engine.optional_index_urls
        special = (cls(one.index_url, one.cuda, one.packages, one.index_url in optional) for one in engine.cuda_indexes)
        return (*special, *(cls(url, cuda_line(url) or "", (), url in optional) for url in engine.extra_index_urls))


class Known(Struct, frozen=True):
    """The result of `engines`: engine data, all of it or what concerns one engine (`whole` is false then).

    `strangers` are the names in rules that are no engine's: likely misspelled, and such a rule waits for an engine
    that is launched by that very name.
    """

    files: tuple[EngineFile, ...]
    engines: tuple[Engine, ...]
    rules: tuple[Rule, ...]
    host_indexes: tuple[HostIndex, ...]
    public_indexes: tuple[str, ...]
    whole: bool = True
    strangers: frozenset[str] = frozenset()

    @classmethod
    def of(cls, files: tuple[EngineFile, ...], found: EngineTable, engine: Engine | None = None) -> Known:
        """Return the view of the data, or of one engine in it."""
        strangers = frozenset(name for rule in found.rules for name in rule.engines if found.find(name) is None)
        if engine is None:
            return cls(files, found.engines, found.rules, found.host_indexes, found.public_indexes, strangers=strangers)
        rules = tuple(rule for rule in found.rules if _concerns(rule, engine))
        return cls(files, (engine,), rules, (), (), whole=False, strangers=strangers)

    def data(self) -> dict[str, Any]:
        return {
            "files": [{"path": str(file.path), "source": file.source} for file in self.files],
            "engines": [self._engine(engine) for engine in self.engines],
            "rules": [self._rule(rule) for rule in self.rules],
            "host_indexes": [
                {"name": one.name, "packages": one.packages, "indexes": dict(one.indexes), **self._tail(one)}
                for one in self.host_indexes
            ],
            "public_indexes": self.public_indexes,
        }

    def blocks(self) -> Iterator[Block]:
        if self.whole:
            yield self._engines()
        else:
            yield from self._one(self.engines[0])
        parts = (self._indexes(), self._rules(), self._host_indexes())
        yield from (part for part in parts if part.rows)
        if self.public_indexes:
            yield Line(f"public, so never needed by a plan that can do without: {', '.join(self.public_indexes)}")
        yield Fields(tuple((file.source, str(file.path)) for file in self.files), title="read, the later wins by name")

    # -- data -----------------------------------------------------------------------------------------------

    def _engine(self, engine: Engine) -> dict[str, object]:
        own = {name: getattr(engine, name) for name in ("name", "aliases", "platforms", "packages")}
        indexes = {"indexes": plain(Index.all_of(engine)), "index_strategy": engine.index_strategy}
        return {**own, "formats": dict(engine.formats), **indexes, **self._tail(engine)}

    def _rule(self, rule: Rule) -> dict[str, object]:
        own = {name: getattr(rule, name) for name in ("name", "engines", "models", "requires", "when", "packages")}
        unknown = [name for name in rule.engines if name in self.strangers]
        return {**own, "unknown_engines": unknown, **self._tail(rule)}

    def _tail(self, part: Engine | Rule | HostIndex) -> dict[str, object]:
        """Return the levers of a part where it has some, and the file that it is from."""
        levers = {} if isinstance(part, HostIndex) else {"levers": _levers(part.levers)}
        return {**levers, "origin": part.origin, "source": self._source(part.origin), "replaces": part.replaces}

    def _source(self, path: str) -> str:
        return next((file.source for file in self.files if str(file.path) == path), "")

    # -- text -----------------------------------------------------------------------------------------------

    def _engines(self) -> Table:
        columns = (
            Column("engine", "strong"), Column("packages", folds=True), Column("formats"), Column("strategy"),
            Column("levers", folds=True), Column("runs on"), _FROM,
        )  # fmt: skip
        rows = [
            (
                engine.name,
                ", ".join(dict.fromkeys(map(_head, engine.packages))),
                ", ".join(name for name, _ in engine.formats),
                engine.index_strategy or "",
                ", ".join(_levers(engine.levers)),
                ", ".join(engine.platforms),
                self._from(engine),
            )
            for engine in self.engines
        ]
        return table(counted(len(rows), "engine"), columns, rows)

    def _one(self, engine: Engine) -> Iterator[Block]:
        pairs = (
            ("also called", ", ".join(engine.aliases)),
            ("runs on", ", ".join(engine.platforms)),
            ("index strategy", engine.index_strategy or ""),
            ("from", self._from(engine).text),
        )
        yield facts(pairs, engine.name)
        given = [("always", line) for line in engine.packages]
        given += [(f"format {name}", line) for name, lines in engine.formats for line in lines]
        if given:
            yield table("packages", (Column("when", "quiet"), Column("package", folds=True)), given)
        levers = [(name, line) for name, lines in _levers(engine.levers).items() for line in _lines(lines)]
        if levers:
            yield table("levers", (Column("lever", "quiet"), Column("value", folds=True)), levers)

    def _indexes(self) -> Table:
        columns = (
            Column("engine", "strong"), Column("index", folds=True), Column("CUDA", "version"),
            Column("alone for", folds=True), Column("when it cannot be reached"),
        )  # fmt: skip
        rows = [
            (engine.name, one.url, one.cuda, ", ".join(one.packages), "left out" if one.optional else "an error")
            for engine in self.engines
            for one in Index.all_of(engine)
        ]
        return table("indexes", columns, rows)

    def _rules(self) -> Table:
        columns = (Column("rule", "strong"), Column("says", "quiet"), Column("", folds=True), _FROM)
        rows = [
            ("" if number else rule.name, what, text, "" if number else self._from(rule))
            for rule in self.rules
            for number, (what, text) in enumerate(_parts(rule, self.strangers))
        ]
        return table(f"special cases: {len(self.rules)}", columns, rows)

    def _host_indexes(self) -> Table:
        columns = (Column("the host's", "strong", folds=True), Column("build", "version"), Column("index"), _FROM)
        rows = [
            (", ".join(one.packages), f"+{local}", url, self._from(one))
            for one in self.host_indexes
            for local, url in one.indexes
        ]
        return table("indexes of the host's own builds", columns, rows)

    def _from(self, part: Engine | Rule | HostIndex) -> Cell:
        origin, *replaced = [
            "shipped" if self._source(path) == "shipped" else path for path in (part.origin, *part.replaces)
        ]
        note = f" (in place of {', '.join(replaced)})" if replaced else ""
        return Cell(f"{origin}{note}", "quiet" if origin == "shipped" else "version")


def _concerns(rule: Rule, engine: Engine) -> bool:
    """Tell whether a rule is about an engine: it names the engine, or asks for a distribution of its packages."""
    if rule.engines:
        return engine.name in rule.engines
    lines = (*engine.packages, *(line for _, more in engine.formats for line in more))
    names = {parse_line(line, place=engine.name).name for line in lines}
    return any(canonicalize_name(PackagingRequirement(text).name) in names for text in rule.requires)


def _levers(levers: Levers) -> dict[str, object]:
    """Return the levers that are set, a package's own index by name."""
    return {name: dict(value) if name == "sources" else value for name, value in plain(levers).items() if value}


def _lines(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (f"{name} = {url}" for name, url in value.items())
    elif isinstance(value, str):
        yield value
    elif isinstance(value, Iterable):
        yield from map(str, value)


def _parts(rule: Rule, strangers: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield when a rule applies, then what it adds."""
    engines = [f"{name} (no engine is called that)" if name in strangers else name for name in rule.engines]
    for what, names in (("engine", engines), ("model", rule.models)):
        yield from [(what, " or ".join(names))] if names else []
    yield from (("asked for", text) for text in rule.requires)
    yield from [("when", rule.when)] if rule.when else []
    added = {"packages": rule.packages, **_levers(rule.levers)}
    yield from ((f"+ {name}", text) for name, value in added.items() for text in _lines(value))


def _head(text: str) -> str:
    """Return a line of packages without its marker and its address."""
    line = parse_line(text, place="packages")
    if line.kind != "requirement" or line.requirement is None or line.requirement.url:
        return text.partition(";")[0].strip() if line.kind != "requirement" else line.name
    return str(line.requirement)
