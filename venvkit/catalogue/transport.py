"""One question after the other to one server: a deadline for each, a bound on its answer, and an end at once.

The requests run in an event loop on a thread of its own, because only there an answer that never comes, or comes drop
by drop, can be given up at any moment; the caller's thread waits for it, reports, and listens to `cancel`.
"""

from __future__ import annotations

import asyncio
import threading
import time
import zlib
from base64 import b64encode
from collections.abc import Coroutine, Mapping
from concurrent.futures import wait
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from msgspec import Struct

from venvkit.base.mask import mask
from venvkit.base.version import __version__
from venvkit.catalogue.endpoint import Endpoint, proxy_for, trust_for
from venvkit.catalogue.loop import Loop
from venvkit.errors import CancelledError, SettingError, SourceError
from venvkit.events import Observer, Waiting
from venvkit.spec.language.urls import quoted

if TYPE_CHECKING:
    import httpx

_Result = TypeVar("_Result")

_POLL_S = 0.05
_REPORT_S = 1.0
_TORN = "the answer cannot be unpacked"
_REMEDY = "start the server, or name its address in XINFERENCE_ENDPOINT"


class Limits(Struct, frozen=True):
    """What a server may take.

    Args:
        connect_s: Until it is connected, in seconds.
        answer_s: Until an answer is complete, connecting included, in seconds. 4.1.0 needs 2.5 s for all its language
            models on a small machine: it looks on the disk for the files of each.
        size: Bytes of one answer, unpacked. The same answer has 8.2 million.
    """

    connect_s: float = 10.0
    answer_s: float = 60.0
    size: int = 64 * 2**20


class Answer(Struct, frozen=True):
    """What the server answered: status, the type of the content, where a redirect leads, and the content."""

    status: int
    kind: str
    location: str
    content: bytes


class _Unusable(Exception):  # noqa: N818 - never leaves this module
    """An answer that is larger than the bound or cannot be unpacked, in words."""


class _Content:
    """The content of an answer as it comes in, unpacked, and never more of it than the bound.

    The bound is kept while unpacking: a thousandth of it may be all that comes over the wire.

    Args:
        packing: What the answer says about how it is packed.
        most: Bytes that it may have, unpacked.
    """

    __slots__ = ("_content", "_most", "_unpacker")

    def __init__(self, packing: str, most: int) -> None:
        self._content = bytearray()
        self._most = most
        packing = packing.strip().lower()
        if packing not in ("", "identity", "gzip", "x-gzip"):
            raise _Unusable(f"the answer is packed as {quoted(packing)}, which was not asked for")
        self._unpacker = zlib.decompressobj(31) if packing.endswith("gzip") else None

    def add(self, piece: bytes) -> None:
        left = self._most - len(self._content)
        if self._unpacker is None:
            self._content += piece[: left + 1]
        else:
            try:
                self._content += self._unpacker.decompress(piece, left + 1)
            except zlib.error:
                raise _Unusable(_TORN) from None
            if self._unpacker.unused_data:
                raise _Unusable(_TORN)
        if len(self._content) > self._most:
            raise _Unusable(f"the answer is longer than {self._most:,} bytes")

    def whole(self) -> bytes:
        if self._content and self._unpacker is not None and not self._unpacker.eof:
            raise _Unusable(_TORN)
        return bytes(self._content)


class Transport:
    """A connection to a server, for a `with` block.

    Args:
        endpoint: Where it is.
        environ: Where proxies and certificates are looked up.
        key: Sent as a bearer token, in place of the endpoint's own credentials; no request leaves for another address.
        limits: What the server may take.
        cancel: Set by the caller to stop.
        observer: Is told about once a second that the server is waited for.

    Raises:
        SettingError: The proxy or the certificates of the environment cannot be used.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        environ: Mapping[str, str],
        key: str | None,
        limits: Limits,
        cancel: threading.Event | None,
        observer: Observer,
    ) -> None:
        self.endpoint = endpoint
        self.has_key = bool(key)
        self._limits = limits
        self._key = key or ""
        self._cancel = cancel
        self._observer = observer
        self._client = _client(endpoint, environ, key)

    def __enter__(self) -> Transport:
        self._loop = Loop()
        # A server that does not let go must not keep the process from ending.
        self._thread = threading.Thread(target=self._loop.run_forever, name="venvkit-server", daemon=True)
        self._thread.start()
        self._started = self._reported = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        wait([asyncio.run_coroutine_threadsafe(self._close(), self._loop)], timeout=_REPORT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_REPORT_S)
        if not self._thread.is_alive():
            self._loop.close()

    def get(self, url: str, *, limit_s: float | None = None) -> Answer:
        """Return the answer to a request, whatever its status; redirects are not followed.

        Args:
            url: The page.
            limit_s: Until the answer is complete, in seconds, in place of the usual limit.

        Raises:
            SourceError: There is no complete answer in time (`server-unreachable`), or one that is larger than the
                bound or cannot be unpacked (`server-malformed`).
            CancelledError: `cancel` was set.
        """
        import httpx

        self._tick()
        limit_s = self._limits.answer_s if limit_s is None else limit_s
        try:
            return self._wait(asyncio.wait_for(self._fetch(url, limit_s), limit_s))
        except (asyncio.TimeoutError, httpx.TimeoutException):
            fault = self._unreachable(url, f"gave no complete answer within {limit_s:g} s")
        except _Unusable as error:
            fault = self._malformed(url, str(error))
        except httpx.HTTPError as error:
            fault = self._unreachable(url, f"did not answer: {self.masked(str(error) or type(error).__name__)}")
        # Raised out here, where nothing hangs on to it: what the client says may repeat what it was sent.
        raise fault

    def pause(self, seconds: float) -> None:
        """Wait, and say so.

        Raises:
            CancelledError: `cancel` was set.
        """
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._tick()
            time.sleep(min(_POLL_S, left))

    def masked(self, text: str) -> str:
        """Return a text of the server's as it may be shown: a server may repeat what it was sent."""
        user = self.endpoint.credentials
        sent = (user[1], b64encode(":".join(user).encode()).decode()) if user else ()
        # In an address the same secret may stand in another spelling.
        return mask(
            text, (secret for sent in (self._key, *sent) for secret in (sent, quote(sent), quote(sent, safe="")))
        )

    async def _fetch(self, url: str, limit_s: float) -> Answer:
        import httpx

        limits = httpx.Timeout(limit_s, connect=min(limit_s, self._limits.connect_s))
        async with self._client.stream("GET", url, timeout=limits) as answer:
            headers = answer.headers
            content = _Content(headers.get("content-encoding", ""), self._limits.size)
            async for piece in answer.aiter_raw():
                content.add(piece)
            return Answer(
                answer.status_code, headers.get("content-type", ""), headers.get("location", ""), content.whole()
            )

    async def _close(self) -> None:
        await self._client.aclose()
        # An answer that was not read to its end leaves generators behind.
        await self._loop.shutdown_asyncgens()

    def _wait(self, work: Coroutine[None, None, _Result]) -> _Result:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            while not wait([future], timeout=_POLL_S).done:
                self._tick()
            return future.result()
        finally:
            future.cancel()

    def _tick(self) -> None:
        if self._cancel is not None and self._cancel.is_set():
            raise CancelledError(f"cancelled while waiting for the server at {self.endpoint.url}")
        now = time.monotonic()
        if now - self._reported >= _REPORT_S:
            self._reported = now
            self._observer(Waiting(f"the server at {self.endpoint.url}", now - self._started))

    def _unreachable(self, url: str, what: str) -> SourceError:
        return SourceError(f"the server {what}", code="server-unreachable", where=url, remedy=_REMEDY)

    def _malformed(self, url: str, what: str) -> SourceError:
        return SourceError(what, code="server-malformed", where=url, remedy=_REMEDY)


def _client(endpoint: Endpoint, environ: Mapping[str, str], key: str | None) -> httpx.AsyncClient:
    import httpx

    headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": f"venvkit/{__version__}"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    # The second answer on one connection takes 50 ms where the first takes 10: the server sends it in two pieces, and
    # the second one waits for the acknowledgement of the first. Without encryption a new connection is cheaper.
    kept = None if endpoint.url.startswith("https:") else 0
    proxy = proxy_for(endpoint, environ)
    try:
        return httpx.AsyncClient(
            headers=headers,
            auth=None if key else endpoint.credentials,
            limits=httpx.Limits(max_keepalive_connections=kept),
            proxy=proxy,
            verify=trust_for(endpoint, environ),
            # The process's environment is not what this call was made with, and a .netrc is for other programs.
            trust_env=False,
        )
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise SettingError(
            f"the proxy cannot be used: {mask(str(error))}",
            code="proxy-invalid",
            where=mask(proxy or ""),
            remedy="correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, or name the server's host in NO_PROXY",
        ) from error
