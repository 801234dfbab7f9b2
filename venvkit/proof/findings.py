"""What each proof found, as the one value that `build`, `check`, `plan --explain` and `show` speak of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from packaging.utils import NormalizedName

from venvkit.errors import VenvkitError
from venvkit.formats.finding import Finding
from venvkit.formats.receipt import Conflict, Receipt
from venvkit.plan.values import Plan, Violation
from venvkit.proof.fit import Lack, Unfit
from venvkit.proof.imports import FailedImport

SHELL_CHANGED = "shell-changed"


def violation(item: Violation, *, known: bool = False) -> Finding:
    """Return the finding of a requirement that does not hold; one that the plan reported is `known`."""
    return Finding(
        "violation",
        str(item),
        distribution=item.distribution,
        expected=item.requirement,
        found=item.found or "none",
        needed_by=(item.distribution,),
        grave=not known,
    )


def conflict(item: Conflict) -> Finding:
    """Return the finding of two distributions that own one path."""
    return Finding(
        "conflict",
        str(item).removesuffix(f": {item.remedy}"),
        distribution=item.first,
        expected=f"one owner of {item.path}",
        found=item.second,
        remedy=item.remedy,
        grave=False,
    )


def unfit(item: Unfit, needed_by: tuple[str, ...] = (), *, known: bool = False) -> Finding:
    """Return the finding of a distribution that does not load beside others; one that nobody needs is `known`."""
    fitting = ", ".join(item.providers)
    return Finding(
        "unfit",
        str(item),
        distribution=item.distribution,
        expected=f"what it was built for, in {fitting}",
        found=item.reason,
        missing=(*item.libraries, *item.symbols),
        needed_by=needed_by,
        remedy=f"a build of {item.name} made for {fitting} fits: name its index, or pin the version that belongs to it",
        grave=not known,
    )


def lack(item: Lack, needed_by: tuple[str, ...] = ()) -> Finding:
    """Return the finding of libraries that only the system lacks; it disproves nothing."""
    brought = " ".join(item.packages)
    return Finding(
        "system-library",
        str(item),
        distribution=item.distribution,
        expected=", ".join(item.libraries),
        found=item.reason,
        missing=item.libraries,
        needed_by=needed_by,
        remedy=f"install it on the system: apt-get install {brought}" if brought else "install it on the system",
        grave=False,
    )


def failed_import(item: FailedImport, needed_by: tuple[str, ...] = ()) -> Finding:
    """Return the finding of a module that does not import."""
    return Finding(
        "import-failed",
        f"import {item.module} fails in the environment: {item.reason}",
        expected=f"import {item.module}",
        found=item.reason,
        missing=item.unresolved,
        needed_by=needed_by,
        remedy="its last line says why: pin a version that imports, or take the module out of `verify`",
    )


def changed_shell(others: tuple[str, ...]) -> Finding:
    """Return the finding of distributions that others installed into a shell."""
    return Finding(
        SHELL_CHANGED,
        f"{', '.join(others)}: installed into the shell by others, and preferred to the environment",
        distribution=others[0],
        expected="a shell that leads to its environment alone",
        found=", ".join(others),
        remedy="`venvkit check --repair` moves them aside",
    )


def failed_start(error: VenvkitError) -> Finding:
    """Return the finding of an interpreter that does not start as it should."""
    return Finding("start", error.message, found="\n".join(error.details) or error.where, remedy=error.remedy)


def of_plan(plan: Plan, host_unfit: Mapping[NormalizedName, str]) -> Iterator[Finding]:
    """Yield what is known before a build: requirements that do not hold, and what does not fit the host itself."""
    yield from (violation(item, known=True) for item in plan.broken)
    hidden = {item.name: item.version for item in plan.hidden}
    for name, reason in host_unfit.items():
        version = hidden.get(name)
        yield Finding("unfit", f"on the host itself {reason}", f"{name}=={version}" if version else name, grave=False)


def of_receipt(receipt: Receipt) -> Iterator[Finding]:
    """Yield what was found when an environment was built, and did not refuse it."""
    yield from (violation(item, known=True) for item in receipt.plan.broken)
    yield from map(conflict, receipt.conflicts)
    yield from receipt.findings
