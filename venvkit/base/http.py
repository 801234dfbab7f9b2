"""Our own reads of sources over HTTP, by the proxies, certificates and trusted hosts that uv goes by.

A plan may not hang on two tools seeing two networks. So these are the rules of uv 0.13, as they were measured: a
proxy of uv.toml before the variables, upper case before lower, no exception for this machine but what NO_PROXY says;
a bundle of authorities stands in place of the usual ones; a trusted host's certificate is not looked at.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterable, Mapping
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import TypeAlias

import httpx

from venvkit.spec.configuration.sources import Sources
from venvkit.spec.configuration.uv import UvConfig, in_force, read_uv_config, trusted_bundle

# Scheme, host and port: what a browser calls an origin.
_Origin: TypeAlias = tuple[str, str, int]
_DEFAULT_PORTS = {"http": 80, "https": 443}


def open_client(sources: Sources, environ: Mapping[str, str], *, timeout: float) -> httpx.Client:
    """Return a client for the sources of a request.

    A lock lists the files of an index without its user and password: they are added for whatever lies on its host,
    from the index's own address or from a netrc file.

    Args:
        sources: Their addresses, trusted hosts and certificate authorities.
        environ: The environment whose proxy and certificate variables hold, with uv's configuration.
        timeout: Limit of each connection and of each wait for an answer, in seconds.
    """
    config = read_uv_config(environ)
    said = [one for one in in_force(sources, environ) if not one.dropped]
    routes = _Routes(
        _Proxies.of(environ, config),
        _context(sources, environ, config),
        trusted=(one.value for one in said if one.kind == "trusted-host"),
        users=dict(filter(None, (_user(config.users.get(one.value, one.value)) for one in reversed(said)))),
        machines=_netrc(environ),
    )
    return httpx.Client(follow_redirects=True, timeout=timeout, transport=routes, trust_env=False)


class _Routes(httpx.BaseTransport):
    """Sends each request on its way: through the proxy for its address, or past it, with or without verification."""

    def __init__(
        self,
        proxies: _Proxies,
        context: ssl.SSLContext,
        *,
        trusted: Iterable[str],
        users: Mapping[_Origin, str],
        machines: Mapping[str, str],
    ) -> None:
        self._proxies = proxies
        self._context = context
        self._trusted = frozenset(one.lower().partition("://")[2] or one.lower() for one in trusted)
        self._users = users
        self._machines = machines
        self._ways: dict[tuple[str | None, bool], httpx.HTTPTransport] = {}
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """See `httpx.BaseTransport`."""
        scheme, host, port = origin = _origin(request.url)
        if user := self._users.get(origin) or self._machines.get(host):
            request.headers.setdefault("Authorization", user)
        trusted = bool(self._trusted & {host, f"{host}:{port}"})
        return self._way(self._proxies.choose(scheme, host), trusted).handle_request(request)

    def close(self) -> None:
        """See `httpx.BaseTransport`."""
        for way in self._ways.values():
            way.close()

    def _way(self, proxy: str | None, trusted: bool) -> httpx.HTTPTransport:
        with self._lock:
            way = self._ways.get((proxy, trusted))
            if way is None:
                try:
                    way = httpx.HTTPTransport(verify=False if trusted else self._context, proxy=proxy, trust_env=False)
                except (ImportError, ValueError) as error:  # a kind of proxy that httpx does not speak to
                    raise httpx.ProxyError(f"this proxy cannot be used: {error}") from error
                self._ways[proxy, trusted] = way
            return way


class _Proxies:
    """Which proxy an address is reached by."""

    def __init__(self, by_scheme: Mapping[str, str], spared: Iterable[str]) -> None:
        self._by_scheme = by_scheme
        self._spared = tuple(name for entry in spared for name in map(str.strip, entry.split(",")) if name)

    @classmethod
    def of(cls, environ: Mapping[str, str], config: UvConfig) -> _Proxies:
        """Return the proxies of uv's configuration, else those of the variables."""
        own = {scheme: config.proxies.get(f"{scheme}-proxy", ("",))[0] for scheme in _DEFAULT_PORTS}
        if any(own.values()):
            return cls(own, config.proxies.get("no-proxy", ()))

        def variable(name: str) -> str:
            return environ.get(name.upper()) or environ.get(name.lower()) or ""

        named = {scheme: variable(f"{scheme}_proxy") or variable("all_proxy") for scheme in _DEFAULT_PORTS}
        return cls(named, [variable("no_proxy")])

    def choose(self, scheme: str, host: str) -> str | None:
        """Return the proxy for a host, or None where it is asked itself."""
        proxy = self._by_scheme.get(scheme)
        if not proxy or any(_covers(entry, host) for entry in self._spared):
            return None
        return proxy if "://" in proxy else f"http://{proxy}"


def _origin(url: httpx.URL) -> _Origin:
    return url.scheme, url.host.lower(), url.port or _DEFAULT_PORTS.get(url.scheme, 0)


def _user(address: str) -> tuple[_Origin, str] | None:
    """Return an address's origin and the header that its user and password make, or None where it has none."""
    if "://" not in address:
        return None
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        return None
    if not url.userinfo:
        return None
    return _origin(url), _basic(url.username, url.password)


def _netrc(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that a netrc file gives, by host; none where it is not there or not to be understood."""
    try:
        hosts = netrc(environ.get("NETRC") or f"{environ['HOME']}/.netrc").hosts
    except (KeyError, OSError, NetrcParseError):
        return {}
    return {host.lower(): _basic(user, password or "") for host, (user, _, password) in hosts.items()}


def _basic(user: str, password: str) -> str:
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def _covers(entry: str, host: str) -> bool:
    """Tell whether an entry of NO_PROXY speaks of a host: a name and what lies below it, `*`; an address, a network.

    As in uv, `*` stands for every name and for no address.
    """
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        name = entry.lower().lstrip(".")
        return entry == "*" or host == name or host.endswith(f".{name}")
    with contextlib.suppress(ValueError):
        return address in ipaddress.ip_network(entry, strict=False)
    return False


def _context(sources: Sources, environ: Mapping[str, str], config: UvConfig) -> ssl.SSLContext:
    """Return whom to trust: the variables' authorities, the machine's, those that pip names, or the usual ones."""
    bundle = trusted_bundle(sources, environ)
    files = list(filter(None, (environ.get("SSL_CERT_FILE") or bundle,)))
    for folder in filter(None, environ.get("SSL_CERT_DIR", "").split(os.pathsep)):
        with contextlib.suppress(OSError):
            files += map(str, Path(folder).iterdir())
    if not (files or environ.get("SSL_CERT_DIR")):
        context = ssl.create_default_context() if config.system_certs else httpx.create_ssl_context(trust_env=False)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for file in files:
            # One that is not there or holds none trusts nobody: then the source does not answer, as with uv.
            with contextlib.suppress(OSError):
                context.load_verify_locations(cafile=file)
    if client := environ.get("SSL_CLIENT_CERT"):
        with contextlib.suppress(OSError):
            context.load_cert_chain(client)
    return context
