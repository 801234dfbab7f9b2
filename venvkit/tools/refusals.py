"""Refusals of sources that a tool ignores: its log has them, its exit status does not.

With an `unsafe-*` strategy uv 0.13 takes 401 and 403 for "no such project", though the index could have a better
candidate than the others. pip takes nearly every answer for that. Both read a login page as a project without files.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import unquote, urlsplit

from msgspec.structs import replace

from venvkit.base.mask import mask, without_users
from venvkit.base.process import Completed
from venvkit.errors import SourceError
from venvkit.spec.configuration.sources import Sources, is_public
from venvkit.tools.failure import source_error

_LOG = "uv_client::cached_client=trace"
_LOGGED = re.compile(r"\s{0,8}(?:TRACE|DEBUG|INFO) ")  # the output of a build is indented further
_ANSWER = re.compile(r"Received response for \w+ request with status (40[13])\b[^:]* for: (?P<url>\S+)")
_ASKED = re.compile(r"\s*(?:TRACE|DEBUG|INFO) .* for: (?P<url>\S+/)$")
_WITHOUT_FILES = re.compile(r"there (?:are|is) no versions? of ([\w.-]+) ")

_SKIPPED = re.compile(r"Could not fetch URL (?P<url>\S+): (?P<why>.*?)(?: - skipping)?$", re.MULTILINE)
_IGNORED = re.compile(r"Location '(?P<url>[^']*)' is ignored: (?P<why>.*)")
_NO_PAGE = re.compile(r"Skipping page (?P<url>\S+) because the (?P<why>.*?)\. ")
_FETCHED = re.compile(r"Fetched page (?P<url>\S+) as text/html")
_REFUSED = re.compile(r"\b40[13] Client Error", re.IGNORECASE)

# What no page of an index has (https://packaging.python.org/en/latest/specifications/simple-repository-api/).
_WEB_PAGE = re.compile(r"<(?:form|input|script|iframe|button|img|style)\b|http-equiv=.?refresh", re.IGNORECASE)
_FILE_LINK = re.compile(r"\.(?:whl|zip|egg|tar\.\w+|tgz)[\"'#?\s>]", re.IGNORECASE)
_PAGE_BYTES, _PAGE_S = 1 << 20, 10.0


def listening(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for uv in which it logs the answers that it gets."""
    env = {name: value for name, value in environ.items() if name != "UV_LOG_CONTEXT"}
    env["RUST_LOG"] = ",".join(filter(None, (env.get("RUST_LOG"), _LOG)))
    return env


def heard(done: Completed, sources: Sources, environ: Mapping[str, str]) -> tuple[Completed, SourceError | None]:
    """Return a run of a listening uv without its log, and the error for a source that the log tells to be unusable.

    A public index that answers 403 lacks the project: that is how stores of plain files put it.
    """
    lines = done.stderr.splitlines(keepends=True)
    quiet = replace(done, stderr="".join(line for line in lines if not _LOGGED.match(line)))
    for line in lines:
        answer = _ANSWER.search(line)
        # A project's page ends with a slash, and a file, which uv may do without, does not.
        if answer is None or not urlsplit(answer["url"]).path.endswith("/"):
            continue
        if answer[1] == "403" and is_public(answer["url"], sources.public_indexes):
            continue
        return quiet, source_error("refused", (), mask(f"{answer[1]} for {answer['url']}"))
    without = set(_WITHOUT_FILES.findall(quiet.stderr)) if done.status else set()
    asked = [match["url"] for line in lines if without and (match := _ASKED.match(line.rstrip()))]
    return quiet, web_page((url for url in asked if url.split("/")[-2] in without), sources, environ)


def lost_sources(done: Completed, log: str, sources: Sources, environ: Mapping[str, str]) -> Mapping[str, SourceError]:
    """Return the optional indexes of `sources` that pip could not read by its log, each with the error.

    Raises:
        SourceError: An index refused, whichever it is (`source-refused`), one that is not optional cannot be reached
            (`source-unreachable`) or is no index (`source-malformed`): an answer without it would be another answer.
    """
    lost: dict[str, SourceError] = {}
    folders = {link.rstrip("/") for link in sources.find_links}
    # An index in a folder that lacks a project is reported as a folder that is not there.
    ignored = (match for match in _IGNORED.finditer(log) if _listed(match["url"], folders))
    for match in (*_SKIPPED.finditer(log), *ignored, *_NO_PAGE.finditer(log)):
        url, why = match["url"], mask(match["why"])
        if "404 Client Error" in why:  # the index has no such project
            continue
        # So does a public store of plain files, in its own words.
        if "403 Client Error" in why and url.startswith(sources.public_indexes):
            continue
        details = (mask(f"{url}: {why}"),)
        if _REFUSED.search(why):
            raise source_error("refused", (), details[0])
        error = source_error("page" if match.re is _NO_PAGE else "unreachable", details)
        optional = (
            one for one in sources.optional_index_urls if without_users(url).startswith(without_users(one).rstrip("/"))
        )
        known = next(optional, None)
        if known is None:
            raise error
        lost[known] = error
    fetched = [match["url"] for match in _FETCHED.finditer(log)]
    if done.status and "(from versions: none)" in done.stderr and (page := web_page(fetched, sources, environ)):
        raise page
    return lost


def web_page(urls: Iterable[str], sources: Sources, environ: Mapping[str, str]) -> SourceError | None:
    """Ask for pages on which a tool found no files; return the error for the first one that is no page of an index."""
    pages = tuple(dict.fromkeys(urls))
    if not pages:
        return None
    from venvkit.base.http import Client, HttpError, Limits
    from venvkit.tools.metadata import read_network

    with Client(read_network(sources, environ), Limits(seconds=_PAGE_S, size=_PAGE_BYTES)) as client:
        for url in pages:
            try:
                text = client.get(url, headers={"Accept": "text/html"}).content.decode("utf-8", "replace")
            except HttpError:
                continue
            if _WEB_PAGE.search(text) and not _FILE_LINK.search(text):
                return source_error("page", (mask(f"{url} answers with a web page, perhaps a login"),))
    return None


def _listed(url: str, folders: Collection[str]) -> bool:
    path = unquote(urlsplit(url).path)
    return not {url.rstrip("/"), path.rstrip("/")}.isdisjoint(folders)
