"""Where the server is: its address without what is secret, the addresses of its pages, and the way there."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, quote, unquote, urlsplit

from msgspec import Struct

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


def proxy_for(endpoint: Endpoint, environ: Mapping[str, str]) -> str | None:
    """Return the proxy that the server is reached through, as HTTP_PROXY and the like say; None without one.

    A server on this machine is never reached through a proxy: nobody sets NO_PROXY for it, and what would
    answer is another machine's port.
    """
    parts = urlsplit(endpoint.url)
    if endpoint.is_local or _goes_direct(parts, _variable(environ, "no_proxy")):
        return None
    proxy = _variable(environ, f"{parts.scheme}_proxy") or _variable(environ, "all_proxy")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy or None


def trust_for(endpoint: Endpoint, environ: Mapping[str, str]) -> ssl.SSLContext | bool:
    """Return what decides which certificates are trusted: SSL_CERT_FILE and SSL_CERT_DIR, else the usual ones.

    Raises:
        SettingError: One of them cannot be read.
    """
    if not endpoint.url.startswith("https:"):
        return False  # nothing is encrypted, and reading the usual certificates would take 70 ms
    file, folder = environ.get("SSL_CERT_FILE") or None, environ.get("SSL_CERT_DIR") or None
    if file is None and folder is None:
        return True
    try:
        return ssl.create_default_context(cafile=file, capath=folder)
    except OSError as error:  # ssl.SSLError is one
        raise SettingError(
            f"the certificates cannot be read: {error}",
            where="SSL_CERT_FILE" if file else "SSL_CERT_DIR",
            remedy="correct it, or remove it to trust the usual certificates",
        ) from error


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


def _variable(environ: Mapping[str, str], name: str) -> str:
    # Upper case first, as uv reads them: what is installed comes the same way.
    return (environ.get(name.upper()) or environ.get(name) or "").strip()


def _goes_direct(parts: SplitResult, no_proxy: str) -> bool:
    """Tell whether NO_PROXY names the host, the host with its port, a domain or a network that it is in."""
    host = parts.hostname or ""
    return any(_covers(entry.strip().lower(), host, parts.netloc) for entry in no_proxy.split(",") if entry.strip())


def _covers(entry: str, host: str, netloc: str) -> bool:
    if entry in ("*", host, netloc):
        return True
    address = _address(host)
    if address is None:
        return host.endswith(f".{entry.lstrip('.')}")
    try:
        return address in ip_network(entry, strict=False)
    except ValueError:
        return False


def _malformed(text: str, why: str) -> SettingError:
    return SettingError(
        f"{quoted(text)} {why}", where=_VARIABLE, remedy="write scheme, host and port: http://host:9997"
    )
