"""`python -m tests.bench [CASE...] [--runs N] [--json FILE]`: measure, and print one table."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench import builds, hosts, stores, warm
from tests.bench.cases import Plan, Result, Skipped, measure
from tests.bench.table import render
from tests.bench.world import World, default_work

CASES: dict[str, Callable[[World], Iterator[Plan]]] = {
    "warm": warm.same_process,
    "fresh": warm.fresh_process,
    "command": warm.command,
    "incumbent": warm.incumbent,
    "second": warm.second_model,
    "snapshot": hosts.snapshot,
    "plan": hosts.planning,
    "cold-four": builds.four_wheels,
    "cold-many": builds.many,
    "cold-four-network": builds.four_wheels_network,
    "cold-many-network": builds.many_network,
    "store": stores.large_store,
    "memory": warm.memory,
    "growth-host": hosts.growth_of_hosts,
    "growth-request": hosts.growth_of_requests,
    "growth-store": stores.growth_of_stores,
}


def run(names: list[str], world: World, runs: int) -> tuple[list[Result], dict[str, str], dict[str, str]]:
    """Measure the cases of these names; return the results, and why cases were skipped or failed."""
    results: list[Result] = []
    skipped: dict[str, str] = {}
    failed: dict[str, str] = {}
    for name in names:
        try:
            for plan in CASES[name](world):
                print(f"  {name} ...", file=sys.stderr, flush=True)
                results.append(measure(name, plan, runs))
        except Skipped as reason:
            skipped[name] = str(reason)
        except RuntimeError as error:
            failed[name] = str(error)
    return results, skipped, failed


def document(results: list[Result], skipped: dict[str, str], runs: int) -> dict[str, object]:
    """Return everything that was measured as JSON values."""
    machine = {"system": platform.platform(), "cpus": os.cpu_count(), "python": platform.python_version()}
    return {
        "schema": 1,
        "runs": runs,
        "machine": machine,
        "skipped": skipped,
        "results": [result.document() for result in results],
    }


def main() -> int:
    """Run the bench."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all without any")
    parser.add_argument("--runs", type=int, default=9, help="rounds; the median counts (9)")
    parser.add_argument("--json", type=Path, help="write what was measured to FILE")
    parser.add_argument("--work", type=Path, default=default_work(), help="where hosts, wheels and venvs are kept")
    parser.add_argument("--network", action="store_true", help="run the cases that ask the real index as well")
    parser.add_argument("--incumbent", default=os.environ.get("VENVKIT_BENCH_INCUMBENT", ""), metavar="PYTHON",
                        help="an interpreter that has xinference installed")  # fmt: skip
    given = parser.parse_args()
    if unknown := [name for name in given.cases if name not in CASES]:
        parser.error(f"there is no case {unknown[0]!r}; there are {', '.join(CASES)}")
    world = World(given.work.absolute(), given.network, given.incumbent)
    try:
        results, skipped, failed = run(given.cases or list(CASES), world, given.runs)
    finally:
        world.close()
    print(render(results))
    for name, reason in skipped.items():
        print(f"{name}: skipped: {reason}")
    for name, reason in failed.items():
        print(f"{name}: FAILED: {reason}")
    if given.json:
        given.json.write_text(json.dumps(document(results, skipped, given.runs), indent=1) + "\n", encoding="utf-8")
    return 0 if not failed and all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
