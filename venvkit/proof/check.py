"""Proving an environment again, against the host as it is now and the files as they are now."""

from __future__ import annotations

import base64
import csv
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from venvkit.base.files import exists
from venvkit.formats.receipt import Receipt
from venvkit.host.contents import files
from venvkit.host.distribution import Distribution, scan
from venvkit.host.snapshot import HostSnapshot
from venvkit.plan.families import NO_FAMILIES
from venvkit.plan.members import members
from venvkit.plan.orphans import requirements_of
from venvkit.plan.view import Rules
from venvkit.proof.integrity import fault
from venvkit.proof.metadata import violations

SHELL = "shell-changed"


class Finding(Struct, frozen=True):
    """One thing that is not as it was proved.

    Args:
        kind: Stable: `spoilt`, `violation`, `host-changed`, `file-changed`, `shell-changed`, `not-repaired`.
    """

    kind: str
    message: str


def check_receipt(environment: Path, receipt: Receipt, host: HostSnapshot | None) -> tuple[Finding, ...]:
    """Return the findings of an environment; none when it is proved.

    Args:
        host: The host as it is now; None for an environment that does not see its host.
    """
    damage = fault(environment, receipt)
    if damage is not None:
        return (Finding("spoilt", damage), *_changed_files(receipt))
    return (*_host_changes(receipt, host), *_violations(receipt, host), *_changed_files(receipt))


def _host_changes(receipt: Receipt, host: HostSnapshot | None) -> Iterator[Finding]:
    for item in receipt.relied:
        found = host.find(item.name) if host is not None else None
        if found is None:
            yield Finding("host-changed", f"{item.name}=={item.version} is gone from the host")
        elif found.version != item.version:
            yield Finding("host-changed", f"{item.name} of the host went from {item.version} to {found.version}")


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
            yield Finding("violation", str(item))


def changed_distributions(receipt: Receipt) -> tuple[str, ...]:
    """Return the names of the installed distributions of which a file is not as it was."""
    installed, _ = scan([receipt.site_packages])
    return tuple(str(item.name) for item in installed if next(_compare(item), None) is not None)


def _changed_files(receipt: Receipt) -> Iterator[Finding]:
    installed, _ = scan([receipt.site_packages])
    for item in installed:
        for path, reason in _compare(item):
            yield Finding("file-changed", f"{item.name}=={item.version}: {path} {reason}")


def _compare(item: Distribution) -> Iterator[tuple[str, str]]:
    """Compare a distribution's files with its RECORD, byte-code aside."""
    try:
        rows = list(csv.reader(Path(item.location, "RECORD").read_text(encoding="utf-8").splitlines()))
    except OSError:
        rows = [[path, "", ""] for path in files(item)]
    for row in rows:
        name, digest = row[0], row[1] if len(row) > 1 else ""
        path = Path(item.site_dir, name)
        if name.endswith(".pyc"):
            continue
        if not exists(path):
            yield name, "is missing"
        elif digest.startswith("sha256=") and _sha256(path) != digest.removeprefix("sha256="):
            yield name, "was changed"


def _sha256(path: Path) -> str:
    value = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            value.update(chunk)
    return base64.urlsafe_b64encode(value.digest()).rstrip(b"=").decode()
