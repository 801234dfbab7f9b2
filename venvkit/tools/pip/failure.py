"""What pip's failures mean, in the error classes that uv's have; and which sources it passed over in silence."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from urllib.parse import unquote, urlsplit

from packaging.utils import NormalizedName, canonicalize_name

from venvkit.base.mask import mask
from venvkit.base.process import Completed
from venvkit.errors import MachineError, SourceError, VenvkitError
from venvkit.plan.resolver import Unsolvable
from venvkit.spec.request import Sources

_SKIPPED = re.compile(r"Could not fetch URL (?P<url>\S+): (?P<why>.*?)(?: - skipping)?$", re.MULTILINE)
_IGNORED = re.compile(r"Location '(?P<url>[^']*)' is ignored: (?P<why>.*)")
_USER = re.compile(r"(?<=://)[^/@\s]*@")
_REFUSED = re.compile(r"\b40[13] Client Error|HTTP error 40[13]\b|DO NOT MATCH THE HASHES", re.IGNORECASE)
_UNSOLVABLE = re.compile(r"No matching distribution found|ResolutionImpossible|resolution-too-deep")
_UNREACHABLE = re.compile(
    r"connection-failed|connection-timeout|Max retries exceeded|Temporary failure|Name or service not known"
    r"|\[Errno (?:2|101|110|111|113)\]|timed out|HTTP error \d|\b[45]\d\d (?:Client|Server) Error|certificate"
    r"|git clone|ssl-verification",
    re.IGNORECASE,
)
_DISK = re.compile(r"\[Errno (5|13|28|30|122)\]")
_BUILD = re.compile(r"Failed to build|metadata-generation-failed|subprocess-exited-with-error|build-", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MOST_LINES = 14


def lost_sources(log: str, sources: Sources) -> Mapping[str, SourceError]:
    """Return the optional indexes of `sources` that pip could not read by its log, each with why.

    Raises:
        SourceError: An index refused, whichever it is (`source-refused`), or one that is not optional cannot be
            reached (`source-unreachable`): an answer without it would be another answer.
    """
    lost: dict[str, SourceError] = {}
    folders = {link.rstrip("/") for link in sources.find_links}
    # An index in a folder that lacks a project is reported as a folder that is not there.
    ignored = (match for match in _IGNORED.finditer(log) if _listed(match["url"], folders))
    for match in (*_SKIPPED.finditer(log), *ignored):
        url, why = match["url"], mask(match["why"])
        if "404 Client Error" in why:  # the index has no such project
            continue
        # So does a public store of plain files, in its own words.
        if "403 Client Error" in why and url.startswith(sources.public_indexes):
            continue
        details = (mask(f"{url}: {why}"),)
        if _REFUSED.search(why):
            raise _refusal(details)
        known = next(
            (one for one in sources.optional_index_urls if _bare(url).startswith(_bare(one).rstrip("/"))), None
        )
        if known is None:
            raise _unreachable(details)
        lost[known] = _unreachable(details)
    return lost


def failure(done: Completed) -> VenvkitError:
    """Turn a failed pip run into the error that tells the user what it means."""
    reason = _reason(done)
    text = "\n".join(reason)
    if match := _DISK.search(text):
        full = match.group(1) in ("28", "122")
        return MachineError(
            "there is no space left for the build" if full else "the disk refused the build",
            code="disk-space" if full else "disk",
            details=reason,
            remedy="free space" if full else "look at the rights and the device",
        )
    if _REFUSED.search(text):
        return _refusal(reason)
    if _BUILD.search(text):
        return MachineError(
            "a source distribution could not be built",
            code="build-failed",
            details=reason,
            remedy="install the compiler or headers it asks for, or pin a version that has a wheel",
        )
    if _UNSOLVABLE.search(text):
        return Unsolvable("no set of distributions satisfies the request", mentions=_mentions(text), details=reason)
    if _UNREACHABLE.search(text):
        return _unreachable(reason)
    return VenvkitError("pip failed", code="pip-failed", details=reason)


def _refusal(details: tuple[str, ...]) -> SourceError:
    return SourceError(
        "a source refused the request",
        code="source-refused",
        details=details,
        remedy="check the credentials and hashes of the index",
    )


def _unreachable(details: tuple[str, ...]) -> SourceError:
    return SourceError(
        "a package source cannot be reached",
        details=details,
        remedy="check the index address and the network, or name another source with --index-url or --find-links",
    )


def _reason(done: Completed) -> tuple[str, ...]:
    """Return why pip failed: its errors, then the conflict, which it explains on standard output."""
    errors = [line.rstrip() for line in done.stderr.splitlines() if line.strip()]
    lines = [line.rstrip() for line in done.stdout.splitlines() if line.strip()]
    start = next((at for at, line in enumerate(lines) if line.startswith("The conflict is caused by")), len(lines))
    end = next((at for at, line in enumerate(lines) if line.startswith("To fix this")), len(lines))
    kept = [mask(line[:600]) for line in (*errors, *lines[start:end])]
    more = len(kept) - _MOST_LINES
    return (*kept[:_MOST_LINES], *([f"... {more} more lines"] if more > 0 else []))


def _mentions(text: str) -> frozenset[NormalizedName]:
    return frozenset(canonicalize_name(word) for word in _NAME.findall(text))


def _listed(url: str, folders: Collection[str]) -> bool:
    path = unquote(urlsplit(url).path)
    return not {url.rstrip("/"), path.rstrip("/")}.isdisjoint(folders)


def _bare(url: str) -> str:
    """Return an address without its credentials, which pip masks in its log."""
    return _USER.sub("", url)
