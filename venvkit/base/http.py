"""The one HTTP client: GET and HEAD, bounded in time, size and redirects.

It reads the metadata of distributions from indexes, and the models that a running server offers. It takes values alone:
its callers read settings, pip's and uv's configuration. The limit of time is kept whatever the server does, so each
request runs on a daemon thread: a name server that does not answer, or headers that come one byte a second, escape the
time-outs of sockets (https://www.python-httpx.org/advanced/timeouts/), and neither may hold the caller or the
interpreter's end.
"""

from __future__ import annotations

import ssl
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from venvkit.base.network import DEFAULT_PORTS, Network, Origin, basic, make_context, netrc_headers, user_of
from venvkit.base.turns import waiting
from venvkit.base.version import __version__

if TYPE_CHECKING:
    import httpx

_POLL_S = 0.05
_CONNECT_S = 10.0


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


class Client:
    """Asks servers, from any number of threads, in a `with` block. Leaving the block ends what is still being asked.

    Args:
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
        self._users = dict(filter(None, map(user_of, reversed(network.users))))
        self._machines = netrc_headers(network.netrc) if network.netrc else {}
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
        self, url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, limits: Limits | None = None
    ) -> Answer:
        """Return the answer to a request.

        Args:
            url: An http or https address. A user in it is sent to its origin.
            headers: Sent to the origin of `url` alone.
            limits: The most that it may take, in place of the client's limits.

        Raises:
            HttpError: There is none that can be used.
        """
        now = time.monotonic()
        limits = limits or self._limits
        limit = min(limits.seconds, self._until - now)
        late = HttpError("unreachable", f"gave no complete answer within {max(limit, 0):g} s")
        future: Future[Answer] = Future()
        self._tick()
        if limit > 0:
            threading.Thread(
                target=self._deliver, args=(future, method, url, headers or {}, limits, now + limit), daemon=True,
                name="venvkit-http",
            ).start()  # fmt: skip
        while not future.done():
            if time.monotonic() >= now + limit or self._is_closed:
                raise late
            with waiting():
                wait([future], timeout=min(_POLL_S, limit))
            self._tick()
        error = future.exception()
        if error is None:
            return future.result()
        # Raised anew: what hangs on the client's own errors repeats what was sent.
        raise late if isinstance(error, TimeoutError) else _told(error)

    def _deliver(
        self, future: Future[Answer], method: str, url: str, headers: Mapping[str, str], limits: Limits, until: float
    ) -> None:
        import httpx

        try:
            future.set_result(self._follow(method, httpx.URL(url), headers, limits, until))
        except httpx.ConnectTimeout:
            future.set_exception(HttpError("unreachable", "accepted no connection in time"))
        except httpx.TimeoutException:
            future.set_exception(TimeoutError())
        except BaseException as error:  # noqa: BLE001 - told by the thread that waits
            future.set_exception(error)

    def _follow(self, method: str, url: httpx.URL, headers: Mapping[str, str], limits: Limits, until: float) -> Answer:
        first = _origin(url)
        known = {"Authorization": basic(url.username, url.password)} if url.userinfo else {}
        for _ in range(limits.redirects + 1):
            url = url.copy_with(userinfo=b"")
            own = {**known, **headers} if _origin(url) == first else {}
            answer = self._exchange(method, url, own, limits.size, until)
            location = answer.headers.get("location")
            if not (limits.redirects and location and answer.status in (301, 302, 303, 307, 308)):
                return answer
            onward = url.join(location)
            if url.scheme == "https" and onward.scheme != "https":
                raise HttpError("malformed", "the answer leads from https to an address without encryption")
            url = onward
        raise HttpError("malformed", f"the answer leads on more than {limits.redirects} times")

    def _exchange(self, method: str, url: httpx.URL, headers: Mapping[str, str], size: int, until: float) -> Answer:
        import httpx

        left = max(until - time.monotonic(), 0.01)
        sent = {"User-Agent": f"venvkit/{__version__}", "Accept-Encoding": "gzip", **headers}
        origin = _origin(url)
        if user := self._users.get(origin) or self._machines.get(origin[1]):
            sent.setdefault("Authorization", user)
        timeout = httpx.Timeout(left, connect=min(left, _CONNECT_S))
        with self._way(*origin).stream(method, url, headers=sent, timeout=timeout) as response:
            content = _Content(response.headers.get("content-encoding", ""), size)
            for piece in response.iter_raw():
                if self._is_closed or time.monotonic() > until:
                    raise TimeoutError
                content.add(piece)
            received = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, received, content.whole())

    def _way(self, scheme: str, host: str, port: int) -> httpx.Client:
        import httpx

        proxy = self._network.proxy(scheme, host, port)
        verified = scheme == "https" and not self._network.trusts(host, port)
        with self._lock:
            if self._is_closed:
                raise TimeoutError
            if (proxy, verified) not in self._ways:
                verify = self._verify() if verified else False
                try:
                    trust = self._verify() if proxy and proxy.startswith("https:") else None
                    by = httpx.Proxy(proxy, ssl_context=trust) if proxy else None
                    self._ways[proxy, verified] = httpx.Client(verify=verify, proxy=by, trust_env=False)
                except (ImportError, ValueError, httpx.InvalidURL) as error:
                    raise HttpError("proxy", f"this proxy cannot be used: {error}") from error
            return self._ways[proxy, verified]

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
    """Return an error of ours for one of httpx, not chained to it; an error of another kind as it is."""
    import httpx

    if isinstance(error, HttpError):
        return HttpError(error.kind, str(error))
    if isinstance(error, (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError)):
        return HttpError("unreachable", f"did not answer: {str(error) or type(error).__name__}")
    return error


def _origin(url: httpx.URL) -> Origin:
    return url.scheme, url.host.lower(), url.port or DEFAULT_PORTS.get(url.scheme, 0)
