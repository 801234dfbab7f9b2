"""The receipt: JSON inside an environment, written last and atomically, the only proof that it is complete."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from venvkit.base.digest import digest
from venvkit.base.files import write_atomically
from venvkit.base.mask import mask
from venvkit.base.watch import stat_watch
from venvkit.errors import MachineError
from venvkit.host.distribution import Distribution
from venvkit.host.metadata import read_bytes
from venvkit.plan.values import Plan
from venvkit.proof.ownership import Conflict
from venvkit.store.layout import RECEIPT

SCHEMA = 1


class Relied(Struct, frozen=True):
    """A host distribution that an environment uses as it is."""

    name: str
    version: str
    location: str


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


class _Head(Struct, frozen=True):
    """What of a receipt is read of thousands."""

    schema: Any = None


def seal_of(environment: Path) -> Literal["sealed", "unknown"] | None:
    """Tell by the schema of its receipt alone who sealed an environment: this version, or another; None: nobody did."""
    try:
        head = msgspec.json.decode(read_bytes(f"{environment}/{RECEIPT}"), type=_Head)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except msgspec.MsgspecError:
        return "sealed"  # and damaged since
    return "sealed" if head.schema == SCHEMA else "unknown"


def is_known(environment: Path) -> bool:
    """Tell whether an environment may be judged and removed: not when another version of venvkit sealed it."""
    try:
        read_receipt(environment)
    except MachineError as error:
        return error.code != "receipt-unknown"
    return True


def listing_digest(site_packages: Path) -> str:
    """Digest what lies in a site-packages: its entries and each distribution's RECORD, byte-code aside."""
    with os.scandir(site_packages) as names:
        entries = sorted(entry.name for entry in names if entry.name != "__pycache__")
    paths = [f"{site_packages}/{name}/RECORD" for name in entries if name.endswith(".dist-info")]
    state = (entries, [stat_watch(path) for path in paths])
    known = _listings.get(str(site_packages))
    if known is not None and known[0] == state:
        return known[1]
    found = digest([entries, [_digest(path) for path in paths]])
    newest = max((int(watch[2] or 0) for watch in state[1] if len(watch) > 2), default=0)
    if time.time_ns() - newest > _TICK_NS:
        if len(_listings) >= _MOST:
            _listings.clear()
        _listings[str(site_packages)] = (state, found)
    return found


# What this process has digested: a server that asks for its models' environments again and again reads no record twice.
_listings: dict[str, tuple[object, str]] = {}
_MOST = 256
# A file that was written this recently may be written again without its time telling.
_TICK_NS = 1_000_000_000


def pyvenv_digest(environment: Path) -> str:
    """Digest an environment's pyvenv.cfg, which decides what its interpreter is."""
    return _digest(f"{environment}/pyvenv.cfg")


def binary_digest(environment: Path) -> str:
    """Digest the identity of the file that an environment's interpreter really is; of nothing when it is gone."""
    python = environment / "bin" / "python"
    try:
        found = python.stat()
    except OSError:
        return digest(None)
    return digest([os.path.realpath(python), found.st_size, found.st_mtime_ns])


def _digest(path: str) -> str:
    """Digest a file's content; of one that cannot be read it is empty."""
    try:
        return hashlib.sha256(read_bytes(path)).hexdigest()
    except OSError:
        return ""


def installed_size(place: Path, site_packages: Path, installed: Iterable[Distribution]) -> int:
    """Return the bytes of an environment's files, links not followed.

    What the records of its distributions tell is not asked of the disk; they have all files but a few.
    """
    known = 0
    for item in installed:
        recorded = _recorded_size(item)
        if recorded is None:
            return tree_size(place)
        known += recorded
    return known + _files_size(site_packages) + _files_size(place) + tree_size(place / "bin")


def _recorded_size(item: Distribution) -> int | None:
    """Return the bytes of a distribution's files in site-packages, record included; None where its record is unsure."""
    try:
        content = read_bytes(f"{item.location}/RECORD")
    except OSError:
        return None
    text = content.decode("utf-8", "replace")
    if '"' in text:
        return None
    # Left out is what is counted where it lies: scripts and the like, and files beside the folders.
    inside = [line for line in text.splitlines() if "/" in line and not line.startswith(("..", "/"))]
    sizes = [line.rpartition(",")[2] for line in inside]
    # The record alone has no size of itself.
    if sizes.count("") > 1:
        return None
    try:
        return len(content) + sum(map(int, filter(None, sizes)))
    except ValueError:
        return None


def _files_size(folder: Path) -> int:
    with os.scandir(folder) as entries:
        return sum(
            entry.stat(follow_symlinks=False).st_size for entry in entries if not entry.is_dir(follow_symlinks=False)
        )


def tree_size(folder: Path) -> int:
    total = 0
    pending = [os.fspath(folder)]
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
