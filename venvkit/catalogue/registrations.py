"""The two pages of Xinference's API that tell models, read and checked.

`GET /v1/model_registrations/TYPE` lists a type: names, and with `?detailed=true` the specs too (8.2 MB and 2.5 s for
the language models of 4.1.0). `GET /v1/model_registrations/TYPE/NAME` is one spec. What 4.1.0 answers: one object for
each name, the variants of a name folded into the first of them; 400 for a type or a name that it does not know; and 400
also for two models that it lists but has from its second hub alone, whose spec only the detailed list tells.
"""

from __future__ import annotations

from venvkit.base.documents import decode
from venvkit.catalogue.endpoint import Endpoint
from venvkit.catalogue.objects import name_of
from venvkit.catalogue.transport import Answer, Transport
from venvkit.errors import SourceError, SpecError
from venvkit.spec.fields import Table, kind_of
from venvkit.spec.language.urls import quoted

_SPELLED = {"llm": "LLM"}
_READ, _SHOWN = 65536, 300
_ADDRESS = "name the address of Xinference itself in XINFERENCE_ENDPOINT: http://host:9997"


def page_of(endpoint: Endpoint, type: str, *name: str) -> str:
    """Return the address of a type's list, or of one model's spec."""
    return endpoint.page("v1", "model_registrations", _SPELLED.get(type, type), *name)


class Registrations:
    """The models that a server has registered.

    Beside what `Transport.get` raises, each method raises SourceError when the server refuses (`server-refused`), fails
    (`server-failed`), leads elsewhere (`server-redirected`), or answers what is not its API's (`server-malformed`).
    """

    def __init__(self, server: Transport) -> None:
        self._server = server

    def listed(self, type: str, *, detailed: bool = False) -> list[Table] | None:
        """Return an object for each model of a type, each with a name; None where the server knows no such type.

        An older server may leave out all but the names, also where details are asked for.
        """
        page = page_of(self._server.endpoint, type) + ("?detailed=true" if detailed else "")
        answer = self._ask(page)
        document = self._decoded(answer, page)
        if answer.status == 400:
            return None
        if answer.status == 404:
            raise _malformed(page, "the server has no such page: this is not Xinference's API")
        return _objects(document, page)

    def spec(self, type: str, name: str) -> list[Table] | None:
        """Return the object that describes a model, or one for each of its variants; None where it is not known."""
        page = page_of(self._server.endpoint, type, name)
        answer = self._ask(page)
        document = self._decoded(answer, page)
        if answer.status in (400, 404):
            return None
        tables = _objects(document if isinstance(document, list) else [document], page)
        if not tables or any(name_of(table) != name for table in tables):
            raise _malformed(page, "the answer describes another model")
        return tables

    def _ask(self, page: str) -> Answer:
        """Return an answer of status 200, 400 or 404."""
        answer = self._server.get(page)
        status = answer.status
        if status in (401, 403, 429):
            raise self._refused(page, answer)
        if 300 <= status < 400:
            raise SourceError(
                f"the server leads elsewhere, to {quoted(self._server.masked(answer.location))}",
                code="server-redirected",
                where=page,
                remedy="if that is the right one, name its address in XINFERENCE_ENDPOINT",
            )
        if status >= 500:
            raise SourceError(
                f"the server failed, with status {status}",
                code="server-failed",
                where=page,
                remedy="look into its log",
                details=self._said(answer),
            )
        if status not in (200, 400, 404):
            raise _malformed(page, f"the server answers with status {status}", self._said(answer))
        return answer

    def _decoded(self, answer: Answer, page: str) -> object:
        try:
            return decode(answer.content, origin=page, format="json")
        except SpecError as error:
            if "html" in answer.kind:
                raise _malformed(
                    page, f"the server answers with a page for people (HTML), status {answer.status}"
                ) from error
            raise _malformed(page, f"status {answer.status}, but {error.message}", self._said(answer)) from error

    def _refused(self, page: str, answer: Answer) -> SourceError:
        if answer.status == 429:
            what, remedy = (
                "refuses, because it was asked too often",
                "wait until it lifts that, and check VENVKIT_API_KEY",
            )
        elif answer.status == 401 and not self._server.has_key:
            what, remedy = "wants to know who asks", "set VENVKIT_API_KEY to one of its API keys"
        elif answer.status == 401:
            what, remedy = "does not accept the key", "set VENVKIT_API_KEY to one of its API keys that has not expired"
        else:
            what = "does not allow this"
            remedy = "set VENVKIT_API_KEY to a key that may list models, and see that the server admits this machine"
        return SourceError(
            f"the server {what} (status {answer.status})",
            code="server-refused",
            where=page,
            remedy=remedy,
            details=self._said(answer),
        )

    def _said(self, answer: Answer) -> tuple[str, ...]:
        """Return the server's own words, as far as they are words."""
        if "html" in answer.kind:
            return ()
        text = answer.content[:_READ].decode("utf-8", "replace").strip()
        said = self._server.masked(text)[:_SHOWN]
        return (f"it says: {said}",) if said else ()


def _objects(document: object, page: str) -> list[Table]:
    if not isinstance(document, list):
        raise _malformed(page, f"the answer is {kind_of(document)} where a list of models was expected")
    tables: list[Table] = []
    for index, entry in enumerate(document):
        if not isinstance(entry, dict) or not name_of(entry):
            what = "has no name" if isinstance(entry, dict) else f"is {kind_of(entry)}"
            raise _malformed(page, f"the model [{index}] of the answer {what}")
        tables.append(entry)
    return tables


def _malformed(page: str, what: str, details: tuple[str, ...] = ()) -> SourceError:
    return SourceError(what, code="server-malformed", where=page, remedy=_ADDRESS, details=details)
