"""The check whether the sources have the releases that specs require."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

from msgspec import Struct

from venvkit.base.mask import mask
from venvkit.base.process import Runner
from venvkit.errors import MachineError
from venvkit.events import Observer, PhaseStarted, ignore
from venvkit.host.probe import find_host_python, probe
from venvkit.lint.check import Releases as Asking
from venvkit.lint.findings import Finding, Spot, finding
from venvkit.lint.registry import Registry
from venvkit.lint.subjects import Subject
from venvkit.lint.wanted import Wanted, wanted_releases
from venvkit.lint.worlds import Worlds
from venvkit.settings import Settings
from venvkit.spec.configuration.pip import read_pip_config
from venvkit.spec.configuration.sources import Sources
from venvkit.spec.configuration.statements import Statement
from venvkit.tools.uv.client import Uv, find_uv

_Key = TypeVar("_Key", bound=Hashable)


class Releases(Struct, frozen=True):
    """Finds requirements that no source has a release for.

    Args:
        pip: The sources of pip's configuration.
        exclude_newer: The limit in force where a spec sets none.
        observer: Told that the sources are asked.
    """

    uv: Uv
    pip: Sources = Sources()
    exclude_newer: str | None = None
    observer: Observer = ignore

    def __call__(self, subjects: Sequence[Subject], worlds: Worlds, void: Collection[Spot]) -> Iterator[Finding]:
        """Yield the missing releases, and the sources that could not be asked; the lines in `void` ask for nothing.

        Raises:
            CancelledError: The caller wants to stop.
        """
        wanted = list(wanted_releases(subjects, worlds, void=void, pip=self.pip, exclude_newer=self.exclude_newer))
        if wanted:
            count = len({one.text for one in wanted})
            self.observer(PhaseStarted("describe", f"{count} requirement{'' if count == 1 else 's'}"))
        registry = Registry(self.uv)
        unanswered: dict[str, list[Wanted]] = {}
        for one, why, lost in self._missing(wanted, registry):
            if lost:
                unanswered.setdefault(lost, []).append(one)
            else:
                yield _missing(one, why)
        for lost, several in unanswered.items():
            yield _not_checked(several, lost)

    def _missing(self, wanted: Iterable[Wanted], registry: Registry) -> Iterator[tuple[Wanted, str, str]]:
        """Yield each missing release, uv's reason, and the sources that did not answer (empty where all did)."""
        for (sources, levers), group in _grouped(wanted, lambda one: (one.sources, one.levers)):
            first = registry.missing((one.text for one in group), sources, levers)
            rest = [one for one in group if one.text in first.missing]
            # Asked in a second step: most is on the usual index, and the others are slow or far away.
            for further, several in _grouped(rest, lambda one: one.further):
                answer = first
                if further and not first.failed:
                    more = sources.adding(Statement("extra-index", url, "engine") for url in further)
                    answer = registry.missing((one.text for one in several), more, levers)
                for one in several:
                    if one.text in answer.missing:
                        yield one, answer.missing[one.text], answer.lost


def _grouped(wanted: Iterable[Wanted], key: Callable[[Wanted], _Key]) -> list[tuple[_Key, list[Wanted]]]:
    groups: dict[_Key, list[Wanted]] = {}
    for one in wanted:
        groups.setdefault(key(one), []).append(one)
    return list(groups.items())


def unasked(why: str, subjects: Sequence[Subject], worlds: Worlds, void: Collection[Spot]) -> Iterator[Finding]:
    """Yield the one finding of a machine without uv, if there is anything to ask."""
    wanted = list(wanted_releases(subjects, worlds, void=void))
    if wanted:
        yield _not_checked(wanted, why)


def _missing(one: Wanted, why: str) -> Finding:
    what = f"no source has a release for `{one.text}`{f': {why}' if why else ''}"
    remedy = "correct the name or the version, or name the index that has it"
    # What is optional is left out of a plan.
    return finding("release-missing", one.spot, what, remedy, severity="warning" if one.optional else None)


def _not_checked(wanted: Sequence[Wanted], why: str) -> Finding:
    texts = list(dict.fromkeys(one.text for one in wanted))
    shown = ", ".join(f"`{text}`" for text in texts[:3])
    more = f" and {len(texts) - 3} more" if len(texts) > 3 else ""
    what = f"could not be looked for everywhere: {shown}{more} ({mask(why)})"
    return finding("not-checked", wanted[0].spot, what, "make the sources reachable, or leave them out with --offline")


def open_releases(settings: Settings, observer: Observer, cancel: threading.Event) -> Asking:
    """Return the check whether the indexes have a release, with uv and pip's configuration as they are here."""
    runner, environ = Runner(cancel=cancel, timeout=settings.timeout), dict(os.environ)
    try:
        uv = find_uv(runner, environ, attempts=1)
    except MachineError as error:
        return functools.partial(unasked, error.message)
    host = find_host_python(None, settings.host_python)
    prefix = probe(host, runner, environ=environ).prefix
    pip = read_pip_config(environ, prefix=prefix).sources
    return Releases(uv, pip, settings.exclude_newer, observer)
