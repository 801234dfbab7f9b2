"""`venvkit check [MODEL] [--all]`."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import click
from msgspec import Struct, to_builtins
from msgspec.structs import replace

from venvkit.base.process import Runner
from venvkit.cli.options.request import engine_option, json_option
from venvkit.cli.options.select import select_or_all, store
from venvkit.cli.outcome import Failure, Outcome
from venvkit.cli.page.blocks import Block, Column, Line, table
from venvkit.cli.page.text import counted
from venvkit.cli.signals import cancellable
from venvkit.errors import CancelledError, ProofError, VenvkitError
from venvkit.host.snapshot import HostSnapshot, take_snapshot
from venvkit.proof.check import Finding, check_entry
from venvkit.store.layout import Layout
from venvkit.store.look.inventory import Entry, entries


class Verdict(Struct, frozen=True):
    """What a check says of one environment."""

    model: str
    engine: str
    python: str
    ok: bool
    findings: tuple[Finding, ...]

    @property
    def label(self) -> str:
        return f"{self.model} ({self.engine}, Python {self.python})"


class Verdicts(Struct, frozen=True):
    """The result of `check`."""

    verdicts: tuple[Verdict, ...]

    @property
    def failed(self) -> tuple[Verdict, ...]:
        return tuple(verdict for verdict in self.verdicts if not verdict.ok)

    def data(self) -> object:
        return [to_builtins(verdict) for verdict in self.verdicts]

    def blocks(self) -> Iterator[Block]:
        if not self.verdicts:
            yield Line("there is nothing to check")
        for verdict in self.verdicts:
            if verdict.ok:
                yield Line(f"{verdict.label}: proved", "good")
                continue
            rows = [(finding.kind, finding.message) for finding in verdict.findings]
            title = f"{verdict.label}: {counted(len(rows), 'finding')}"
            yield table(title, (Column("kind", "bad"), Column("what", folds=True)), rows, "bad")


@click.command("check")
@click.argument("model", required=False)
@engine_option
@click.option("--all", "everything", is_flag=True, help="Check every environment of the store.")
@click.option("--repair", "mend", is_flag=True, help="Build anew what is not proved.")
@json_option
def command(model: str | None, engine: str | None, everything: bool, mend: bool) -> Outcome:
    """Prove the environments of MODEL, a name or the path of a spec, again: host, requirements and files."""
    with cancellable() as cancel:
        examiner = _Examiner(cancel)
        layout = store()
        found = select_or_all(layout, model, engine, everything=everything)
        verdicts = [examiner.examine(entry) for entry in found]
        if mend:
            verdicts = [
                verdict if verdict.ok else _mended(layout, entry, verdict, examiner)
                for entry, verdict in zip(found, verdicts, strict=True)
            ]
        result = Verdicts(tuple(verdicts))
    if not result.failed:
        return Outcome(result)
    error = ProofError(
        f"{counted(len(result.failed), 'environment')} of {len(result.verdicts)} not proved",
        where=", ".join(verdict.label for verdict in result.failed),
        remedy="`venvkit check --repair` builds it anew",
    )
    return Outcome(result, Failure.of(error))


def _mended(layout: Layout, entry: Entry, verdict: Verdict, examiner: _Examiner) -> Verdict:
    """Build an environment anew and examine the new one; what stands in the way is one more finding."""
    from venvkit.cli.progress.show import reporting
    from venvkit.launch.repair import repair

    try:
        with reporting(quiet=False) as observer:
            repair(layout, entry, observer)
    except CancelledError:
        raise
    except VenvkitError as error:
        return replace(verdict, findings=(*verdict.findings, Finding("not-repaired", error.message)))
    again = next(item for item in entries(layout) if item.path == entry.path)
    return examiner.examine(again)


class _Examiner:
    """Checks entries, and looks at each host once, as it is now."""

    def __init__(self, cancel: threading.Event) -> None:
        self._cancel = cancel
        self._runner = Runner(cancel=cancel)
        self._hosts: dict[str, HostSnapshot | Finding] = {}

    def examine(self, entry: Entry) -> Verdict:
        """Check one entry.

        Raises:
            CancelledError: The user wants to stop.
        """
        if self._cancel.is_set():
            raise CancelledError("cancelled between two checks")
        findings = self._findings(entry)
        return Verdict(entry.model, entry.engine, entry.python, not findings, findings)

    def _findings(self, entry: Entry) -> tuple[Finding, ...]:
        host_python = entry.receipt.host_python if entry.receipt is not None else ""
        if not host_python:
            return check_entry(entry, None)
        host = self._hosts.get(host_python)
        if host is None:
            host = self._hosts[host_python] = self._look_at(host_python)
        return (host,) if isinstance(host, Finding) else check_entry(entry, host)

    def _look_at(self, python: str) -> HostSnapshot | Finding:
        """Return the host as it is now; one that is gone or does not start any more is a finding."""
        try:
            return take_snapshot(python, runner=self._runner, cache_dir=None, environ=dict(os.environ))
        except CancelledError:
            raise
        except VenvkitError as error:
            return Finding("host-changed", f"{python}: {error.message}")
