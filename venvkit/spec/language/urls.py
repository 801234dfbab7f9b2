"""Checks of the URLs that an installer gets: of a requirement, of an index, of a directory of wheels.

Every string here may come from a stranger's spec and ends as an argument of a child process, so what is not
on the list is refused, and nothing may look like an option.
"""

from __future__ import annotations

import os
import re
from urllib.parse import SplitResult, urlsplit

from venvkit.base.mask import mask
from venvkit.base.paths import expand_home
from venvkit.errors import SpecError

_REQUIREMENT_SCHEMES = frozenset({"https", "http", "file", "git+https", "git+http", "git+ssh", "git+file"})
_INDEX_SCHEMES = frozenset({"https", "http", "file"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_BLANK_OR_CONTROL = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")


def quoted(text: str) -> str:
    """Return `text` as it may stand in a message: control characters escaped, secrets masked, trimmed."""
    shown = _CONTROL.sub(lambda found: repr(found.group())[1:-1], mask(text))
    return f"`{shown if len(shown) <= 160 else shown[:157] + '...'}`"


def has_control(text: str) -> bool:
    """Tell whether `text` holds a control character or a line break of any kind."""
    return _CONTROL.search(text) is not None


def absolute_path(text: str, folder: str | None) -> str:
    """Return a path with `~` replaced by the home and, where it is relative, below `folder`; a URL stays as it is."""
    if "://" in text:
        return text
    path = expand_home(text)
    return path if folder is None else os.path.abspath(os.path.join(folder, path))  # noqa: PTH100, PTH118


def check_requirement_url(url: str, place: str) -> SplitResult:
    """Return the parts of a direct reference's URL.

    Raises:
        SpecError: The transport is not one of those allowed, or the URL could be taken for something else
            (`requirement-transport`).
    """
    scheme = url.partition(":")[0].lower()
    if scheme not in _REQUIREMENT_SCHEMES:
        allowed = ", ".join(sorted(_REQUIREMENT_SCHEMES))
        raise _transport(url, place, f"the transport {quoted(scheme)} is not allowed", f"use one of {allowed}")
    if _BLANK_OR_CONTROL.search(url):
        remedy = "put a blank between the URL and the `;`" if ";" in url else "percent-encode them"
        raise _transport(url, place, "a URL may not hold blanks or control characters", remedy)
    parts = _split(url, place)
    _check_parts(url, parts, place)
    return parts


def check_index_url(url: str, place: str) -> str:
    """Return `url` if it can be an index: https, http or file.

    Raises:
        SpecError: It cannot (`source-invalid`).
    """
    parts = _parts(url)
    if parts is None or parts.scheme not in _INDEX_SCHEMES or not (parts.hostname or parts.path.startswith("/")):
        raise _source(url, place, "is not the URL of an index", "write https://..., http://... or file:///...")
    return url


def check_find_links(text: str, place: str) -> str:
    """Return `text` if it can be a place of wheels: a URL or a directory.

    Raises:
        SpecError: It cannot (`source-invalid`).
    """
    if not text or text.startswith("-") or has_control(text):
        raise _source(text, place, "is not a directory or URL", "write an absolute directory or https://...")
    if "://" in text:
        return check_index_url(text, place)
    return text


def check_host(text: str, place: str) -> str:
    """Return `text` if it is a host, or host and port.

    Raises:
        SpecError: It is not (`source-invalid`).
    """
    if not re.fullmatch(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*)|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?", text):
        raise _source(text, place, "is not a host", "write host or host:port")
    return text


def _parts(url: str) -> SplitResult | None:
    if _BLANK_OR_CONTROL.search(url):
        return None
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _split(url: str, place: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise _transport(url, place, f"the URL is malformed ({error})", "correct the URL") from error
    return parts


def _check_parts(url: str, parts: SplitResult, place: str) -> None:
    if parts.scheme.endswith("file"):
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/") or parts.path == "/":
            raise _transport(url, place, "a file URL needs an absolute path", "write file:///...")
    elif not parts.hostname:
        raise _transport(url, place, "the URL names no host", "correct the URL")
    # git hands host, user and revision to other programs, where a leading dash would be an option.
    pieces = (parts.hostname or "", parts.username or "", parts.path.partition("@")[2])
    if any(piece.startswith("-") for piece in pieces):
        raise _transport(url, place, "host, user or revision starts with `-`", "correct the URL")


def _transport(url: str, place: str, reason: str, remedy: str) -> SpecError:
    return SpecError(f"{quoted(url)}: {reason}", code="requirement-transport", where=place, remedy=remedy)


def _source(text: str, place: str, reason: str, remedy: str) -> SpecError:
    return SpecError(f"{quoted(text)} {reason}", code="source-invalid", where=place, remedy=remedy)
