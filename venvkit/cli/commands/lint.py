"""`venvkit lint SPEC...`."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import click
from msgspec import Struct
from msgspec.structs import replace

from venvkit.base.process import Runner
from venvkit.cli.options.request import json_option, quiet_option
from venvkit.cli.outcome import Failure, Outcome
from venvkit.cli.page.blocks import Block, Fields, Line
from venvkit.cli.page.text import counted
from venvkit.cli.progress.show import reporting
from venvkit.cli.signals import cancellable
from venvkit.errors import MachineError, UsageError
from venvkit.events import Observer
from venvkit.host.probe import find_host_python, probe
from venvkit.lint.check import Checked, lint
from venvkit.lint.check import Releases as Asking
from venvkit.lint.findings import Finding, strict
from venvkit.lint.releases import NotAsked, Releases
from venvkit.settings import Settings, load_settings
from venvkit.spec.configuration.pip import read_pip_config
from venvkit.spec.data import engine_files
from venvkit.spec.engines import load_engines
from venvkit.tools.uv.client import find_uv


class Findings(Struct, frozen=True):
    """The result of `lint`."""

    checked: Checked

    @property
    def errors(self) -> int:
        return sum(one.severity == "error" for one in self.checked.findings)

    @property
    def warnings(self) -> int:
        return len(self.checked.findings) - self.errors

    @property
    def count(self) -> str:
        """How many there are, in words."""
        if not self.checked.findings:
            return f"{counted(self.checked.specs, 'spec')}, no findings"
        kinds = f"{counted(self.errors, 'error')}, {counted(self.warnings, 'warning')}"
        return f"{counted(self.checked.specs, 'spec')}: {kinds}"

    def data(self) -> object:
        found = [_data(one) for one in self.checked.findings]
        return {"specs": self.checked.specs, "errors": self.errors, "warnings": self.warnings, "findings": found}

    def blocks(self) -> Iterator[Block]:
        for one in self.checked.findings:
            yield Fields((("remedy", one.remedy),), title=f"{one.spot}: {one.severity}[{one.code}]: {one.what}")
        yield Line(self.count, "bad" if self.errors else "warn" if self.warnings else "good")


def _data(one: Finding) -> dict[str, object]:
    spot = one.spot
    where = {"file": spot.file, "index": spot.index, "place": spot.place, "line": spot.line}
    return {"code": one.code, "severity": one.severity, **where, "what": one.what, "remedy": one.remedy}


def _names(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> frozenset[str]:
    for name in value:
        if "=" in name or not name.strip("#"):
            raise click.BadParameter(f"{name!r} is not the name of a variable; its value does not matter", ctx, param)
    return frozenset(name.strip("#") for name in value)


@click.command("lint")
@click.argument("specs", metavar="SPEC...", nargs=-1, required=True)
@click.option("--offline", is_flag=True, help="Do not ask the indexes whether there are releases.")
@click.option("--strict", "strictly", is_flag=True, help="Take warnings for errors.")
@click.option(
    "--var",
    "variables",
    metavar="NAME",
    multiple=True,
    callback=_names,
    help="Name a variable that launches pass. Repeatable.",
)
@quiet_option
@json_option
def command(specs: tuple[str, ...], offline: bool, strictly: bool, variables: frozenset[str], quiet: bool) -> Outcome:
    """Look over specs: files of them, and folders with all that lies below."""
    settings = load_settings()
    engines = load_engines(file.path for file in engine_files(settings))
    with cancellable() as cancel, reporting(quiet=quiet) as observer:
        releases = None if offline else _releases(settings, observer, cancel)
        # What the hub is called is the one variable that every launch has.
        checked = lint(specs, engines=engines, variables={"model_src", *variables}, releases=releases)
    if strictly:
        checked = replace(checked, findings=strict(checked.findings))
    result = Findings(checked)
    if not result.errors:
        return Outcome(result)
    faulty = dict.fromkeys(one.spot.document for one in checked.findings if one.severity == "error")
    first = ", ".join(list(faulty)[:3])
    error = UsageError(
        result.count,
        code="lint-failed",
        where=f"{first} and {len(faulty) - 3} more" if len(faulty) > 3 else first,
        remedy="correct what is named",
    )
    return Outcome(result, Failure.of(error))


def _releases(settings: Settings, observer: Observer, cancel: threading.Event) -> Asking:
    runner, environ = Runner(cancel=cancel, timeout=settings.timeout), dict(os.environ)
    try:
        uv = find_uv(runner, environ, attempts=1)
    except MachineError as error:
        return NotAsked(error.message)
    host = find_host_python(None, settings.host_python)
    prefix = probe(host, runner, environ=environ).prefix
    pip = read_pip_config(environ, prefix=prefix).sources(environ)
    return Releases(uv, pip, settings.exclude_newer, observer)
