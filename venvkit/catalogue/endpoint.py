"""The address of a server, without its credentials, and the way to it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, quote, unquote, urlsplit

from msgspec import Struct

from venvkit.base.network import Network, authority_files, environment_proxies
from venvkit.errors import SettingError
from venvkit.spec.language.urls import has_control, quoted

_VARIABLE = "XINFERENCE_ENDPOINT"


class Endpoint(Struct, frozen=True):
    """The address of a server.

    Args:
        url: Scheme, host, port and path, without a slash at the end: safe to be shown.
        credentials: User and password that the address was written with.
    """

    url: str
    credentials: tuple[str, str] | None = None

    def __repr__(self) -> str:
        return f"Endpoint(url={self.url!r})"  # never the credentials

    def page(self, *parts: str) -> str:
        """Return the address of a page; each part is one component of its path, whatever is in it."""
        return "/".join((self.url, *(quote(part, safe="") for part in parts)))

    @property
    def is_local(self) -> bool:
        """Whether the server runs on this machine."""
        host = urlsplit(self.url).hostname or ""
        address = _address(host)
        if address is None:
            return f".{host}".removesuffix(".").endswith(".localhost")
        # Connecting to 0.0.0.0, which servers are told to listen on, leads to this machine.
        return address.is_loopback or address.is_unspecified


def parse_endpoint(text: str) -> Endpoint:
    """Return the endpoint that XINFERENCE_ENDPOINT names.

    Raises:
        SettingError: It cannot be asked for pages.
    """
    try:
        parts = urlsplit(text)
        port, host = parts.port, (parts.hostname or "").encode("idna").decode()
    except ValueError as error:
        raise _malformed(text, f"has a malformed host or port ({error})") from error
    if parts.query or parts.fragment or has_control(text):
        raise _malformed(text, "has a query, a fragment or a control character")
    netloc = (f"[{host}]" if ":" in host else host) + (f":{port}" if port is not None else "")
    url = SplitResult(parts.scheme.lower(), netloc, parts.path.rstrip("/"), "", "").geturl()
    user = (unquote(parts.username or ""), unquote(parts.password or ""))
    return Endpoint(url, user if any(user) else None)


def network_to(endpoint: Endpoint, environ: Mapping[str, str]) -> Network:
    """Return the way to a server: proxies and certificate authorities as the variables say, and no netrc file.

    A server on this machine is never reached through a proxy: nobody names it in NO_PROXY, and the proxy's own port
    would answer.

    Raises:
        SettingError: SSL_CERT_FILE or SSL_CERT_DIR cannot be read.
    """
    proxies, spared = environment_proxies({} if endpoint.is_local else environ)
    if "*" in spared:
        spared = (*spared, "0.0.0.0/0", "::/0")
    file, folder = environ.get("SSL_CERT_FILE", ""), environ.get("SSL_CERT_DIR", "")
    if endpoint.url.startswith("https:") and (file or folder):
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file or None, folder or None)
        except OSError as error:  # ssl.SSLError is one
            raise SettingError(
                f"the certificates cannot be read: {error}",
                where="SSL_CERT_FILE" if file else "SSL_CERT_DIR",
                remedy="correct it, or remove it to trust the usual certificates",
            ) from error
    return Network(proxies=proxies, no_proxy=spared, authorities=authority_files(file, folder))


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a host is written as, in every form that connecting takes; None for a name."""
    try:
        address = ip_address(host)
    except ValueError:
        try:
            return IPv4Address(socket.inet_aton(host))  # 127.1, 0x7f000001
        except OSError:
            return None
    return getattr(address, "ipv4_mapped", None) or address  # ::ffff:127.0.0.1


def _malformed(text: str, why: str) -> SettingError:
    return SettingError(
        f"{quoted(text)} {why}", where=_VARIABLE, remedy="write scheme, host and port: http://host:9997"
    )
