"""Wheel variants: which file uv chooses for a pin, where the operator switched them on.

uv 0.13 takes wheels of PEP 825 (https://peps.python.org/pep-0825/) behind `--preview-features wheel-variants`, but its
pylock.toml export refuses a package that resolved to one. Its log of a dry run names the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from venvkit.plan.values import Pin
from venvkit.spec.request import Sources
from venvkit.tools.pylock import LockedFile

LOG = "uv_resolver::resolver=debug,uv_client::cached_client=debug"
"""The value of RUST_LOG with which a dry run tells the files that it chooses, and their addresses."""
_REFUSED = re.compile(r".* resolved to a wheel variant|.*does not support wheel variants: ")
_SELECTED = re.compile(r"\s*DEBUG Selecting: (?P<name>[\w.-]+)==\S+ \[\w+\] \((?P<file>\S+\.whl)\)")
_ADDRESS = re.compile(r"\s*DEBUG .* for: (?P<url>\S+\.whl)(?:\.metadata)?$")


def lock_refuses(details: Iterable[str]) -> bool:
    """Tell whether a failed export of a lock says that a package resolved to a variant."""
    return any(_REFUSED.match(line) for line in details)


def wheel_label(url: str) -> str:
    """Return the variant label of a wheel, by its address or file name; empty for one without.

    >>> wheel_label("tool-1.0-py3-none-any-x8664v3.whl"), wheel_label("tool-1.0-2-py3-none-any.whl")
    ('x8664v3', '')
    """
    path = unquote(urlsplit(url).path)
    parts = path.rpartition("/")[2].removesuffix(".whl").split("-")
    # A build number, which stands behind the version, begins with a digit; a Python tag does not.
    numbered = len(parts) > 5 and parts[2][:1].isdigit()
    return parts[-1] if path.endswith(".whl") and len(parts) == (7 if numbered else 6) else ""


def variant_files(pins: Iterable[Pin], log: str, sources: Sources) -> Iterator[LockedFile]:
    """Yield the file of each pin that is a wheel variant.

    Args:
        log: The log of a dry run of the pins, made with `LOG`.
    """
    lines = log.splitlines()
    chosen = {canonicalize_name(match["name"]): match["file"] for line in lines if (match := _SELECTED.match(line))}
    seen = (match["url"] for line in lines if (match := _ADDRESS.match(line)))
    addresses = {unquote(url).rpartition("/")[2]: url for url in (*_local(sources), *seen)}
    for pin in pins:
        name = chosen.get(pin.name, "")
        url = pin.url or addresses.get(name, name)
        if wheel_label(url):
            parts = urlsplit(url)
            path = Path(unquote(parts.path))
            size = path.stat().st_size if parts.scheme == "file" and path.exists() else None
            yield LockedFile(pin.name, pin.version, "wheel", url, size, None)


def _local(sources: Sources) -> Iterator[str]:
    """Yield the addresses of the wheels in local folders, which no log names."""
    for link in sources.find_links:
        parts = urlsplit(link)
        if parts.scheme in ("", "file"):
            yield from (path.absolute().as_uri() for path in Path(unquote(parts.path)).glob("*.whl"))
