"""A model that only the store knows: its spec is gone or was never named, and the environment in force is used."""

from __future__ import annotations

from typing import Any

from venvkit.errors import UsageError, VenvkitError
from venvkit.events import Observer, Warned
from venvkit.launch.asked import Call
from venvkit.launch.handle import Environment
from venvkit.proof.integrity import intact
from venvkit.spec.options import NO_ENGINE, decisive
from venvkit.store.change.index import facts_of
from venvkit.store.layout import Layout
from venvkit.store.lock.lease import Lease
from venvkit.store.look.inventory import Entry, ambiguous, entries_in, selected
from venvkit.store.look.survey import survey

# These tell the environments of a model apart; every other option decides what is planned, and needs the spec.
TELLING = frozenset({"engine", "python"})
_BUILD = "name the path of its spec, so that it can be built"


def in_force(layout: Layout, call: Call, unknown: VenvkitError, observer: Observer) -> Environment:
    """Return the environment in force of a model whose spec is not known, under a lease.

    Args:
        unknown: The error to raise when the store does not know the model either.

    Raises:
        UsageError: Several environments fit (`model-ambiguous`), options were given that need the spec
            (`spec-missing`), or the environment in force cannot be used (`environment-spoilt`).
    """
    name, options = str(call.given.name), decisive(call.choices)
    entry = _only(layout, name, options, unknown)
    needing = sorted(options.keys() - TELLING)
    if needing:
        raise UsageError(
            f"{name} is in the store, but its spec is not known: {', '.join(needing)} cannot be applied",
            code="spec-missing",
            where=name,
            remedy=f"{_BUILD}; without options the environment in force is used",
        )
    assert entry.environment is not None
    lease = Lease(layout.lease(entry.environment.name))
    receipt = intact(entry.environment)
    if receipt is None:
        raise UsageError(
            f"the environment in force of {name} cannot be used: {entry.problem or 'it was removed meanwhile'}",
            code="environment-spoilt",
            where=str(entry.environment),
            remedy=_BUILD,
        )
    told = f"no spec of {name} is known: the environment in force is used, built on {receipt.created}"
    observer(Warned("spec-unknown", told))
    engine = None if entry.engine == NO_ENGINE else entry.engine
    facts = facts_of(layout, receipt, entry.path, model=name, engine=engine)
    return Environment(facts, lease)


def _only(layout: Layout, name: str, options: dict[str, Any], unknown: VenvkitError) -> Entry:
    select = selected(name, options.get("engine"), options.get("python"))
    found = [entry for entry in entries_in(survey(layout, processes=False), select) if entry.environment is not None]
    if not found:
        raise unknown
    if len(found) > 1:
        raise ambiguous(name, found)
    return found[0]
