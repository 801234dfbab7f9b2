"""`venvkit gc`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import click
from msgspec import Struct

from venvkit.cli.options.request import json_option
from venvkit.cli.options.select import store
from venvkit.cli.outcome import Failure, Outcome
from venvkit.cli.page.blocks import Block, Column, Line, table
from venvkit.cli.page.text import counted, size
from venvkit.errors import BusyError
from venvkit.settings import load_settings
from venvkit.settings.kinds import BYTES
from venvkit.store.collect.gc import Report, Wish, collect
from venvkit.store.layout import Layout

_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class Collection(Struct, frozen=True):
    """The result of `gc`."""

    report: Report
    dry_run: bool
    cache: str | None

    def data(self) -> object:
        return {
            "dry_run": self.dry_run,
            "removed": [{"kind": item.kind, "path": str(item.path), "why": item.why} for item in self.report.removed],
            "left": [{"path": str(item.path), "why": item.why, "pids": list(item.pids)} for item in self.report.left],
            "freed": self.report.freed,
            "size": self.report.size,
            "cache": self.cache,
        }

    def blocks(self) -> Iterator[Block]:
        columns = (Column("what"), Column("path", folds=True), Column("why", "quiet", folds=True))
        if self.report.removed:
            verb = "would go" if self.dry_run else "removed"
            rows = [(item.kind, str(item.path), item.why) for item in self.report.removed]
            yield table(f"{counted(len(rows), 'thing')} {verb}", columns, rows)
        if self.report.left:
            stay = [("left", str(item.path), _why(item.why, item.pids)) for item in self.report.left]
            yield table(f"{counted(len(stay), 'thing')} left alone", columns, stay)
        if self.cache:
            yield Line(self.cache)
        what = "would be freed" if self.dry_run else "freed"
        yield Line(f"{size(self.report.freed)} {what}, {size(self.report.size)} in environments")


def _why(why: str, pids: tuple[int, ...]) -> str:
    return f"{why} by pid {', '.join(map(str, pids))}" if pids else why


def _age(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([mhdw])", value.strip().lower())
    if match is None:
        raise click.BadParameter(f"{value!r} is no age such as 30d, 12h or 2w")
    return float(match[1]) * _SECONDS[match[2]]


def _size(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    try:
        return int(BYTES.parse(value.strip()))  # type: ignore[arg-type]  # its parse gives a whole number
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no size; accepted: {BYTES.accepts}") from error


@click.command("gc")
@click.option("--older-than", metavar="AGE", callback=_age, help="Also drop models not used for that long: 30d, 12h.")
@click.option("--max-size", metavar="SIZE", callback=_size, help="Also drop the least recently used, down to 50GB.")
@click.option("--keep-last", type=click.IntRange(1), metavar="N", help="Keep N environments of each model, at least 1.")
@click.option("--keep", multiple=True, metavar="NAME", help="Keep a model, a shell or an environment. Repeatable.")
@click.option("--cache", "prune", is_flag=True, help="Prune uv's cache too.")
@click.option("--foreign", is_flag=True, help="Delete what was moved aside because it was not venvkit's.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@json_option
def command(prune: bool, keep: tuple[str, ...], **asked: Any) -> Outcome:
    """Remove the environments that no model wants, and what dead processes left; what is in use stays."""
    layout = store()
    wish = Wish(keep=keep, **asked)
    report = collect(layout, wish)
    cache = _prune(layout) if prune and not wish.dry_run else None
    if not wish.dry_run:
        layout.prune_empty()
    busy = [item for item in report.left if item.pids]
    result = Collection(report, wish.dry_run, cache)
    if wish.max_size is None or report.size <= wish.max_size or not busy:
        return Outcome(result)
    error = BusyError(
        f"{size(report.size)} remain, more than asked for, and {counted(len(busy), 'environment')} in use",
        code="in-use",
        details=tuple(f"{item.path}: pid {', '.join(map(str, item.pids))}" for item in busy),
        remedy="end those processes first",
    )
    return Outcome(result, Failure.of(error))


def _prune(layout: Layout) -> str:
    from venvkit.base.process import Runner
    from venvkit.store.disk.space import near_cache
    from venvkit.tools.uv.client import failure, find_uv

    settings = load_settings()
    uv, _ = near_cache(find_uv(Runner(timeout=settings.timeout), dict(os.environ)), layout)
    done = uv.run(["cache", "prune"])
    if done.status != 0:
        raise failure(done)
    return done.tail(1)[0] if done.tail(1) else "the cache was pruned"
