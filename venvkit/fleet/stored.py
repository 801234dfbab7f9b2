"""Changes that a fleet's plans would make in the store: environments that are there, and those to be rebuilt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from venvkit.fleet.values import Outline, Row, Stored
from venvkit.formats.receipt import Receipt
from venvkit.plan.explain import diff
from venvkit.store.layout import Layout
from venvkit.store.look.inventory import Entry, entries

# A model and its engine, as in the path of its shell.
_Place = tuple[str, str]


def compare(rows: Sequence[Row], layout: Layout, *, host: str, python: str) -> tuple[Row, ...]:
    """Return the rows with what the store has for each.

    Args:
        host: The interpreter of the host that was planned for.
        python: The version of the interpreter that the environments would have; where a model has none of that
            version, what it has of the newest other one is compared.
    """
    store = _Store(_places(layout, python), host)
    wanted: defaultdict[_Place, set[str]] = defaultdict(set)
    for row in rows:
        if row.answer.plan is not None:
            wanted[_place(row)].add(row.answer.plan.key)
    return tuple(
        replace(row, stored=store.has(row.answer.plan, _place(row), wanted[_place(row)]))
        if row.answer.plan is not None
        else row
        for row in rows
    )


def _places(layout: Layout, python: str) -> dict[_Place, Entry]:
    found: dict[_Place, Entry] = {}
    for entry in sorted(entries(layout), key=lambda entry: (entry.python == python, _version(entry.python))):
        if entry.state != "foreign":
            found[entry.model, entry.engine] = entry
    return found


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _place(row: Row) -> _Place:
    return row.model.name, (row.engine or "default").lower()


class _Store(Struct, frozen=True):
    """The environments of each model and engine, compared for one host."""

    places: Mapping[_Place, Entry]
    host: str

    def has(self, plan: Outline, place: _Place, siblings: set[str]) -> Stored:
        """Return the stored state for a plan; `siblings` are the keys that other specs of its place want."""
        entry = self.places.get(place)
        if entry is not None and entry.state == "ready":
            if entry.key == plan.key:
                return Stored("built", _id(entry))
            if entry.key in siblings:
                return Stored("other-variant", _id(entry))
        if entry is None:
            other = next((one for one in self.places.values() if one.state == "ready" and one.key == plan.key), None)
            return Stored("shared", _id(other)) if other is not None else Stored("new")
        receipt = entry.receipt
        changes = diff(receipt.plan, plan) if receipt is not None else ()
        return Stored("rebuild", _id(entry), changes, entry.problem or ("" if changes else self._why(receipt)))

    def _why(self, receipt: Receipt | None) -> str:
        """Say why an environment of the same distributions is another one."""
        if receipt is not None and receipt.host_python != self.host:
            return f"the same distributions, but it stands on {receipt.host_python or 'no host'}"
        return "the same distributions, but their files, the interpreter or the options of the build differ"


def _id(entry: Entry) -> str:
    return entry.environment.name if entry.environment is not None else ""
