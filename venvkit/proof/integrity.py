"""Whether an environment is still what its receipt says: not moved, not edited, its interpreter in place."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

from venvkit.base.digest import digest
from venvkit.base.files import exists
from venvkit.base.watch import stat_watch
from venvkit.errors import MachineError
from venvkit.formats.receipt import Receipt, read_receipt
from venvkit.host.metadata import read_bytes


def intact(environment: Path) -> Receipt | None:
    """Return the receipt of a complete and unspoilt environment, else None."""
    try:
        receipt = read_receipt(environment)
    except MachineError:
        return None
    return receipt if receipt is not None and fault(environment, receipt) is None else None


def fault(environment: Path, receipt: Receipt) -> str | None:
    """Return what is wrong with an environment, or None; a few stats and a listing, no process."""
    if receipt.path != str(environment):
        return f"it was built at {receipt.path}: the store was moved, or the receipt is from another environment"
    if not os.access(receipt.python, os.X_OK):
        return "its interpreter is gone"
    if binary_digest(environment) != receipt.binary:
        return "its interpreter was replaced by another"
    if pyvenv_digest(environment) != receipt.pyvenv:
        return "its pyvenv.cfg was edited"
    site_packages = Path(receipt.site_packages)
    if not exists(site_packages) or listing_digest(site_packages) != receipt.listing:
        return "its site-packages was edited"
    return None


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
