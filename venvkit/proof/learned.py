"""What proofs have shown not to load: bounds of the next plans, as long as the same files are there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from venvkit.base import cachefile
from venvkit.host.distribution import Distribution
from venvkit.plan.problem import Misfit

_PLACE = "misfits.json"
_MOST = 200


class _Kept(Struct, frozen=True):
    misfit: Misfit
    records: dict[str, str]


def learn(cache: Path, misfits: Iterable[Misfit], host: Iterable[Distribution]) -> None:
    """Keep misfits; those with a host distribution hold as long as its files are the same.

    Args:
        cache: Folder of verdicts; one that cannot be written keeps nothing.
    """
    labels = {f"{item.name}=={item.version}": item for item in host}
    known = {item.misfit: item for item in cachefile.load(cache / _PLACE, list[_Kept]) or ()}
    for misfit in misfits:
        own = {label: _record(labels[label]) for label in misfit.providers if label in labels}
        known[misfit] = _Kept(misfit, own)
    cachefile.store(cache / _PLACE, list(known.values())[-_MOST:])


def learned(cache: Path, host: Iterable[Distribution]) -> tuple[Misfit, ...]:
    """Return what is known not to load beside the host as it is now."""
    kept = cachefile.load(cache / _PLACE, list[_Kept]) or ()
    if not kept:
        return ()
    labels = {f"{item.name}=={item.version}": item for item in host}
    return tuple(
        item.misfit
        for item in kept
        if all(label in labels and _record(labels[label]) == digest for label, digest in item.records.items())
    )


def _record(item: Distribution) -> str:
    """Return a digest of a distribution's files, by its record."""
    try:
        return hashlib.sha256(Path(item.location, "RECORD").read_bytes()).hexdigest()
    except OSError:
        return item.location
