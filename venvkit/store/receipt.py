"""The receipt: JSON inside an environment, written last and atomically, the only proof that it is complete."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from venvkit.canonical import digest
from venvkit.errors import MachineError
from venvkit.masking import mask
from venvkit.plan.values import Plan
from venvkit.store.files import write_atomically
from venvkit.store.layout import RECEIPT
from venvkit.store.ownership import Conflict

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Relied:
    """A host distribution that an environment uses as it is."""

    name: str
    version: str
    location: str


@dataclass(frozen=True, slots=True)
class Receipt:
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

    @property
    def python(self) -> str:
        """The environment's interpreter."""
        return str(Path(self.path, "bin", "python"))


def write_receipt(receipt: Receipt) -> None:
    """Seal an environment. Credentials in addresses are masked: a receipt is read by anybody."""
    content = msgspec.json.encode(_masked(msgspec.to_builtins(receipt)))
    write_atomically(Path(receipt.path, RECEIPT), content, what="receipt")


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
    """Read the receipt of an environment; None when there is none: it is rubble.

    Raises:
        MachineError: It is unreadable (`receipt-damaged`) or of a schema that this version does not know
            (`receipt-unknown`).
    """
    path = environment / RECEIPT
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        schema = msgspec.json.decode(content, type=dict[str, msgspec.Raw]).get("schema")
        known = schema is not None and msgspec.json.decode(schema) == SCHEMA
        receipt = msgspec.json.decode(content, type=Receipt) if known else None
    except msgspec.MsgspecError as error:
        raise MachineError(f"the receipt is damaged: {error}", code="receipt-damaged", where=str(path)) from error
    if receipt is None:
        raise MachineError(
            "the receipt has an unknown schema",
            code="receipt-unknown",
            where=str(path),
            remedy="it was written by another version of venvkit and is left alone",
        )
    return receipt


def is_known(environment: Path) -> bool:
    """Tell whether an environment may be judged and removed: not when another version of venvkit sealed it."""
    try:
        read_receipt(environment)
    except MachineError as error:
        return error.code != "receipt-unknown"
    return True


def listing_digest(site_packages: Path) -> str:
    """Digest what lies in a site-packages: its entries and each distribution's RECORD, byte-code aside."""
    with os.scandir(site_packages) as found:
        entries = sorted(entry.name for entry in found if entry.name != "__pycache__")
    records = [_content(site_packages / name / "RECORD") for name in entries if name.endswith(".dist-info")]
    return digest([entries, records])


def pyvenv_digest(environment: Path) -> str:
    """Digest an environment's pyvenv.cfg, which decides what its interpreter is."""
    return digest(_content(environment / "pyvenv.cfg"))


def binary_digest(environment: Path) -> str:
    """Digest the identity of the file that an environment's interpreter really is; of nothing when it is gone."""
    python = environment / "bin" / "python"
    try:
        found = python.stat()
    except OSError:
        return digest(None)
    return digest([os.path.realpath(python), found.st_size, found.st_mtime_ns])


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def tree_size(paths: Iterable[Path]) -> int:
    """Return the bytes of all files below `paths`, links not followed."""
    total = 0
    pending = [os.fspath(path) for path in paths]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total
