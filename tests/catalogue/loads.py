"""`python -m tests.catalogue.loads`: build sets of the catalogue, and import what they asked for in the environments.

What was sealed without a finding has to import; what does not import has to have a finding that says why. The imports
and the verdict share no code with the proofs that they judge.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.catalogue.expand import RequirementSet, expand
from tests.catalogue.hosts import EXCLUDE_NEWER, cache_folder, find_links, get_catalogue, get_host, index_url, look
from tests.catalogue.imports import explained, import_modules, modules_of
from tests.catalogue.planning import Settings, start
from venvkit import ensure_env, plan_env
from venvkit.base.digest import digest
from venvkit.errors import VenvkitError
from venvkit.events import Event, Warned
from venvkit.formats.receipt import read_receipt
from venvkit.launch.handle import Environment
from venvkit.launch.planning import Planned

Record = dict[str, Any]
# What the server's process itself imports; the last one holds the actor that runs a model.
RUNTIME = ("xinference", "xoscar", "ray")
RUNTIME_MODULES = ("xinference.core.model",)
# Warnings about the machine or the call, not about the environment.
_NOT_FINDINGS = frozenset(("index-unreachable", "metadata-unread", "option-ignored", "relaxed", "older-for-wheel"))
# Refusals by a proof: the finding is the error.
_PROOFS = frozenset(
    ("child-broken", "hook-missing", "import-failed", "install-differs", "proof-failed", "shadow-hidden")
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the harness and return its exit status: 0 when every failed import has a finding that says why."""
    options = _options(argv)
    results = Path(options.results or cache_folder() / f"loads-{digest([options.host, options.seed])[:12]}.jsonl")
    done = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    if not options.report:
        results.parent.mkdir(parents=True, exist_ok=True)
        with results.open("a", encoding="utf-8") as out:
            for record in _run(options, {record["id"]: record for record in done}):
                done.append(record)
                out.write(json.dumps(record) + "\n")
                out.flush()
                print(_progress(record), file=sys.stderr, flush=True)
    print("\n".join(render(done)))
    return 1 if any(record["faults"] for record in done) else 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.catalogue.loads", description=__doc__)
    parser.add_argument("--catalogue", metavar="DIR", help="an unpacked wheel of the catalogue, in place of a download")
    parser.add_argument("--host", metavar="PYTHON", help="a ready host, in place of one that is built")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="draws the sets")
    parser.add_argument("--count", type=int, default=25, metavar="N", help="sets to build")
    parser.add_argument("--only", action="append", metavar="ID", help="build only these sets")
    parser.add_argument("--max-download", type=float, default=600, metavar="MB", help="of one set")
    parser.add_argument("--prove", metavar="HOW", help="the proofs of a build, in place of the default")
    parser.add_argument("--exclude-newer", default=EXCLUDE_NEWER, metavar="TIME")
    parser.add_argument("--uv-config", metavar="FILE", help="a configuration file for uv, in place of none")
    parser.add_argument("--results", metavar="FILE", help="where results are appended and read again")
    parser.add_argument("--report", action="store_true", help="build nothing, print the table of what is there")
    return parser.parse_args(argv)


def _run(options: argparse.Namespace, done: dict[str, Record]) -> Iterator[Record]:
    """Yield the record of each set that is drawn and not done, until enough are built or refused."""
    host_python = get_host(options.host)
    host = look(host_python)
    choices = {
        "host_python": host_python,
        "find_links": find_links(),
        "accelerator": "none",
        "exclude_newer": options.exclude_newer,
    }
    start(Settings(cache_folder(), host_python, host, choices, index_url(), uv_config=options.uv_config))
    if options.prove:
        os.environ["VENVKIT_PROVE"] = options.prove
    runtime = tuple(name for name in RUNTIME if name in host.distributions)
    drawn = sorted(expand(get_catalogue(options.catalogue), host).linux, key=lambda one: one.id)
    random.Random(options.seed).shuffle(drawn)
    number = sum(record["counts"] for record in done.values())
    for one in drawn:
        if (number >= options.count and not options.only) or (options.only and one.id not in options.only):
            continue
        if one.id not in done:
            record = _try_set(one, choices, runtime, most=int(options.max_download * 1e6))
            number += record["counts"]
            yield record


def _try_set(wanted: RequirementSet, choices: dict[str, Any], runtime: Sequence[str], *, most: int) -> Record:
    """Plan one set and, where it is small enough, build it in a home of its own and import what it asked for."""
    record: Record = {
        "id": wanted.id, "model": wanted.spec.name, "engine": wanted.engine, "requirements": list(wanted.lines),
        "counts": False, "download": 0, "findings": [], "imports": {}, "faults": [], "unfound": [],
    }  # fmt: skip
    told: list[Event] = []

    def note(event: Event) -> None:
        told.append(event)

    choices = {**choices, "engine": wanted.engine}
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="loads-") as home:
        os.environ["XINFERENCE_HOME"] = home
        try:
            planned = plan_env(wanted.spec, observer=note, **choices)
            record["download"] = planned.plan.download_bytes
            if planned.plan.download_bytes > most:
                return record | {"outcome": "large"}
            record["counts"] = True
            with ensure_env(wanted.spec, enable=True, observer=note, **choices) as env:
                record |= _imported(env, planned, runtime, told)
        except VenvkitError as error:
            is_proof = error.code in _PROOFS
            record |= {"outcome": error.code, "error": error.message, "counts": is_proof or record["counts"]}
            record["findings"] = [error.message, *error.details[:6]]
        finally:
            for path in Path(home).iterdir():
                shutil.rmtree(path, ignore_errors=True)
    return record | {"seconds": round(time.monotonic() - started, 1)}


def _imported(env: Environment, planned: Planned, runtime: Sequence[str], told: Sequence[Event]) -> Record:
    """Import every requested distribution and the runtime in an environment, and judge what does not import."""
    receipt = read_receipt(env.path)
    assert receipt is not None
    warned = [item for item in told if isinstance(item, Warned) and item.code not in _NOT_FINDINGS]
    findings = dict.fromkeys(item.message for item in warned)
    findings |= dict.fromkeys(f"hidden: {item.name}=={item.version}: {item.reason}" for item in receipt.hidden)
    findings |= dict.fromkeys(map(str, receipt.conflicts))
    absent = {_name(item.requirement) for item in planned.plan.absent}
    requested = [str(item.name) for item in planned.reading.request.requirements if str(item.name) not in absent]
    modules = modules_of(str(env.python), env.environ(), [*requested, *runtime])
    if "xinference" in runtime:
        modules["xinference"] = [*(modules["xinference"] or ()), *RUNTIME_MODULES]
    results = import_modules(str(env.python), env.environ(), modules)
    failed = {name: found for name, found in results.items() if found}
    known = {str(item.name) for group in (planned.plan.install, planned.plan.inherit) for item in group} | {
        str(item.name) for item in receipt.hidden
    }
    return {
        "outcome": "sealed",
        "findings": list(findings),
        "requested": requested,
        "unfound": [name for name, found in modules.items() if found is None],
        "imports": {name: found or "" for name, found in results.items()},
        "faults": [
            f"{name}: {found.splitlines()[-1]}"
            for name, found in failed.items()
            if not explained(name.partition(" ")[0], found, tuple(findings), known)
        ],
    }


def _name(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()


def _progress(record: Record) -> str:
    failed = [name for name, error in record["imports"].items() if error]
    head = f"{record['id']} {record['model']}/{record['engine'] or '-'}: {record['outcome']}"
    facts = f"{record['download'] / 1e6:.0f} MB, {record.get('seconds', 0)} s, {len(record['findings'])} findings"
    return "\n  ".join([f"{head}, {facts}, {len(record['imports'])} modules, {len(failed)} fail", *record["faults"]])


def render(records: Sequence[Record]) -> list[str]:
    """Return the table, and below it each refusal, each import that failed and each fault."""
    tried = [record for record in records if record["counts"]]
    sealed = [record for record in tried if record["outcome"] == "sealed"]
    quiet = [record for record in sealed if not record["findings"]]
    noted = [record for record in sealed if record["findings"]]
    refused = [record for record in tried if record["outcome"] in _PROOFS]
    other = [record for record in tried if record["outcome"] != "sealed" and record["outcome"] not in _PROOFS]
    rows: list[tuple[str, object]] = [
        ("sets built or refused", len(tried)),
        ("sealed without a finding / of these all import", f"{len(quiet)} / {_whole(quiet)}"),
        ("sealed with a finding / of these all import", f"{len(noted)} / {_whole(noted)}"),
        ("refused by a proof", len(refused)),
        ("not built for another reason", len(other)),
        ("requested distributions", sum(len(record["requested"]) for record in sealed)),
        ("modules imported / failed", "{} / {}".format(
            sum(not error for record in sealed for error in record["imports"].values()),
            sum(bool(error) for record in sealed for error in record["imports"].values()))),
        ("failed without a finding that says why", sum(len(record["faults"]) for record in sealed)),
        ("download, GB", f"{sum(record['download'] for record in tried) / 1e9:.1f}"),
    ]  # fmt: skip
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {value}" for name, value in rows]
    for record in (*refused, *other):
        lines += ["", f"{record['id']} {record['model']}: {record['outcome']}: {record['error']}"]
        lines += [f"    {line[:300]}" for line in record["findings"][1:5]]
    for record in sealed:
        failed = {name: error for name, error in record["imports"].items() if error}
        if failed or record["unfound"]:
            lines += ["", f"{record['id']} {record['model']}: not there: {', '.join(record['unfound']) or 'none'}"]
            lines += [f"    {name}: {error.splitlines()[-1][:240]}" for name, error in failed.items()]
            lines += [f"    finding: {line[:300]}" for line in record["findings"]]
            lines += [f"    FAULT {line[:300]}" for line in record["faults"]]
    return lines


def _whole(records: Sequence[Record]) -> int:
    return sum(not any(record["imports"].values()) for record in records)


if __name__ == "__main__":
    sys.exit(main())
