"""Optional indexes that did not answer in a run. Later launches of the run do not wait for them again."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import Struct, field
from msgspec.structs import replace

from venvkit.base.mask import mask
from venvkit.errors import NoSolutionError, SourceError
from venvkit.events import Observer, Warned
from venvkit.launch.reading import Reading

# What the resolver warns with when it goes on without an index; the address comes first in its message.
INDEX_AWAY = "index-unreachable"


class Away(Struct, frozen=True):
    """The addresses, masked, that are known to be away, each with the resolver's words; shared by all threads."""

    _known: dict[str, str] = field(default_factory=dict)

    def learn(self, reading: Reading, warned: Iterable[Warned]) -> None:
        """Note the optional indexes of a reading that it was planned without."""
        urls = {mask(url) for url in reading.request.sources.optional_index_urls}
        for event in warned:
            url = event.message.partition(" ")[0]
            if event.code == INDEX_AWAY and url in urls:
                self._known.setdefault(url, event.message)

    def of(self, reading: Reading) -> tuple[str, ...]:
        """Return the addresses that a reading would ask and that are known to be away."""
        return tuple(url for url in reading.request.sources.optional_index_urls if mask(url) in self._known)

    def warn(self, lost: Iterable[str], observer: Observer) -> None:
        """Tell what is planned without, in the resolver's words."""
        for url in lost:
            observer(Warned(INDEX_AWAY, self._known[mask(url)]))


def without(reading: Reading, lost: Collection[str]) -> Reading:
    """Return a reading that does not ask these indexes."""
    there = reading.request.sources.without_indexes(lost)
    return replace(reading, request=replace(reading.request, sources=there)) if lost else reading


def blamed(error: Exception, lost: Collection[str]) -> Exception:
    """Return the error of a plan without some indexes: "no solution" becomes "source unreachable"."""
    if not isinstance(error, NoSolutionError) or not lost:
        return error
    return SourceError(
        "a package source cannot be reached",
        code="source-unreachable",
        details=(
            *(f"{mask(url)} cannot be reached" for url in lost),
            "without it there is no solution:",
            *error.details,
        ),
        remedy="check the index address and the network",
    )
