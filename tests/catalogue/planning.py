"""Planning one requirement set through the real planner, timed, and checking the result. Runs in worker processes."""

from __future__ import annotations

import os
import shutil
import time
import traceback
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from tests.catalogue.checker import Report, check, normal
from tests.catalogue.expand import RequirementSet
from tests.catalogue.hosts import Seen, look
from tests.catalogue.metadata import Library
from venvkit import ensure_env
from venvkit.base.process import Completed, Runner
from venvkit.errors import VenvkitError
from venvkit.events import guarded
from venvkit.launch.asked import Call
from venvkit.launch.host import open_services
from venvkit.launch.planning import Planned, plan_reading
from venvkit.launch.reading import read_call
from venvkit.settings import load_settings

Record = dict[str, Any]
_OURS = ("PIP_", "UV_", "VENVKIT_", "XINFERENCE_", "PYTHON", "VIRTUAL_ENV", "CONDA_")
_KEPT = ("UV_CACHE_DIR", "UV_HTTP_TIMEOUT")


@dataclass(frozen=True, slots=True)
class Settings:
    """What every set of a run is planned with.

    Args:
        folder: Where the harness keeps what it reads.
        host_python: The host.
        host: What it sees.
        choices: The choices of `plan_env`, engine aside.
        index_url: The index, None for the installer's own.
        warm: Plan each set twice and take the times of the second.
        uv_config: A configuration file for uv; None lets it read none.
        build_below: Build the sets that download less than so many bytes, and check the real child too.
    """

    folder: Path
    host_python: str
    host: Seen
    choices: dict[str, Any]
    index_url: str | None = None
    warm: bool = False
    uv_config: str | None = None
    build_below: int = 0


@dataclass(slots=True)
class _Worker:
    settings: Settings
    library: Library
    environ: dict[str, str]
    spent: defaultdict[str, float]


_worker: _Worker | None = None


def start(settings: Settings) -> None:
    """Prepare a worker process: this machine's configuration of pip, uv and server must not reach the planner."""
    global _worker
    environ = {name: value for name, value in os.environ.items() if not name.startswith(_OURS) or name in _KEPT}
    environ["PIP_CONFIG_FILE"] = os.devnull
    environ |= {"UV_CONFIG_FILE": settings.uv_config} if settings.uv_config else {"UV_NO_CONFIG": "1"}
    environ["XINFERENCE_HOME"] = str(settings.folder / f"home-{os.getpid()}")
    # uv's cache is this machine's. The planner's own is not: what builds have taught it elsewhere changes plans.
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    environ.setdefault("UV_CACHE_DIR", str(Path(base, "uv")))
    environ["XDG_CACHE_HOME"] = str(settings.folder / "cache")
    if settings.index_url:
        environ["PIP_INDEX_URL"] = settings.index_url
    os.environ.clear()
    os.environ.update(environ)
    _worker = _Worker(settings, Library(settings.folder / "metadata"), environ, defaultdict(float))
    Runner.run = _timed(Runner.run, _worker.spent)  # type: ignore[method-assign]


def plan_one(wanted: RequirementSet) -> Record:
    """Plan and check one set; whatever happens becomes a record."""
    assert _worker is not None
    record: Record = {
        "id": wanted.id,
        "model": wanted.spec.name,
        "engine": wanted.engine,
        "launches": len(wanted.launches),
        "variants": len(wanted.variants),
        "requirements": list(wanted.lines),
    }
    try:
        planned = _plan(wanted, record)
        if _worker.settings.warm:
            planned = _plan(wanted, record)
        record |= _facts(planned) | _checked(planned)
        if record["download"] < _worker.settings.build_below and not record["builds"]:
            record |= _built(wanted, planned)
        return record
    except VenvkitError as error:
        details = [line for line in error.details if line.strip()][:4]
        return record | {"outcome": error.code, "exit": error.exit_code, "error": error.message, "details": details}
    except Exception as error:  # noqa: BLE001 - a crash of the planner is a result
        last = traceback.format_exc().splitlines()[-8:]
        return record | {"outcome": "crash", "exit": 1, "error": repr(error)[:300], "details": last}


def _plan(wanted: RequirementSet, record: Record) -> Planned:
    assert _worker is not None
    _worker.spent.clear()
    choices = {**_worker.settings.choices, "engine": wanted.engine}
    started = time.monotonic()
    try:
        call = Call(wanted.spec, choices, load_settings(_worker.environ), _worker.environ)
        services = open_services(call, guarded(None), None)
        return plan_reading(read_call(call, services), services)
    finally:
        record["wall_s"] = round(time.monotonic() - started, 3)
        record["process_s"] = {kind: round(seconds, 3) for kind, seconds in sorted(_worker.spent.items())}


def _facts(planned: Planned) -> Record:
    plan = planned.plan
    return {
        "outcome": "planned",
        "install": [f"{item.name}=={item.version}" for item in plan.install],
        "inherit": [f"{item.name}=={item.version}" for item in plan.inherit],
        "shadow": [f"{item.name} {item.host_version} -> {item.version}" for item in plan.shadow],
        "held": [f"{item.distribution}: {item.requirement}" for item in plan.held],
        "repaired": [f"{item.name} {item.host_version} -> {item.version}" for item in plan.repaired],
        "relaxed": [str(item.requirement) for item in plan.relaxed],
        "absent": [item.requirement for item in plan.absent],
        "broken": [str(item) for item in plan.broken],
        "hidden": [f"{item.name}=={item.version}: {item.reason}" for item in plan.hidden],
        "server": [f"{item.name}=={item.version}" for item in plan.install if item.name in ("xinference", "xoscar")],
        "variant": [
            f"{item.name} {item.host_version} -> {item.version}"
            for item in plan.shadow
            if item.host_version.partition("+")[2] != item.version.partition("+")[2]
        ],
        "download": plan.download_bytes,
        "unsized": [str(item.name) for item in plan.install if item.description.size is None],
        "builds": [str(item.name) for item in plan.install if item.description.builds],
        "resolves": plan.resolves,
        "no_reason": [str(item.name) for item in (*plan.install, *plan.inherit) if not any(item.reason)],
        "opaque": [str(item.name) for item in plan.install if item.description.requires is None],
    }


def _checked(planned: Planned) -> Record:
    """Check the plan against the files' own metadata, and compare with what the plan itself calls broken."""
    assert _worker is not None
    plan = planned.plan
    urls = {item.name: item.description.url or f"{item.name}=={item.version}" for item in plan.install}
    read = _worker.library.requires(list(urls.values()))
    installed = {str(item.name): (item.version, read[urls[item.name]] or ()) for item in plan.install}
    report = _check(planned, installed, {str(item.name) for item in plan.hidden})
    mine = {normal(owner, line) for owner, line, _ in report.model | report.host}
    theirs = {normal(item.distribution, item.requirement) for item in plan.broken}
    return {
        "model_broken": _lines(report.model),
        "host_broken": _lines(report.host),
        "disagree": [f"only the checker: {owner}: {line}" for owner, line in sorted(mine - theirs)]
        + [f"only the plan: {owner}: {line}" for owner, line in sorted(theirs - mine)],
        "unread": [str(name) for name, url in urls.items() if read[url] is None],
    }


def _check(planned: Planned, installed: dict[str, tuple[str, tuple[str, ...]]], hidden: set[str]) -> Report:
    assert _worker is not None
    levers = planned.reading.request.levers
    return check(
        _worker.settings.host.distributions,
        installed,
        _roots(planned),
        _worker.settings.host.environment,
        overrides=levers.overrides,
        excludes=levers.excludes,
        hidden=hidden,
    )


def _roots(planned: Planned) -> list[tuple[str, str]]:
    """The request's own lines; a wish that was relaxed, and an address with a guessed name, only ask to be there.

    An optional one that the plan says it left out is not asked for at all.
    """
    relaxed = {canonicalize_name(item.requirement.partition("==")[0]) for item in planned.plan.relaxed}
    absent = {item.requirement for item in planned.plan.absent}
    return [
        (item.origin, str(item.name) if item.bare or (item.wish and item.name in relaxed) else str(item))
        for item in planned.reading.request.requirements
        if str(item) not in absent
    ]


def _built(wanted: RequirementSet, planned: Planned) -> Record:
    """Build the environment and check what its interpreter really sees."""
    assert _worker is not None
    choices = {**_worker.settings.choices, "engine": wanted.engine}
    try:
        env = ensure_env(wanted.spec, enable=True, **choices)
        host = _worker.settings.host.distributions
        seen = look(env.python).distributions
        own = {name: item for name, item in seen.items() if host.get(name) != item}
        report = _check(planned, own, host.keys() - seen.keys())
        found = {f"{name}=={version}" for name, (version, _) in seen.items()}
        missing = [f"not in the child: {item.name}=={item.version}" for item in planned.plan.install
                   if f"{item.name}=={item.version}" not in found]  # fmt: skip
        return {"child": "built", "child_broken": _lines(report.model | report.host) + missing}
    except VenvkitError as error:
        return {"child": error.code, "child_broken": [error.message, *error.details[:3]]}
    finally:
        shutil.rmtree(_worker.environ["XINFERENCE_HOME"], ignore_errors=True)


def _lines(findings: set[tuple[str, str, str]]) -> list[str]:
    return sorted(f"{owner} requires {line}, found {found}" for owner, line, found in findings)


def _timed(run: Callable[..., Completed], spent: defaultdict[str, float]) -> Callable[..., Completed]:
    """Wrap the one runner of child processes, so that their time is known by what they do."""

    def timed(self: Runner, argv: Any, **options: Any) -> Completed:
        kind = next((name for flag, name in _KINDS.items() if flag in argv), "other")
        started = time.monotonic()
        try:
            return run(self, argv, **options)
        finally:
            spent[kind] += time.monotonic() - started

    return timed


_KINDS = {"--dry-run": "dry-run", "compile": "lock", "venv": "mirror", "--version": "version", "install": "install"}
