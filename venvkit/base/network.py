"""The ways to servers as values: proxies, certificate authorities, users."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import ssl
from base64 import b64encode
from collections.abc import Iterable, Mapping
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from msgspec import Struct, field

# Scheme, host and port: what a browser calls an origin.
Origin: TypeAlias = tuple[str, str, int]
DEFAULT_PORTS = {"http": 80, "https": 443}


class Network(Struct, frozen=True):
    """The ways to servers, and the certificates to trust.

    Args:
        proxies: Addresses of proxies by the scheme of what is asked through them.
        no_proxy: Hosts, domains, networks, and `host:port`, that are asked without a proxy; `*` is every name, and no
            numeric address, as in uv.
        authorities: Files of certificate authorities in place of the usual ones. One that cannot be read trusts nobody.
        system_authorities: Whether the usual ones are the machine's, and not those of certifi.
        client_certificate: A file with the certificate and the key that this client presents; empty for none.
        trusted_hosts: Hosts, or `host:port`, whose certificates are not verified.
        users: Addresses with user and password, which are sent to their origins alone; the first of an origin counts.
        netrc: A netrc file, for origins that `users` has nothing for; empty for none.
    """

    proxies: Mapping[str, str] = field(default_factory=dict)
    no_proxy: tuple[str, ...] = ()
    authorities: tuple[str, ...] | None = None
    system_authorities: bool = False
    client_certificate: str = ""
    trusted_hosts: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    netrc: str = ""

    def __repr__(self) -> str:
        return f"Network(no_proxy={self.no_proxy!r})"  # never the credentials

    def proxy(self, scheme: str, host: str, port: int) -> str | None:
        """Return the proxy that leads to a host, or None where it is asked directly."""
        proxy = self.proxies.get(scheme)
        if not proxy or any(_covers(entry, host, port) for entry in self.no_proxy):
            return None
        return proxy if "://" in proxy else f"http://{proxy}"

    def trusts(self, host: str, port: int) -> bool:
        """Tell whether the certificate of a host is taken unseen."""
        trusted = {one.lower().partition("://")[2] or one.lower() for one in self.trusted_hosts}
        return not trusted.isdisjoint({host, f"{host}:{port}"})


def environment_proxies(environ: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the proxies by scheme, and the entries of NO_PROXY; of two spellings the upper case counts, as in uv."""

    def variable(name: str) -> str:
        return (environ.get(name.upper()) or environ.get(name) or "").strip()

    proxies = {scheme: variable(f"{scheme}_proxy") or variable("all_proxy") for scheme in DEFAULT_PORTS}
    return proxies, split_no_proxy([variable("no_proxy")])


def split_no_proxy(lists: Iterable[str]) -> tuple[str, ...]:
    """Return the entries of comma-separated lists of hosts."""
    return tuple(entry for one in lists for entry in map(str.strip, one.split(",")) if entry)


def basic(user: str, password: str) -> str:
    """Return the Authorization header of a user."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def make_context(network: Network) -> ssl.SSLContext:
    """Return the TLS context with the certificate authorities of a network."""
    if network.authorities is None:
        import httpx

        usual = network.system_authorities
        context = ssl.create_default_context() if usual else httpx.create_ssl_context(trust_env=False)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for file in network.authorities:
            with contextlib.suppress(OSError):
                context.load_verify_locations(cafile=file)
    if network.client_certificate:
        with contextlib.suppress(OSError):
            context.load_cert_chain(network.client_certificate)
    return context


def authority_files(file: str, folders: str) -> tuple[str, ...] | None:
    """Return the files that SSL_CERT_FILE and SSL_CERT_DIR name; None for neither."""
    if not (file or folders):
        return None
    found = [file] if file else []
    for folder in filter(None, folders.split(os.pathsep)):
        with contextlib.suppress(OSError):
            found += map(str, Path(folder).iterdir())
    return tuple(found)


def user_of(address: str) -> tuple[Origin, str] | None:
    """Return an address's origin and the header of its user and password, or None where it has none."""
    try:
        parts = urlsplit(address)
        origin = parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    if not (parts.username or parts.password):
        return None
    return origin, basic(unquote(parts.username or ""), unquote(parts.password or ""))


def netrc_headers(path: str) -> dict[str, str]:
    """Return the headers that a netrc file gives, by host; none where it is absent or malformed."""
    try:
        hosts = netrc(path).hosts
    except (OSError, ValueError, NetrcParseError):
        return {}
    return {host.lower(): basic(user, password or "") for host, (user, _, password) in hosts.items()}


def _covers(entry: str, host: str, port: int) -> bool:
    """Tell whether an entry of NO_PROXY speaks of a host."""
    entry = entry.lower()
    if entry in (host, f"{host}:{port}"):
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        name = entry.lstrip(".")
        return entry == "*" or host == name or host.endswith(f".{name}")
    with contextlib.suppress(ValueError):
        return address in ipaddress.ip_network(entry, strict=False)
    return False
