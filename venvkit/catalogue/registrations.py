"""The pages of Xinference's API that describe models, asked and checked.

`GET /v1/model_registrations/TYPE` lists a type: names, and with `?detailed=true` the specs too (8.2 MB and 2.5 s for
the language models of 4.1.0). `GET /v1/model_registrations/TYPE/NAME` is one spec. 4.1.0 answers with one object for
each name, the variants of a name folded into the first of them; with 400 for a type or a name that it does not know;
and also with 400 for models that it lists, but has from its second hub alone: only the detailed list has their specs.
"""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from typing import NoReturn
from urllib.parse import quote

from msgspec.structs import replace

from venvkit.base.documents import decode
from venvkit.base.http import Answer, Client, HttpError, Limits
from venvkit.base.mask import mask
from venvkit.base.network import Network, basic
from venvkit.catalogue.endpoint import Endpoint
from venvkit.catalogue.objects import name_of
from venvkit.errors import CancelledError, SettingError, SourceError, SpecError
from venvkit.events import Observer, Waiting
from venvkit.settings import Settings
from venvkit.spec.fields import Table, kind_of
from venvkit.spec.language.urls import quoted

# 4.1.0 needs 2.5 s for all its language models on a small machine: it looks for the files of each on the disk.
LIMITS = Limits(seconds=60.0, size=64 * 2**20, redirects=0)
_SPELLED = {"llm": "LLM"}
_READ, _SHOWN = 65536, 300
_POLL_S, _REPORT_S = 0.05, 1.0
_START = "start the server, or name its address in XINFERENCE_ENDPOINT"
_ADDRESS = "name the address of Xinference itself in XINFERENCE_ENDPOINT: http://host:9997"
_PROXY = "correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, or name the server's host in NO_PROXY"
_PATIENCE = "XINFERENCE_HEALTH_CHECK_FAILURE_THRESHOLD and _INTERVAL say how long to wait"
_KEY = "set VENVKIT_API_KEY to one of its API keys"
_REFUSALS = {
    401: ("does not accept the key", f"{_KEY} that has not expired"),
    403: ("does not allow this", "set VENVKIT_API_KEY to a key that may list models, and allow this machine there"),
    429: ("refuses, because it was asked too often", "wait until it answers again, and check VENVKIT_API_KEY"),
}


def page_of(endpoint: Endpoint, type: str, *name: str) -> str:
    """Return the address of a type's list, or of one model's spec."""
    return endpoint.page("v1", "model_registrations", _SPELLED.get(type, type), *name)


class Registrations:
    """The models that a server has registered, for a `with` block.

    Args:
        key: Sent as a bearer token in place of the endpoint's credentials. No request leaves for another address.
        limits: The most that one answer may take.
        observer: Is told about once a second that the server is waited for.

    Raises (each method):
        SourceError: The server gives no complete answer in time (`server-unreachable`), is not ready
            (`server-not-ready`), refuses (`server-refused`), fails (`server-failed`), leads elsewhere
            (`server-redirected`), or answers something else than its API (`server-malformed`).
        SettingError: The proxy of the environment cannot be used (`proxy-invalid`).
        CancelledError: `cancel` was set.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        network: Network,
        *,
        key: str | None,
        limits: Limits,
        cancel: threading.Event | None,
        observer: Observer,
    ) -> None:
        self._endpoint = endpoint
        self._key = key or ""
        self._limits = limits
        self._cancel = cancel
        self._observer = observer
        self._client = Client(network, limits, tick=self._tick)
        self._started = self._reported = time.monotonic()
        user = endpoint.credentials
        sent = f"Bearer {key}" if key else basic(*user) if user else ""
        self._headers = {"Accept": "application/json", **({"Authorization": sent} if sent else {})}
        if endpoint.url.startswith("http:"):
            # On one connection the second answer takes 50 ms where the first takes 10: the server sends it in two
            # pieces, and the second waits for the acknowledgement of the first.
            self._headers["Connection"] = "close"

    def __enter__(self) -> Registrations:
        self._client.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.__exit__()

    def await_ready(self, settings: Settings) -> None:
        """Return as soon as the server is ready.

        XINFERENCE_HEALTH_CHECK_FAILURE_THRESHOLD failed checks are tolerated, the next one is fatal. A check may take
        XINFERENCE_HEALTH_CHECK_TIMEOUT seconds, and XINFERENCE_HEALTH_CHECK_INTERVAL seconds lie between two. The first
        is made at once, so a server that is up costs one request. XINFERENCE_DISABLE_HEALTH_CHECK makes none.

        Raises:
            SettingError: One of the variables is malformed.
        """
        if settings.disable_health_check:
            return
        limit_s, pause_s = settings.health_check_timeout, settings.health_check_interval
        tolerated = settings.health_check_failure_threshold
        failed = 0
        while (fault := self._check(limit_s)) is not None:
            failed += 1
            if failed > tolerated:
                checks = "one health check" if failed == 1 else f"{failed} health checks"
                raise SourceError(
                    f"{fault.message} ({checks})",
                    code=fault.code,
                    where=fault.where,
                    remedy=f"{fault.remedy}; {_PATIENCE}",
                )
            self._pause(pause_s)

    def listed(self, type: str, *, detailed: bool = False) -> list[Table] | None:
        """Return an object for each model of a type, each with a name; None where the server knows no such type.

        An older server may leave out all but the names, also where details are asked for.
        """
        page = page_of(self._endpoint, type) + ("?detailed=true" if detailed else "")
        status, document = self._document(page)
        if status == 404:
            raise _malformed(page, "the server has no such page: this is not Xinference's API")
        return _objects(document, page) if status == 200 else None

    def spec(self, type: str, name: str) -> list[Table] | None:
        """Return the object that describes a model, or one for each of its variants; None where it is not known."""
        page = page_of(self._endpoint, type, name)
        status, document = self._document(page)
        if status != 200:
            return None
        tables = _objects(document if isinstance(document, list) else [document], page)
        if not tables or any(name_of(table) != name for table in tables):
            raise _malformed(page, "the answer describes another model")
        return tables

    def _document(self, page: str) -> tuple[int, object]:
        """Return the status, one of 200, 400 and 404, and the JSON of an answer."""
        answer = self._get(page)
        if answer.status not in (200, 400, 404):
            self._refuse(page, answer)
        try:
            return answer.status, decode(answer.content, origin=page, format="json")
        except SpecError as error:
            if _is_page(answer):
                what = f"the server answers with a page for people (HTML), status {answer.status}"
                raise _malformed(page, what) from error
            raise _malformed(page, f"status {answer.status}, but {error.message}", self._said(answer)) from error

    def _refuse(self, page: str, answer: Answer) -> NoReturn:
        status, said = answer.status, self._said(answer)
        if status in _REFUSALS:
            what, remedy = _REFUSALS[status]
            if status == 401 and not self._key:
                what, remedy = "wants a key", _KEY
            message = f"the server {what} (status {status})"
            raise SourceError(message, code="server-refused", where=page, remedy=remedy, details=said)
        if 300 <= status < 400:
            message = f"the server leads elsewhere, to {quoted(self._masked(answer.headers.get('location', '')))}"
            remedy = "if that is the right one, name its address in XINFERENCE_ENDPOINT"
            raise SourceError(message, code="server-redirected", where=page, remedy=remedy)
        if status >= 500:
            message = f"the server failed, with status {status}"
            raise SourceError(message, code="server-failed", where=page, remedy="look into its log", details=said)
        raise _malformed(page, f"the server answers with status {status}", said)

    def _get(self, page: str, *, limits: Limits | None = None) -> Answer:
        try:
            return self._client.get(page, headers=self._headers, limits=limits)
        except HttpError as error:
            kind, text = error.kind, self._masked(str(error))
        # Raised out here, where nothing hangs on to the client's error: it may repeat what was sent.
        if kind == "proxy":
            raise SettingError(text, code="proxy-invalid", where=page, remedy=_PROXY)
        if kind == "malformed":
            raise SourceError(text, code="server-malformed", where=page, remedy=_START)
        raise SourceError(f"the server {text}", code="server-unreachable", where=page, remedy=_START)

    def _check(self, limit_s: float) -> SourceError | None:
        """Return the fault of a server that is not ready, else None.

        `/status` is open to everyone in 4.1.0, also where other pages want a key, and asks the supervisor. Where it is
        refused or not there, something is up: the first question will say what is wrong with it.
        """
        page = self._endpoint.page("status")
        try:
            answer = self._get(page, limits=replace(self._limits, seconds=limit_s))
        except SourceError as error:
            return error
        what = f"it answers {answer.status}" if answer.status >= 500 else ""
        if answer.status == 200 and _has_no_worker(answer.content, page):
            what = "no worker has joined it, and only workers know models"
        if not what:
            return None
        message = f"the server is not ready: {what}"
        return SourceError(message, code="server-not-ready", where=page, remedy="wait until it has started")

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._tick()
            time.sleep(min(_POLL_S, left))

    def _tick(self) -> None:
        if self._cancel is not None and self._cancel.is_set():
            raise CancelledError(f"cancelled while waiting for the server at {self._endpoint.url}")
        now = time.monotonic()
        if now - self._reported >= _REPORT_S:
            self._reported = now
            self._observer(Waiting(f"the server at {self._endpoint.url}", now - self._started))

    def _said(self, answer: Answer) -> tuple[str, ...]:
        """Return the server's own words, as far as they are words."""
        text = "" if _is_page(answer) else answer.content[:_READ].decode("utf-8", "replace").strip()
        return (f"it says: {self._masked(text)[:_SHOWN]}",) if text else ()

    def _masked(self, text: str) -> str:
        """Return a text of the server as it may be shown: it may repeat what it was sent, in another spelling too."""
        user = self._endpoint.credentials
        sent = (self._key, *((user[1], b64encode(":".join(user).encode()).decode()) if user else ()))
        return mask(text, (secret for one in sent for secret in (one, quote(one), quote(one, safe=""))))


def _is_page(answer: Answer) -> bool:
    return "html" in answer.headers.get("content-type", "")


def _has_no_worker(content: bytes, page: str) -> bool:
    try:
        document = decode(content, origin=page, format="json")
    except SpecError:
        return False
    return isinstance(document, dict) and document.get("workers") in ({}, [])


def _objects(document: object, page: str) -> list[Table]:
    if not isinstance(document, list):
        raise _malformed(page, f"the answer is {kind_of(document)} where a list of models was expected")
    for index, entry in enumerate(document):
        if not isinstance(entry, dict) or not name_of(entry):
            what = "has no name" if isinstance(entry, dict) else f"is {kind_of(entry)}"
            raise _malformed(page, f"the model [{index}] of the answer {what}")
    return document


def _malformed(page: str, what: str, details: tuple[str, ...] = ()) -> SourceError:
    return SourceError(what, code="server-malformed", where=page, remedy=_ADDRESS, details=details)
