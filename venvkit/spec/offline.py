"""A request for a machine without the public network: what names an address there is rewritten or refused."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from msgspec.structs import replace
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from venvkit.errors import SpecError
from venvkit.spec.language.requirement import Requirement
from venvkit.spec.request import Request


def without_public_network(request: Request) -> Request:
    """Return `request` with wheel addresses turned into pins, for a private index or wheel folders to satisfy.

    Raises:
        SpecError: A requirement names a checkout or another file that no index can serve (`offline-reference`); all
            of them are listed.
    """
    kept, refused = [], []
    for item in request.requirements:
        pinned = _pinned(item)
        if pinned is None:
            refused.append(f"{item.origin}: {item}")
        else:
            kept.append(pinned)
    if refused:
        raise SpecError(
            "offline, and the request names what no index can serve",
            code="offline-reference",
            where=request.model,
            details=tuple(refused),
            remedy="replace each by a version that the private index has, with --package name==version",
        )
    return replace(request, requirements=tuple(kept))


def _pinned(item: Requirement) -> Requirement | None:
    if item.url is None or item.url.startswith("file:"):
        return item
    try:
        _, version, _, _ = parse_wheel_filename(unquote(urlsplit(item.url).path).rpartition("/")[2])
    except InvalidWheelFilename:
        return None
    return replace(item, url=None, specifier=f"=={version}")
