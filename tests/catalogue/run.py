"""`python -m tests.catalogue.run`: plan every distinct requirement set of the catalogue, or a sample of them."""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tests.catalogue.expand import Catalogue, RequirementSet, expand
from tests.catalogue.hosts import EXCLUDE_NEWER, cache_folder, find_links, get_catalogue, get_host, index_url, look
from tests.catalogue.planning import Record, Settings, plan_one, start
from tests.catalogue.report import render
from venvkit.base.digest import digest
from venvkit.settings.variables import ORPHANS


def main(argv: Sequence[str] | None = None) -> int:
    """Run the harness and return its exit status: 0 when every set of the selection has a result."""
    options = _options(argv)
    host_python = get_host(options.host)
    host = look(host_python)
    catalogue = expand(get_catalogue(options.catalogue), host)
    _say(
        f"{catalogue.specs} specs, {catalogue.launches} launches, {len(catalogue.sets)} distinct sets, "
        f"{len(catalogue.linux)} of them for Linux, "
        f"{sum(len(one.variants) for one in catalogue.linux)} with sources and levers told apart"
    )
    selection = _select(catalogue, options)
    choices = _choices(options, host_python)
    run = digest([sorted(host.distributions.items()), {name: str(value) for name, value in choices.items()}])[:12]
    results = Path(options.results or cache_folder() / f"results-{run}.jsonl")
    settings = Settings(
        folder=cache_folder(),
        host_python=host_python,
        host=host,
        choices=choices,
        index_url=index_url(),
        warm=options.warm,
        uv_config=options.uv_config,
        build_below=int(options.build_below * 1e6),
    )
    done = {} if options.fresh else _read(results, run)
    if not options.report:
        todo = [one for one in selection if one.id not in done]
        done |= _plan_all(todo, settings, results, run=run, workers=options.workers)
    records = [done[one.id] for one in selection if one.id in done]
    print(render(records, len(selection)))
    _say(f"results: {results}")
    return 0 if len(records) == len(selection) else 1


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.catalogue.run", description=__doc__)
    parser.add_argument("--catalogue", metavar="DIR", help="an unpacked wheel of the catalogue, in place of a download")
    parser.add_argument("--host", metavar="PYTHON", help="a ready host, in place of one that is built")
    parser.add_argument("--find-links", metavar="DIR", action="append", help="in place of pip's configured folders")
    parser.add_argument("--exclude-newer", default=EXCLUDE_NEWER, metavar="TIME")
    parser.add_argument("--sample", type=int, metavar="N", help="plan only so many sets, drawn by --seed")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument("--only", action="append", metavar="MODEL", help="plan only the sets of this model, or set id")
    parser.add_argument("--protect", default="", metavar="NAMES", help="protected distributions, by commas")
    parser.add_argument("--orphans", choices=ORPHANS)
    parser.add_argument("--no-skip-installed", action="store_true", help="inherit nothing")
    parser.add_argument("--warm", action="store_true", help="plan each set twice, take the times of the second")
    parser.add_argument("--uv-config", metavar="FILE", help="a configuration file for uv, in place of none")
    parser.add_argument("--build-below", type=float, default=0, metavar="MB", help="also build sets that download less")
    parser.add_argument("--workers", type=int, default=2, metavar="N")
    parser.add_argument("--results", metavar="FILE", help="where results are appended and read again")
    parser.add_argument("--fresh", action="store_true", help="pass over results that are there")
    parser.add_argument("--report", action="store_true", help="plan nothing, print the table of what is there")
    return parser.parse_args(argv)


def _choices(options: argparse.Namespace, host_python: str) -> dict[str, Any]:
    chosen: dict[str, Any] = {
        "host_python": host_python,
        "find_links": tuple(options.find_links) if options.find_links is not None else find_links(),
        "accelerator": "none",
        "exclude_newer": options.exclude_newer,
    }
    if options.protect:
        chosen["protect"] = tuple(options.protect.split(","))
    if options.orphans:
        chosen["orphans"] = options.orphans
    if options.no_skip_installed:
        chosen["skip_installed"] = False
    return chosen


def _select(catalogue: Catalogue, options: argparse.Namespace) -> list[RequirementSet]:
    chosen = list(catalogue.linux)
    if options.only:
        wanted = {name.lower() for name in options.only}
        chosen = [
            one for one in chosen if one.id in wanted or any(model.lower() in wanted for model, _ in one.launches)
        ]
    if options.sample is not None and options.sample < len(chosen):
        chosen = random.Random(options.seed).sample(sorted(chosen, key=lambda one: one.id), options.sample)
    return chosen


def _read(results: Path, run: str) -> dict[str, Record]:
    """Return the results of earlier runs with the same host and choices; the last line may be half written."""
    found: dict[str, Record] = {}
    for line in results.read_text(encoding="utf-8").splitlines() if results.exists() else ():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if record.get("run") == run:
            found[record["id"]] = record
    return found


def _plan_all(
    todo: Sequence[RequirementSet], settings: Settings, results: Path, *, run: str, workers: int
) -> dict[str, Record]:
    done: dict[str, Record] = {}
    started = time.monotonic()
    results.parent.mkdir(parents=True, exist_ok=True)
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=start, initargs=(settings,))
    with results.open("a", encoding="utf-8") as out, pool:
        futures = [pool.submit(plan_one, one) for one in todo]
        for future in as_completed(futures):
            record = {**future.result(), "run": run}
            out.write(json.dumps(record) + "\n")
            out.flush()
            done[record["id"]] = record
            _say(_progress(record, len(done), len(todo), time.monotonic() - started))
    return done


def _progress(record: Record, number: int, whole: int, seconds: float) -> str:
    head = f"[{number}/{whole} {seconds:.0f}s] {record['id']} {record['model']}/{record['engine'] or '-'}: "
    if record["outcome"] != "planned":
        return f"{head}{record['outcome']} in {record.get('wall_s', 0)} s: {record['error'][:100]}"
    counts = " ".join(
        f"{key} {len(record[key])}"
        for key in ("install", "inherit", "repaired", "relaxed", "broken", "host_broken", "disagree", "no_reason")
        if record[key]
    )
    return f"{head}{counts}, {record['download'] / 1e6:.0f} MB, {record['resolves']} resolves, {record['wall_s']} s"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
