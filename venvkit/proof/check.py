"""Proving an environment again, against the host as it is now and the files as they are now."""

from __future__ import annotations

import base64
import csv
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from venvkit.base.files import exists
from venvkit.base.process import Runner
from venvkit.errors import CancelledError, VenvkitError
from venvkit.formats.finding import Finding
from venvkit.formats.receipt import Receipt
from venvkit.host.contents import files
from venvkit.host.distribution import Distribution, scan
from venvkit.host.snapshot import HostSnapshot
from venvkit.plan.families import NO_FAMILIES
from venvkit.plan.members import members
from venvkit.plan.orphans import requirements_of
from venvkit.plan.view import Rules
from venvkit.proof import findings
from venvkit.proof.fit import Fit, fit_of_view
from venvkit.proof.imports import failed_imports
from venvkit.proof.integrity import fault
from venvkit.proof.metadata import violations
from venvkit.proof.processes import proof_environ
from venvkit.proof.shell import intruders, prove_shell


def check_receipt(
    environment: Path, receipt: Receipt, host: HostSnapshot | None, *, quick: bool = False
) -> tuple[Finding, ...]:
    """Return what is found in metadata and files; nothing is started.

    Args:
        host: The host as it is now; None for an environment that does not see its host.
        quick: Compare sizes in place of digests.
    """
    damage = fault(environment, receipt)
    if damage is not None:
        return (Finding("spoilt", damage), *_changed_files(receipt, quick=quick))
    return (*_host_changes(receipt, host), *_violations(receipt, host), *_changed_files(receipt, quick=quick))


def check_objects(
    receipt: Receipt, host: HostSnapshot | None, runner: Runner, cache: Path | None, prove: str
) -> tuple[Finding, ...]:
    """Return what is found in shared objects, and by the imports that the build made.

    Args:
        host: The host as it is now; None for an environment that does not see its host.
        runner: Its time limit is that of each import.
        cache: Where verdicts on shared objects are kept.
        prove: How far it is proved; of `metadata` alone shared objects are no part.
    """
    imports = failed_imports(Path(receipt.python), receipt.imports, runner, environ=proof_environ(receipt.libraries))
    fit = _fit(receipt, host, runner, cache) if prove != "metadata" else Fit()
    told = (*map(findings.unfit, fit.unfit), *map(findings.lack, fit.lacks), *map(findings.failed_import, imports))
    # What a build told and did not refuse is no news.
    known = {(item.kind, item.distribution): item for item in receipt.findings}
    return tuple(known.get((item.kind, item.distribution), item) for item in told)


def check_shell(shell: Path, receipt: Receipt, host: HostSnapshot | None, runner: Runner) -> tuple[Finding, ...]:
    """Return what is found in a shell and when its interpreter is started: whether imports take what the receipt says.

    Args:
        shell: The shell through which models are started.
        host: The host as it is now; None for an environment that does not see its host.
        runner: Its time limit is that of the start.
    """
    if others := intruders(shell, receipt):
        return (findings.changed_shell(tuple(f"{item.name}=={item.version}" for item in others)),)
    relied = (host.find(item.name) for item in receipt.relied) if host is not None else ()
    try:
        prove_shell(shell, receipt, runner, filter(None, relied))
    except CancelledError:
        raise
    except VenvkitError as error:
        return (findings.failed_start(error),)
    return ()


def _fit(receipt: Receipt, host: HostSnapshot | None, runner: Runner, cache: Path | None) -> Fit:
    installed = scan([receipt.site_packages])[0]
    gone = {item.name for item in installed} | {item.name for item in receipt.hidden}
    behind = host.distributions if host is not None else ()
    return fit_of_view(
        [*installed, *(item for item in behind if item.name not in gone)],
        {item.name for item in installed},
        Path(receipt.python),
        runner,
        folders=receipt.libraries,
        environ=proof_environ(receipt.libraries),
        cache=cache,
    )


def _host_changes(receipt: Receipt, host: HostSnapshot | None) -> Iterator[Finding]:
    for item in receipt.relied:
        found = host.find(item.name) if host is not None else None
        if found is None:
            message = f"{item.name}=={item.version} is gone from the host"
            yield Finding("host-changed", message, f"{item.name}=={item.version}", item.version, "none")
        elif found.version != item.version:
            message = f"{item.name} of the host went from {item.version} to {found.version}"
            yield Finding("host-changed", message, f"{item.name}=={item.version}", item.version, found.version)


def _violations(receipt: Receipt, host: HostSnapshot | None) -> Iterator[Finding]:
    environment: Mapping[str, str] = dict(host.interpreter.environment) if host is not None else {}
    installed, _ = scan([receipt.site_packages])
    behind = members(host.distributions, inherited=True) if host is not None and receipt.host_python else {}
    found = violations(
        requirements_of(behind, environment, NO_FAMILIES),
        members(installed, inherited=False),
        [*receipt.roots, *receipt.repaired_roots],
        Rules.of(environment, receipt.overrides, receipt.excludes),
        {item.name for item in receipt.hidden},
    )
    for item in found:
        if item not in receipt.plan.broken:
            yield findings.violation(item)


def changed_distributions(receipt: Receipt) -> tuple[str, ...]:
    """Return the names of the installed distributions of which a file is not as it was."""
    installed, _ = scan([receipt.site_packages])
    return tuple(str(item.name) for item in installed if next(_compare(item, quick=False), None) is not None)


def _changed_files(receipt: Receipt, *, quick: bool) -> Iterator[Finding]:
    installed, _ = scan([receipt.site_packages])
    for item in installed:
        for path, reason in _compare(item, quick=quick):
            label = f"{item.name}=={item.version}"
            yield Finding("file-changed", f"{label}: {path} {reason}", label, path, reason)


def _compare(item: Distribution, *, quick: bool) -> Iterator[tuple[str, str]]:
    """Compare a distribution's files with its RECORD, byte-code aside; by their sizes alone where it is to be quick."""
    try:
        rows = list(csv.reader(Path(item.location, "RECORD").read_text(encoding="utf-8").splitlines()))
    except OSError:
        rows = [[path, "", ""] for path in files(item)]
    for row in rows:
        name, digest, size = (*row, "", "")[:3]
        path = Path(item.site_dir, name)
        if name.endswith(".pyc"):
            continue
        if not exists(path):
            yield name, "is missing"
        elif quick:
            if size.isdigit() and path.stat().st_size != int(size):
                yield name, "was changed"
        elif digest.startswith("sha256=") and _sha256(path) != digest.removeprefix("sha256="):
            yield name, "was changed"


def _sha256(path: Path) -> str:
    value = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            value.update(chunk)
    return base64.urlsafe_b64encode(value.digest()).rstrip(b"=").decode()
