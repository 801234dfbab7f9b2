"""The sources of a request: each that is in force, in its order, who named it, and what was not heeded and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct

from venvkit.cli.outcome import plain
from venvkit.cli.page.blocks import Block, Cell, Column, Fields, Table, table
from venvkit.launch.job import Job
from venvkit.spec.configuration.sources import Sources
from venvkit.spec.configuration.statements import By, Kind, Statement
from venvkit.spec.configuration.uv import in_force, read_uv_config, trusted_bundle

_OPTIONS: dict[Kind, str] = {
    "index": "--index-url",
    "extra-index": "--extra-index-url",
    "package-index": "--source",
    "find-links": "--find-links",
    "index-strategy": "--index-strategy",
}
_FIELDS: dict[Kind, str] = {
    "index": "index_url",
    "extra-index": "extra_index_url",
    "package-index": "sources",
    "find-links": "find_links",
    "trusted-host": "trusted_host",
    "index-strategy": "index_strategy",
    "no-build-isolation": "no_build_isolation",
}
_PREFIXES: dict[By, str] = {
    "caller": "option ", "spec": "spec ", "pip": "pip: ", "rule": "special case", "engine": "engine ",
    "host": "the host's ", "uv": "uv: ",
}  # fmt: skip
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_TRUST = {
    "uv": ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSL_CLIENT_CERT", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS"),
    "pip": ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "PIP_PROXY"),
}
_OWN_DEFAULT = {"uv": "first-index", "pip": "unsafe-best-match"}


class Source(Struct, frozen=True):
    """One source: `value` is an address, a host or a strategy; empty for the installer's own index.

    `package` comes from there alone; `optional` can be left out when it cannot be reached; `dropped` says why it is
    not in force.
    """

    kind: Kind
    value: str
    by: By | Literal["installer"]
    where: str
    package: str = ""
    optional: bool = False
    dropped: str = ""

    @property
    def origin(self) -> str:
        """Who named it, in words."""
        return "the installer's own" if self.by == "installer" else f"{_PREFIXES[self.by]}{self.where}"


class Reach(Struct, frozen=True):
    """A variable or setting that decides how sources are reached; `note` says when it does not count."""

    name: str
    value: str
    where: str
    note: str = ""


class Sourced(Struct, frozen=True):
    """The sources of a request. `statements` are in the order in which indexes are asked."""

    model: str
    engine: str | None
    backend: str
    offline: bool
    sources: tuple[Source, ...]
    reach: tuple[Reach, ...]

    @classmethod
    def of(cls, job: Job, *, used: Sources | None = None) -> Sourced:
        """Return the account of a job's sources.

        Args:
            job: The call after everything that it names was read; no source is asked.
            used: The sources that a plan was made with in the end: what is missing there could not be reached.
        """
        sources, environ = job.request.sources, job.call.environ
        used = used or sources
        said = in_force(used, environ) if job.backend == "uv" else used.statements
        offline = bool(job.call.choice("offline", job.call.settings.offline))
        # Certificates are told with what else decides how a source is reached.
        found = (*(_source(one, job) for one in said if one.kind != "cert"), *_own(job, said))
        return cls(job.spec.name, job.request.engine, job.backend, offline, found, tuple(_reach(job)))

    def data(self) -> object:
        return {
            "model": self.model,
            "engine": self.engine,
            "backend": self.backend,
            "offline": self.offline,
            "indexes": [_shown(one) for one in self._of("package-index", "extra-index", "index")],
            "index_strategy": _shown(next(self._of("index-strategy"))),
            "find_links": [_shown(one) for one in self._of("find-links")],
            "trusted_hosts": [_shown(one) for one in self._of("trusted-host")],
            "reach": plain(self.reach),
            "dropped": [{**_shown(one), "dropped": one.dropped} for one in self.sources if one.dropped],
        }

    def blocks(self) -> Iterator[Block]:
        strategy = next(self._of("index-strategy"))
        facts = (
            ("engine", self.engine or "none"),
            ("backend", self.backend),
            ("index strategy", f"{strategy.value} ({strategy.origin})"),
            ("offline", "no index is asked" if self.offline else ""),
        )
        yield Fields(tuple((name, value) for name, value in facts if value), title=f"{self.model}: sources")
        parts = (self._indexes(), self._places(), self._trusted(), self._reached(), self._dropped())
        yield from (part for part in parts if part.rows)

    def _of(self, *kinds: Kind) -> Iterator[Source]:
        """Yield what is in force of some kinds, kind by kind."""
        return (one for kind in kinds for one in self.sources if one.kind == kind and not one.dropped)

    def _indexes(self) -> Table:
        columns = (
            Column("", "quiet", right=True), Column("index", "strong", folds=True), Column("alone for"), Column("note"),
            Column("from", "quiet", folds=True),
        )  # fmt: skip
        rows = [
            (
                str(number),
                one.value or Cell("the public index", "plain"),
                one.package,
                "may be left out" if one.optional else "",
                one.origin,
            )
            for number, one in enumerate(self._of("package-index", "extra-index", "index"), start=1)
        ]
        return table("indexes, the first asked first", columns, rows)

    def _places(self) -> Table:
        columns = (Column("directory or page", "strong", folds=True), Column("from", "quiet", folds=True))
        return table("find-links", columns, [(one.value, one.origin) for one in self._of("find-links")])

    def _trusted(self) -> Table:
        columns = (Column("host", "strong"), Column("from", "quiet", folds=True))
        rows = [(one.value, one.origin) for one in self._of("trusted-host")]
        return table("trusted without looking at their certificates", columns, rows)

    def _reached(self) -> Table:
        columns = (
            Column("name", "strong"), Column("value", folds=True), Column("from", "quiet", folds=True),
            Column("note", "warn", folds=True),
        )  # fmt: skip
        rows = [(item.name, item.value, item.where, item.note) for item in self.reach]
        return table("proxies and certificates", columns, rows)

    def _dropped(self) -> Table:
        columns = (
            Column("what"), Column("value", folds=True), Column("from", "quiet", folds=True),
            Column("why not", "warn", folds=True),
        )  # fmt: skip
        rows = [(one.kind, one.value, one.origin, one.dropped) for one in self.sources if one.dropped]
        return table("not in force", columns, rows)


def _shown(one: Source) -> dict[str, object]:
    return {name: value for name, value in plain(one).items() if name != "dropped"}


def _source(one: Statement, job: Job) -> Source:
    optional = one.kind == "extra-index" and one.value in job.request.sources.optional_index_urls
    return Source(one.kind, one.value, one.by, _where(one, job), one.package, optional, one.dropped)


def _where(one: Statement, job: Job) -> str:
    if one.by == "caller":
        return _OPTIONS.get(one.kind, one.where)
    if one.by == "spec":
        return " in ".join(filter(None, (f"virtualenv.{_FIELDS[one.kind]}", job.spec.origin)))
    return one.where


def _own(job: Job, said: tuple[Statement, ...]) -> Iterator[Source]:
    """Yield what the installer does by itself where nobody says otherwise."""
    spoken = {one.kind for one in said if not one.dropped}
    nobody = job.request.sources.no_index or (job.backend == "uv" and read_uv_config(job.call.environ).no_index)
    if "index" not in spoken and not nobody:
        yield Source("index", "", "installer", "")
    if "index-strategy" not in spoken:
        yield Source("index-strategy", _OWN_DEFAULT[job.backend], "installer", "")


def _reach(job: Job) -> Iterator[Reach]:
    """Yield how sources are reached: proxies first, then whom to trust."""
    environ, sources = job.call.environ, job.request.sources
    config = read_uv_config(environ)
    if job.backend == "uv":
        for name, values in config.proxies.items():
            yield Reach(name, ", ".join(values), "uv.toml")
    own = job.backend == "uv" and any(name != "no-proxy" for name in config.proxies)
    for name in _present(environ, *(spelled for proxy in _PROXIES for spelled in (proxy.upper(), proxy))):
        yield Reach(name, environ[name], "variable", "uv.toml names proxies" if own else "")
    for name in _present(environ, *_TRUST[job.backend]):
        yield Reach(name, environ[name], "variable", _missing(name, environ[name]))
    if job.backend == "uv":
        for name in _present(environ, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            yield Reach(name, environ[name], "variable", "uv does not read it; SSL_CERT_FILE is the one")
        if config.system_certs and config.system_certs not in environ:
            yield Reach("system-certs", "true", config.system_certs)
    for one in sources.statements:
        if one.kind == "cert" and not one.dropped:
            given = job.backend == "pip" or trusted_bundle(sources, environ) == one.value
            note = _missing("SSL_CERT_FILE", one.value) if given else "the operator's own variables say whom to trust"
            yield Reach("cert", one.value, f"pip: {one.where}", note)


def _present(environ: Mapping[str, str], *names: str) -> list[str]:
    return [name for name in names if environ.get(name)]


def _missing(name: str, value: str) -> str:
    is_file = name in ("SSL_CERT_FILE", "SSL_CLIENT_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    return "there is no such file" if is_file and not Path(value).exists() else ""
