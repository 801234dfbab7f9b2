"""The one HTTP client: GET and HEAD, bounded in time, size and redirects.

It reads the metadata of distributions from indexes, and the models that a running server offers. It takes values alone:
its callers read settings, pip's and uv's configuration. The limit of time is kept whatever the server does, so each
request runs on a daemon thread: a name server that does not answer, or headers that come one byte a second, escape the
time-outs of sockets (https://www.python-httpx.org/advanced/timeouts/), and neither may hold the caller or the
interpreter's end.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import ssl
import threading
import time
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, wait
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import unquote, urlsplit

from msgspec import Struct, field

from venvkit.base.version import __version__

if TYPE_CHECKING:
    import httpx

# Scheme, host and port: what a browser calls an origin.
_Origin: TypeAlias = tuple[str, str, int]
_DEFAULT_PORTS = {"http": 80, "https": 443}
_POLL_S = 0.05
_CONNECT_S = 10.0


class Network(Struct, frozen=True):
    """How servers are reached, and whom to trust.

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


class Limits(Struct, frozen=True):
    """The most that one request may take.

    Args:
        seconds: Until its answer is complete, name lookup and redirects included.
        size: Bytes of the content, over the wire and unpacked.
        redirects: How many are followed; with 0 a redirect is an answer like any other.
    """

    seconds: float = 20.0
    size: int = 10_000_000
    redirects: int = 10


class Answer(Struct, frozen=True):
    """A complete answer, whatever its status.

    Args:
        headers: By their names in lower case.
        content: Unpacked.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes


class HttpError(Exception):
    """There is no usable answer.

    The text may repeat what was sent, secrets included: mask it before it is shown.

    Args:
        kind: `unreachable` (no complete answer in time), `malformed` (an answer that is too large, leads astray or
            cannot be unpacked), or `proxy` (a proxy of a kind that cannot be used).
    """

    def __init__(self, kind: Literal["unreachable", "malformed", "proxy"], text: str) -> None:
        super().__init__(text)
        self.kind = kind


def environment_proxies(environ: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the proxies by scheme, and the entries of NO_PROXY; of two spellings the upper case counts, as in uv."""

    def variable(name: str) -> str:
        return (environ.get(name.upper()) or environ.get(name) or "").strip()

    proxies = {scheme: variable(f"{scheme}_proxy") or variable("all_proxy") for scheme in _DEFAULT_PORTS}
    return proxies, split_no_proxy([variable("no_proxy")])


def split_no_proxy(lists: Iterable[str]) -> tuple[str, ...]:
    """Return the entries of comma-separated lists of hosts."""
    return tuple(entry for one in lists for entry in map(str.strip, one.split(",")) if entry)


def basic(user: str, password: str) -> str:
    """Return the Authorization header of a user."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


class Client:
    """Asks servers, from any number of threads, in a `with` block. Leaving the block ends what is still being asked.

    Args:
        network: How they are reached.
        limits: The most that each request may take.
        seconds: The most that all requests together may take, from now.
        tick: Called every 50 ms, and before each request, by the thread that waits for it: raises to give up.
    """

    def __init__(
        self,
        network: Network,
        limits: Limits,
        *,
        seconds: float = float("inf"),
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self._network = network
        self._limits = limits
        self._until = time.monotonic() + seconds
        self._tick = tick
        self._is_closed = False
        self._users = dict(filter(None, map(_user, reversed(network.users))))
        self._machines = _machines(network.netrc) if network.netrc else {}
        self._ways: dict[tuple[str | None, bool], httpx.Client] = {}
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._is_closed = True
            for way in self._ways.values():
                way.close()

    def get(
        self, url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, seconds: float | None = None
    ) -> Answer:
        """Return the answer to a request.

        Args:
            url: An http or https address. A user in it is sent to its origin.
            headers: Sent to the origin of `url` alone.
            seconds: The most that it may take, in place of the usual limit.

        Raises:
            HttpError: There is none that can be used.
        """
        now = time.monotonic()
        limit = min(self._limits.seconds if seconds is None else seconds, self._until - now)
        late = HttpError("unreachable", f"gave no complete answer within {max(limit, 0):g} s")
        future: Future[Answer] = Future()
        self._tick()
        if limit > 0:
            threading.Thread(
                target=self._deliver, args=(future, method, url, headers or {}, now + limit), daemon=True,
                name="venvkit-http",
            ).start()  # fmt: skip
        while not future.done():
            if time.monotonic() >= now + limit or self._is_closed:
                raise late
            wait([future], timeout=min(_POLL_S, limit))
            self._tick()
        error = future.exception()
        if error is None:
            return future.result()
        # Raised anew: what hangs on the client's own errors repeats what was sent.
        raise late if isinstance(error, TimeoutError) else _told(error)

    def _deliver(self, future: Future[Answer], method: str, url: str, headers: Mapping[str, str], until: float) -> None:
        import httpx

        try:
            future.set_result(self._follow(method, httpx.URL(url), headers, until))
        except httpx.ConnectTimeout:
            future.set_exception(HttpError("unreachable", "accepted no connection in time"))
        except httpx.TimeoutException:
            future.set_exception(TimeoutError())
        except BaseException as error:  # noqa: BLE001 - told by the thread that waits
            future.set_exception(error)

    def _follow(self, method: str, url: httpx.URL, headers: Mapping[str, str], until: float) -> Answer:
        first = _origin(url)
        known = {"Authorization": basic(url.username, url.password)} if url.userinfo else {}
        for _ in range(self._limits.redirects + 1):
            url = url.copy_with(userinfo=b"")
            own = {**known, **headers} if _origin(url) == first else {}
            answer = self._exchange(method, url, own, until)
            location = answer.headers.get("location")
            if not (self._limits.redirects and location and answer.status in (301, 302, 303, 307, 308)):
                return answer
            onward = url.join(location)
            if url.scheme == "https" and onward.scheme != "https":
                raise HttpError("malformed", "the answer leads from https to an address without encryption")
            url = onward
        raise HttpError("malformed", f"the answer leads on more than {self._limits.redirects} times")

    def _exchange(self, method: str, url: httpx.URL, headers: Mapping[str, str], until: float) -> Answer:
        import httpx

        left = max(until - time.monotonic(), 0.01)
        sent = {"User-Agent": f"venvkit/{__version__}", "Accept-Encoding": "gzip", **headers}
        origin = _origin(url)
        if user := self._users.get(origin) or self._machines.get(origin[1]):
            sent.setdefault("Authorization", user)
        timeout = httpx.Timeout(left, connect=min(left, _CONNECT_S))
        with self._way(*origin).stream(method, url, headers=sent, timeout=timeout) as response:
            content = _Content(response.headers.get("content-encoding", ""), self._limits.size)
            for piece in response.iter_raw():
                if self._is_closed or time.monotonic() > until:
                    raise TimeoutError
                content.add(piece)
            received = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, received, content.whole())

    def _way(self, scheme: str, host: str, port: int) -> httpx.Client:
        import httpx

        proxy, trusted = self._network.proxy(scheme, host, port), self._network.trusts(host, port)
        with self._lock:
            if self._is_closed:
                raise TimeoutError
            if (proxy, trusted) not in self._ways:
                encrypted = scheme == "https" or (proxy or "").startswith("https:")
                verify = self._verify() if encrypted and not trusted else False
                try:
                    way = httpx.Client(verify=verify, proxy=proxy, trust_env=False, follow_redirects=False)
                except (ImportError, ValueError, httpx.InvalidURL) as error:
                    raise HttpError("proxy", f"this proxy cannot be used: {error}") from error
                self._ways[proxy, trusted] = way
            return self._ways[proxy, trusted]

    def _verify(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = make_context(self._network)
        return self._context


class _Content:
    """The content of an answer as it comes in, unpacked, and never more of it than the bound.

    Both sides are bounded, also within one piece: a small packed answer may unpack to gigabytes, and an endless one
    to nothing.
    """

    __slots__ = ("_content", "_most", "_received", "_unpacker")

    def __init__(self, packing: str, most: int) -> None:
        self._content = bytearray()
        self._received = 0
        self._most = most
        packing = packing.strip().lower()
        if packing not in ("", "identity", "gzip", "x-gzip"):
            raise HttpError("malformed", f"the answer is packed as `{packing[:40]}`, which was not asked for")
        self._unpacker = zlib.decompressobj(31) if packing.endswith("gzip") else None

    def add(self, piece: bytes) -> None:
        self._received += len(piece)
        left = self._most - len(self._content)
        try:
            self._content += self._unpacker.decompress(piece, left + 1) if self._unpacker else piece[: left + 1]
        except zlib.error:
            raise _torn() from None
        if self._unpacker and self._unpacker.unused_data:
            raise _torn()
        if max(len(self._content), self._received) > self._most:
            raise HttpError("malformed", f"the answer is longer than {self._most:,} bytes")

    def whole(self) -> bytes:
        if self._received and self._unpacker is not None and not self._unpacker.eof:
            raise _torn()
        return bytes(self._content)


def _torn() -> HttpError:
    return HttpError("malformed", "the answer cannot be unpacked")


def _told(error: BaseException) -> BaseException:
    """Return what the client's error means, without the error itself; any other kind is a fault of ours."""
    import httpx

    if isinstance(error, HttpError):
        return HttpError(error.kind, str(error))
    if isinstance(error, (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError)):
        return HttpError("unreachable", f"did not answer: {str(error) or type(error).__name__}")
    return error


def make_context(network: Network) -> ssl.SSLContext:
    """Return what decides which certificates are believed."""
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


def _origin(url: httpx.URL) -> _Origin:
    return url.scheme, url.host.lower(), url.port or _DEFAULT_PORTS.get(url.scheme, 0)


def _user(address: str) -> tuple[_Origin, str] | None:
    """Return an address's origin and the header of its user and password, or None where it has none."""
    try:
        parts = urlsplit(address)
        origin = parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    if not (parts.username or parts.password):
        return None
    return origin, basic(unquote(parts.username or ""), unquote(parts.password or ""))


def _machines(path: str) -> dict[str, str]:
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
