"""The receipt: JSON inside an environment, written last and atomically, the only proof that it is complete."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from venvkit.base.files import write_atomically
from venvkit.base.mask import mask
from venvkit.base.reading import read_regular
from venvkit.errors import MachineError
from venvkit.formats.finding import Finding
from venvkit.plan.values import Hidden, Plan
from venvkit.settings.variables import PROOFS

RECEIPT = "venvkit.json"
SCHEMA = 1
Proved = Literal["metadata", "linkage", "import"]


class Relied(Struct, frozen=True):
    """A host distribution that an environment uses as it is."""

    name: str
    version: str
    location: str


class Conflict(Struct, frozen=True):
    """Two distributions that cannot both be whole in one view.

    Args:
        first: `name==version` of one in the environment.
        second: `name==version` of the other, in the environment or on the host.
        path: A file of the conflict, relative to site-packages.
        kind: `same-file`: both own it, with different contents; `split`: one of them owns the package's `__init__`,
            the other this module of it, in another folder where it cannot be imported.
        remedy: What settles it.
    """

    first: str
    second: str
    path: str
    kind: Literal["same-file", "split"]
    remedy: str

    def __str__(self) -> str:
        what = "both own" if self.kind == "same-file" else "split their package between environment and host at"
        return f"{self.first} and {self.second} {what} {self.path}: {self.remedy}"


class Receipt(Struct, frozen=True):
    """What was built, from what and why.

    Args:
        key: The content key; `id` is its head and a number.
        path: Where it was built: a relocated store is noticed by it.
        interpreter: Version of the interpreter, such as `3.11.7`.
        base_python: The interpreter that the venv was created from.
        host_python: The host that stands behind it; empty when it sees none.
        roots: The request's requirements as (origin, line).
        repaired_roots: What the planner added to the request to keep host distributions whole.
        relied: The host distributions in the request's closure, as they were.
        listing: Digest of what lies in its site-packages.
        pyvenv: Digest of its pyvenv.cfg.
        binary: Digest of what tells the interpreter's file from another: real path, size, time.
        libraries: Folders of shared libraries its processes need on the loader's path.
        size: Bytes of its files when it was sealed.
        conflicts: Distributions of the view that own the same import path.
        hidden: Host distributions that the child does not see: those of the plan, and what the proofs found unfit.
        proved: How far it was proved: `metadata`, `linkage` or `import`.
        imports: The modules that were imported, as `module` or `module:attribute`.
        findings: What the proofs found beside conflicts, and what did not refuse the build.
    """

    schema: int
    id: str
    key: str
    path: str
    created: str
    venvkit: str
    uv: str
    model: str
    engine: str | None
    interpreter: str
    implementation: str
    base_python: str
    host_python: str
    host_dirs: tuple[str, ...]
    scripts: tuple[str, ...]
    libraries: tuple[str, ...]
    site_packages: str
    roots: tuple[tuple[str, str], ...]
    repaired_roots: tuple[tuple[str, str], ...]
    overrides: tuple[str, ...]
    excludes: tuple[str, ...]
    relied: tuple[Relied, ...]
    plan: Plan
    listing: str
    pyvenv: str
    binary: str
    size: int
    conflicts: tuple[Conflict, ...] = ()
    hidden: tuple[Hidden, ...] = ()
    proved: Proved = "metadata"
    imports: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    def proves(self, level: str) -> bool:
        """Tell whether it was proved as far as `level`, or further."""
        return PROOFS.index(self.proved) >= PROOFS.index(level)

    @property
    def python(self) -> str:
        """The environment's interpreter."""
        return str(Path(self.path, "bin", "python"))


def write_receipt(receipt: Receipt) -> None:
    """Seal an environment. Credentials in addresses are masked: a receipt is read by anybody."""
    content = msgspec.json.encode(_masked(msgspec.to_builtins(receipt)))
    write_atomically(Path(receipt.path, RECEIPT), content, what="receipt", sync="folder")


def _masked(value: object) -> object:
    """Mask each string by itself: over the whole text a mask could reach from one string into the next."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(item) for item in value]
    return value


def read_receipt(environment: Path) -> Receipt | None:
    """Read the receipt of an environment; None when there is none: the build did not finish.

    Raises:
        MachineError: It is unreadable (`receipt-damaged`) or of a schema that this version does not know
            (`receipt-unknown`).
    """
    path = environment / RECEIPT
    try:
        content = read_regular(path)
        known = msgspec.json.decode(content, type=_Head).schema == SCHEMA
        receipt = msgspec.json.decode(content, type=Receipt) if known else None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise MachineError(f"the receipt is damaged: {reason}", code="receipt-damaged", where=str(path)) from error
    if receipt is None:
        raise MachineError(
            "the receipt has an unknown schema",
            code="receipt-unknown",
            where=str(path),
            remedy="it was written by another version of venvkit and is left alone",
        )
    return receipt


class _Head(Struct, frozen=True):
    """The schema alone, for a collection that looks at thousands of receipts."""

    schema: Any = None


def seal_of(environment: Path) -> Literal["sealed", "unknown"] | None:
    """Tell by the schema of its receipt alone which version sealed an environment: this one (`sealed`), also where the
    receipt was damaged since, or another one (`unknown`). None: its build did not finish.
    """
    try:
        head = msgspec.json.decode(read_regular(environment / RECEIPT), type=_Head)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError):
        return "sealed"
    return "sealed" if head.schema == SCHEMA else "unknown"


def is_known(environment: Path) -> bool:
    """Tell whether an environment may be judged and removed: not when another version of venvkit sealed it."""
    try:
        read_receipt(environment)
    except MachineError as error:
        return error.code != "receipt-unknown"
    return True
