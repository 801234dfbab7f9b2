"""Optional indexes that did not answer in a run: each is waited for by the launches that are under way, and no more."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import Struct, field
from msgspec.structs import replace

from venvkit.base.mask import mask
from venvkit.errors import NoSolutionError, SourceError
from venvkit.events import Observer, Warned
from venvkit.launch.job import Job

# What the resolver warns with when it goes on without an index; the address comes first in its message.
INDEX_AWAY = "index-unreachable"


class Away(Struct, frozen=True):
    """The addresses, masked, that are known to be away, each with the resolver's words; shared by all threads."""

    _known: dict[str, str] = field(default_factory=dict)

    def learn(self, job: Job, warned: Iterable[Warned]) -> None:
        """Note the optional indexes of a job that it was planned without."""
        urls = {mask(url) for url in job.request.sources.optional_index_urls}
        for event in warned:
            url = event.message.partition(" ")[0]
            if event.code == INDEX_AWAY and url in urls:
                self._known.setdefault(url, event.message)

    def of(self, job: Job) -> tuple[str, ...]:
        """Return the addresses that a job would ask and that are known to be away."""
        return tuple(url for url in job.request.sources.optional_index_urls if mask(url) in self._known)

    def warn(self, lost: Iterable[str], observer: Observer) -> None:
        """Tell what is planned without, in the resolver's words."""
        for url in lost:
            observer(Warned(INDEX_AWAY, self._known[mask(url)]))


def without(job: Job, lost: Collection[str]) -> Job:
    """Return a job that does not ask these indexes."""
    there = job.request.sources.without_indexes(lost)
    return replace(job, request=replace(job.request, sources=there)) if lost else job


def blamed(error: Exception, lost: Collection[str]) -> Exception:
    """Return what an error means where indexes were not asked: that there is no solution is not known then."""
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
