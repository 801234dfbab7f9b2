"""Whether an environment is still what its receipt says: not moved, not edited, its interpreter in place."""

from __future__ import annotations

import os
from pathlib import Path

from venvkit.errors import MachineError
from venvkit.formats.receipt import Receipt, binary_digest, listing_digest, pyvenv_digest, read_receipt


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
    if not site_packages.is_dir() or listing_digest(site_packages) != receipt.listing:
        return "its site-packages was edited"
    return None
