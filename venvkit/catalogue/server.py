"""A running server as a source of models."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from msgspec.structs import replace

from venvkit.base.http import Limits
from venvkit.catalogue.endpoint import network_to, parse_endpoint
from venvkit.catalogue.objects import describe, has_block, name_of, numbered
from venvkit.catalogue.registrations import LIMITS, Registrations, page_of
from venvkit.catalogue.values import Listing, Model, Place
from venvkit.errors import SpecError, UsageError
from venvkit.events import Observer
from venvkit.settings import Settings
from venvkit.spec.fields import Table
from venvkit.spec.language.urls import quoted
from venvkit.spec.model import ModelSpec, parse_object

TYPES = ("llm", "embedding", "rerank", "image", "audio", "video", "flexible", "world")
"""The types of models that a server is asked for."""

_NAMES_ALONE = {"model_name", "is_builtin"}


class Server:
    """A source of models: the server at XINFERENCE_ENDPOINT.

    Its readiness is checked before the first question. Its answers are kept for `load`.

    Args:
        settings: Where the server is, the key that it wants (VENVKIT_API_KEY), and the health checks.
        environ: Where proxies and certificates are looked up.
        observer: Is told about once a second that the server is waited for.
        limits: The most that one answer may take.

    Raises:
        SettingError: XINFERENCE_ENDPOINT or VENVKIT_API_KEY is malformed.
    """

    __slots__ = ("_cancel", "_endpoint", "_environ", "_key", "_limits", "_objects", "_observer", "_ready", "_settings")

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        *,
        cancel: threading.Event | None,
        observer: Observer,
        limits: Limits = LIMITS,
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._cancel = cancel
        self._observer = observer
        self._limits = replace(limits, seconds=min(limits.seconds, settings.timeout))
        self._endpoint = parse_endpoint(settings.endpoint)
        self._key = settings.api_key
        self._ready = False
        self._objects: dict[tuple[str, int], Table] = {}

    def named(self, name: str, *, type: str | None = None) -> Listing:
        """Return the models of one name, in its exact spelling, of one type or of any.

        Raises:
            UsageError: There is no such type (`model-type`).
            SourceError: As `Registrations` raises it.
            SettingError: A variable that says how to ask it is malformed.
            CancelledError: `cancel` was set.
        """
        types = TYPES if type is None else (type.lower(),)
        found: list[tuple[str, Table]] = []
        with self._asking() as server:
            for kind in types:
                entries = server.listed(kind)
                if entries is None and kind not in TYPES:
                    raise self._no_such_type(kind)
                same = [entry for entry in entries or () if name_of(entry) == name]
                if same:
                    # The page of a model has one variant, and is not there for every model that is listed.
                    tables = server.spec(kind, name) if len(same) == 1 else None
                    if tables is None:
                        detailed = server.listed(kind, detailed=True) or ()
                        tables = [entry for entry in detailed if name_of(entry) == name]
                    found += [(kind, table) for table in tables]
        return self._listing(found, tell_bare=True)

    def all(self) -> Listing:
        """Return all models, type by type. Raises as `named`."""
        found: list[tuple[str, Table]] = []
        with self._asking() as server:
            for kind in TYPES:
                for entry in server.listed(kind, detailed=True) or ():
                    tables = [entry] if entry.keys() - _NAMES_ALONE else server.spec(kind, name_of(entry))
                    found += [(kind, table) for table in tables or ()]
        return self._listing(found, tell_bare=False)

    def load(self, model: Model) -> ModelSpec:
        """Return the spec of a model that the server has offered.

        Raises:
            SpecError: It is faulty, or no longer there.
            VenvkitError: As `named`, where another object than this one has listed it.
        """
        key = (model.path, model.index)
        if key not in self._objects:
            self.named(model.name, type=model.type)
        if key not in self._objects:
            raise SpecError(
                f"the model {quoted(model.name)} is no longer there", code="spec-not-found", where=model.origin
            )
        return parse_object(self._objects[key], origin=model.origin, type=model.type)

    @contextmanager
    def _asking(self) -> Iterator[Registrations]:
        with Registrations(
            self._endpoint,
            network_to(self._endpoint, self._environ),
            key=self._key,
            limits=self._limits,
            cancel=self._cancel,
            observer=self._observer,
        ) as server:
            if not self._ready:
                server.await_ready(self._settings)
                self._ready = True
            yield server

    def _listing(self, found: Iterable[tuple[str, Table]], *, tell_bare: bool) -> Listing:
        place = Place("server", self._endpoint.url)
        pages = [(page_of(self._endpoint, type, name_of(table)), type, table) for type, table in found]
        totals, seen = Counter(page for page, _, _ in pages), Counter[str]()
        models: list[Model] = []
        bare: list[str] = []
        for page, type, table in pages:
            index = seen[page]
            seen[page] += 1
            if has_block(table):
                self._objects[page, index] = table
                single = totals[page] == 1
                models.append(describe(table, place=place, path=page, type=type, index=index, single=single))
            elif tell_bare:
                bare.append(page)
        return Listing(numbered(models), bare=tuple(bare), looked=(place,))

    def _no_such_type(self, type: str) -> UsageError:
        return UsageError(
            f"the server knows no models of the type {quoted(type)}",
            code="model-type",
            where=page_of(self._endpoint, type),
            remedy=f"the types are {', '.join(TYPES)}",
        )
