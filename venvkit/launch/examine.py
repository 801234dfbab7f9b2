"""Prove environments of the store again, and rebuild those that are not proved."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from venvkit.base.caches import cache_folder
from venvkit.base.plain import plain
from venvkit.base.process import Runner
from venvkit.errors import CancelledError, VenvkitError
from venvkit.events import Observer
from venvkit.formats.finding import Finding
from venvkit.formats.receipt import Receipt
from venvkit.host.snapshot import HostSnapshot, take_snapshot
from venvkit.proof.check import check_objects, check_receipt, check_shell
from venvkit.proof.findings import SHELL_CHANGED
from venvkit.settings import Settings
from venvkit.store.layout import Layout
from venvkit.store.look.inventory import Entry, entries
from venvkit.store.shell.point import hold_shell, point_shell


class Verdict(Struct, frozen=True):
    """The result of proving one environment: it is proved when there is no grave finding."""

    model: str
    engine: str
    python: str
    ok: bool
    findings: tuple[Finding, ...]
    rolled_back: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as dicts, sequences and scalars."""
        told = plain(self)
        return {"model": self.model, "engine": self.engine, "python_version": told.pop("python"), **told}

    @property
    def label(self) -> str:
        """The environment in words."""
        rolled_back = ", rolled back" if self.rolled_back else ""
        return f"{self.model} ({self.engine}, Python {self.python}{rolled_back})"


class Examiner:
    """Proves environments of one store. It takes the snapshot of each host once, without the cache.

    Args:
        settings: Its time limit is that of each process; `prove` says how far the environments are proved.
        quick: Compare the sizes of files in place of their digests.
    """

    def __init__(self, layout: Layout, settings: Settings, cancel: threading.Event, *, quick: bool = False) -> None:
        self._layout = layout
        self._cancel = cancel
        self._runner = Runner(cancel=cancel, timeout=settings.timeout)
        self._prove = settings.prove
        self._quick = quick
        self._cache = cache_folder(os.environ, layout.cache)
        self._hosts: dict[str, HostSnapshot | Finding] = {}
        self._environments: dict[Path, tuple[Finding, ...]] = {}

    def examine(self, found: Iterable[Entry]) -> tuple[Verdict, ...]:
        """Prove the environments of these entries.

        Raises:
            CancelledError: The cancel event is set.
        """
        return tuple(map(self._verdict, found))

    def repair(self, found: Iterable[Entry], observer: Observer) -> tuple[Verdict, ...]:
        """Prove the environments of these entries, rebuild each one that is not proved, and prove the new one.

        A rebuild that fails is one more finding.

        Raises:
            CancelledError: The cancel event is set.
        """
        pairs = [(entry, self._verdict(entry)) for entry in found]
        return tuple(verdict if verdict.ok else self._rebuilt(entry, verdict, observer) for entry, verdict in pairs)

    def _verdict(self, entry: Entry) -> Verdict:
        if self._cancel.is_set():
            raise CancelledError("cancelled between two checks")
        findings = self._findings(entry)
        ok = not any(item.grave for item in findings)
        return Verdict(entry.model, entry.engine, entry.python, ok, findings, entry.rolled_back)

    def _rebuilt(self, entry: Entry, verdict: Verdict, observer: Observer) -> Verdict:
        from venvkit.launch.repair import repair

        try:
            if {item.kind for item in verdict.findings if item.grave} == {SHELL_CHANGED} and entry.receipt is not None:
                with hold_shell(self._layout, entry.path):
                    point_shell(self._layout, entry.path, entry.receipt)
            else:
                repair(self._layout, entry, observer)
        except CancelledError:
            raise
        except VenvkitError as error:
            return replace(verdict, findings=(*verdict.findings, Finding("not-repaired", error.message)))
        return self._verdict(next(item for item in entries(self._layout) if item.path == entry.path))

    def _findings(self, entry: Entry) -> tuple[Finding, ...]:
        receipt = entry.receipt
        if receipt is None or entry.environment is None or entry.state == "foreign":
            return (Finding("spoilt", entry.problem),)
        if entry.environment not in self._environments:
            self._environments[entry.environment] = self._of_environment(entry.environment, receipt)
        found = self._environments[entry.environment]
        host = self._host(receipt.host_python)
        if isinstance(host, Finding) or any(item.kind == "spoilt" for item in found):
            return found
        return (*check_shell(entry.path, receipt, host, self._runner), *found)

    def _of_environment(self, environment: Path, receipt: Receipt) -> tuple[Finding, ...]:
        """Return the findings of an environment, which several models may share."""
        host = self._host(receipt.host_python)
        if isinstance(host, Finding):
            return (host,)
        found = check_receipt(environment, receipt, host, quick=self._quick)
        if any(item.kind == "spoilt" for item in found):
            return found
        return (*found, *check_objects(receipt, host, self._runner, self._cache / "verdicts", self._prove))

    def _host(self, python: str) -> HostSnapshot | Finding | None:
        """Return the host as it is now; None for an environment that does not see its host."""
        if python and python not in self._hosts:
            self._hosts[python] = self._snapshot(python)
        return self._hosts.get(python)

    def _snapshot(self, python: str) -> HostSnapshot | Finding:
        """Return the host's snapshot, or a finding where its interpreter is gone or does not start."""
        try:
            return take_snapshot(python, runner=self._runner, cache_dir=None, environ=dict(os.environ))
        except CancelledError:
            raise
        except VenvkitError as error:
            return Finding("host-changed", f"{python}: {error.message}")
