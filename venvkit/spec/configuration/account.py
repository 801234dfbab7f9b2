"""The whole account of where packages come from: the request's sources, then what uv or pip does by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from venvkit.spec.configuration.sources import Sources
from venvkit.spec.configuration.statements import Statement
from venvkit.spec.configuration.uv import in_force, read_uv_config, trusted_bundle

_PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")
_FILES = ("SSL_CERT_FILE", "SSL_CLIENT_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_TRUST: dict[str, tuple[str, ...]] = {
    "uv": ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSL_CLIENT_CERT", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS"),
    "pip": ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "PIP_PROXY"),
}
_OWN_STRATEGY: dict[str, str] = {"uv": "first-index", "pip": "unsafe-best-match"}


class Reach(Struct, frozen=True):
    """A variable or setting that decides how sources are reached; `note` says when it does not count."""

    name: str
    value: str
    where: str
    note: str = ""


def account(sources: Sources, environ: Mapping[str, str], backend: str) -> tuple[Statement, ...]:
    """Return the statements of each speaker about sources, for `uv` or `pip`; indexes in the order of the questions.

    Certificates are not among it: they decide how sources are reached.
    """
    said = in_force(sources, environ) if backend == "uv" else sources.statements
    spoken = {one.kind for one in said if not one.dropped}
    found = [one for one in said if one.kind != "cert"]
    by_uv = backend == "uv" and read_uv_config(environ).no_index
    if "index" not in spoken and not (sources.no_index or by_uv):
        found.append(Statement("index", "", "installer"))
    if "index-strategy" not in spoken:
        found.append(Statement("index-strategy", _OWN_STRATEGY[backend], "installer"))
    return tuple(found)


def reach(sources: Sources, environ: Mapping[str, str], backend: str) -> Iterator[Reach]:
    """Yield how sources are reached: proxies first, then whom to trust."""
    config, by_uv = read_uv_config(environ), backend == "uv"
    if by_uv:
        yield from (Reach(name, ", ".join(values), "uv.toml") for name, values in config.proxies.items())
    own = by_uv and any(name != "no-proxy" for name in config.proxies)
    note = "uv.toml names proxies" if own else ""
    yield from (Reach(name, environ[name], "variable", note) for name in _PROXIES if environ.get(name))
    for name in _TRUST[backend]:
        if value := environ.get(name):
            yield Reach(name, value, "variable", _missing(value) if name in _FILES else "")
    if by_uv:
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            if value := environ.get(name):
                yield Reach(name, value, "variable", "uv does not read it; SSL_CERT_FILE is the one")
        if config.system_certs and config.system_certs not in environ:
            yield Reach("system-certs", "true", config.system_certs)
    for one in sources.statements:
        if one.kind == "cert" and not one.dropped:
            given = not by_uv or trusted_bundle(sources, environ) == one.value
            note = _missing(one.value) if given else "the operator's own variables say whom to trust"
            yield Reach("cert", one.value, f"pip: {one.where}", note)


def _missing(file: str) -> str:
    return "" if Path(file).exists() else "there is no such file"
