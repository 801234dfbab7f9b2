"""Waiting for a server that is just starting: health checks before the first question, as its own variables say."""

from __future__ import annotations

from venvkit.base.documents import decode
from venvkit.catalogue.transport import Transport
from venvkit.errors import SourceError, SpecError
from venvkit.settings import Settings

# Open to everyone in 4.1.0, also where every other page wants a key; it asks the supervisor, not the web server alone.
_PAGE = "status"


def await_ready(server: Transport, settings: Settings) -> None:
    """Return as soon as the server is ready.

    XINFERENCE_HEALTH_CHECK_FAILURE_THRESHOLD failed checks are tolerated, the next failed one is fatal: 0 tolerates
    none. A check may take XINFERENCE_HEALTH_CHECK_TIMEOUT seconds as a whole, and XINFERENCE_HEALTH_CHECK_INTERVAL
    seconds lie between the end of one and the begin of the next; the first is made at once, so a server that is up
    costs one request. XINFERENCE_DISABLE_HEALTH_CHECK makes none. (The server reads the same variables when it
    starts; it waits before its first check, and gives up at the last tolerated one.)

    Raises:
        SourceError: The last check had no answer (`server-unreachable`), or one that says that the server is not
            ready (`server-not-ready`).
        SettingError: One of the variables is malformed.
        CancelledError: The caller cancelled.
    """
    if settings.disable_health_check:
        return
    limit_s, pause_s = settings.health_check_timeout, settings.health_check_interval
    tolerated = settings.health_check_failure_threshold
    failed = 0
    while (fault := _check(server, limit_s)) is not None:
        failed += 1
        if failed > tolerated:
            checks = "one health check" if failed == 1 else f"{failed} health checks"
            raise SourceError(
                f"{fault.message} ({checks})",
                code=fault.code,
                where=fault.where,
                remedy=f"{fault.remedy}; XINFERENCE_HEALTH_CHECK_FAILURE_THRESHOLD and _INTERVAL say how long to wait",
            ) from fault
        server.pause(pause_s)


def _check(server: Transport, limit_s: float) -> SourceError | None:
    """Return what is wrong with the server, None when it is ready.

    A page that is refused or not there shows that something is up: the first question will say what is wrong with it.
    """
    page = server.endpoint.page(_PAGE)
    try:
        answer = server.get(page, limit_s=limit_s)
    except SourceError as error:
        return error
    if answer.status >= 500:
        return _not_ready(page, f"is not ready: it answers {answer.status}")
    if answer.status == 200 and _has_no_worker(answer.content, page):
        return _not_ready(page, "is not ready: no worker has joined it, and only workers know models")
    return None


def _has_no_worker(content: bytes, page: str) -> bool:
    try:
        document = decode(content, origin=page, format="json")
    except SpecError:
        return False
    return isinstance(document, dict) and document.get("workers") in ({}, [])


def _not_ready(page: str, what: str) -> SourceError:
    return SourceError(f"the server {what}", code="server-not-ready", where=page, remedy="wait until it has started")
