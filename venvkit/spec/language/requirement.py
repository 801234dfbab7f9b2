"""One string of a spec: a requirement, a wish for the host's version, or an engine's default packages.

HEAD [; MARKER]        in a URL the marker begins at a `;` that follows a blank, as in PEP 508
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal
from urllib.parse import SplitResult, parse_qs, quote, unquote

from msgspec import Struct
from packaging.requirements import InvalidRequirement
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from venvkit.base.paths import expand_home
from venvkit.errors import SpecError
from venvkit.spec.language.marker import Marker, parse_marker
from venvkit.spec.language.pep508 import DIRECT, NAME, URL, parse_head, split_marker
from venvkit.spec.language.urls import absolute_path, check_requirement_url, has_control, quoted

_SYSTEM = re.compile(rf"#system_({NAME})#", re.IGNORECASE)
_ENGINE = re.compile(rf"#({NAME})_dependencies#|({NAME})_dependencies", re.IGNORECASE)
_DIRECT_PATH = re.compile(
    rf"(?P<name>\s*(?:{NAME}\s*(?:\[[^\]]*\])?\s*@\s*)?)(?:(?P<scheme>file:)(?!/)|(?<=[@\s])(?=\.\.?/|~|/))(?P<path>\S+)"
)
_PATH = re.compile(r"[./~\\]|[A-Za-z]:[\\/]")


class Requirement(Struct, frozen=True):
    """A requirement without conditions; `str()` is its PEP 508 line.

    Args:
        name: The distribution, normalized.
        extras: Its extras, normalized and sorted.
        specifier: Versions accepted, `""` for any.
        url: The direct reference, or None.
        origin: What asked for it: `virtualenv.packages[3]`, `engine vllm packages[0]`, `caller packages[0]`.
        wish: The host's version is preferred, and may be given up where it makes the request unsatisfiable.
        bare: `url` was given alone and `name` is only guessed from it; the real one shows when it is built.
    """

    name: NormalizedName
    extras: tuple[str, ...]
    specifier: str
    url: str | None
    origin: str
    wish: bool = False
    bare: bool = False

    def __str__(self) -> str:
        if self.bare and self.url is not None:
            return self.url
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.name}{extras} @ {self.url}" if self.url else f"{self.name}{extras}{self.specifier}"


class Line(Struct, frozen=True):
    """A parsed string of a spec.

    Args:
        kind: `requirement`; `system` for `#system_NAME#`; `engine` for `#ENGINE_dependencies#`.
        name: The distribution's normalized name, or the engine as written.
        requirement: What is required; for `system` the bare name, until the host's version is known.
    """

    kind: Literal["requirement", "system", "engine"]
    name: str
    requirement: Requirement | None
    marker: Marker | None


def parse_line(text: str, *, place: str, known_variables: Collection[str] | None = None) -> Line:
    """Parse one string of a spec.

    Args:
        place: Where it stands, for messages; it becomes the requirement's origin.
        known_variables: Names of the `#variables#` that have a value; None accepts any.

    Raises:
        SpecError: `requirement-option` (it starts with `-`), `requirement-transport` (a URL not allowed),
            `marker-unknown`, else `requirement-invalid`; the text is quoted, with secrets masked.
    """
    stripped = text.strip(" \t")
    _refuse(stripped, place)
    head, marker_text = split_marker(stripped)
    if marker_text is not None and not marker_text.strip():
        raise _invalid(text, place, "nothing follows the `;`", "write a marker, or remove the `;`")
    marker = None
    if marker_text is not None:
        marker = parse_marker(marker_text.strip(), known=known_variables, place=place)
    if found := _SYSTEM.fullmatch(head):
        name = canonicalize_name(found[1])
        return Line("system", name, Requirement(name, (), "", None, place), marker)
    if found := _ENGINE.fullmatch(head):
        return Line("engine", found[1] or found[2], None, marker)
    requirement = _requirement(head, text, place)
    return Line("requirement", requirement.name, requirement, marker)


def with_absolute_path(text: str, folder: str | None, user_home: str = "") -> str:
    """Return a line with the path of its direct reference made an absolute file URL.

    >>> with_absolute_path("tool @ ./wheels/tool-1.0-py3-none-any.whl ; os_name == 'posix'", "/models")
    "tool @ file:///models/wheels/tool-1.0-py3-none-any.whl ; os_name == 'posix'"

    Args:
        text: A string of a spec. One without a path, or with a URL of a host, is returned as it is.
        folder: What relative paths are relative to; None leaves them as they are.
        user_home: The directory that `~` stands for; empty takes the one of this process's user.
    """
    head, _ = split_marker(text)
    found = _DIRECT_PATH.fullmatch(head)
    if found is None or not ("@" in found["name"] or found["scheme"]):
        return text  # a path alone does not tell the name of its distribution
    path, fragment, digest = found["path"].partition("#")
    path = expand_home(path, user_home)
    absolute = absolute_path(unquote(path) if found["scheme"] else path, folder)
    if not absolute.startswith("/"):
        return text
    return f"{found['name']}file://{quote(absolute)}{fragment}{digest}{text[len(head) :]}"


def _refuse(text: str, place: str) -> None:
    """Refuse what an installer could take for something other than a requirement."""
    if not text:
        raise _invalid(text, place, "is empty", "remove it, or write a requirement")
    if text.startswith("-"):
        raise SpecError(
            f"{quoted(text)} starts with `-`: options are not accepted among packages",
            code="requirement-option",
            where=place,
            remedy="use the fields index_url, extra_index_url, find_links or constraints instead",
        )
    if _PATH.match(text):
        remedy = "write `name @ file:///absolute/path`"
        raise _invalid(text, place, "is a local path", remedy)
    if has_control(text) and not (URL.match(text) or DIRECT.match(text)):
        raise _invalid(text, place, "holds a control character or a line break", "write one requirement")


def _requirement(head: str, text: str, place: str) -> Requirement:
    if URL.match(head):
        return _bare(head, place)
    if direct := DIRECT.fullmatch(head):
        check_requirement_url(direct[3], place)
        name, extras, _ = _pep508(f"{direct[1]}{direct[2] or ''}", text, place)
        return Requirement(name, extras, "", direct[3], place)
    name, extras, specifier = _pep508(head, text, place)
    return Requirement(name, extras, specifier, None, place)


def _pep508(head: str, text: str, place: str) -> tuple[NormalizedName, tuple[str, ...], str]:
    try:
        parsed = parse_head(head)
    except InvalidRequirement as error:
        reason = str(error).partition("\n")[0]
        remedy = "write it like `name[extra]>=1.0` or `name @ https://...`"
        if head.startswith("#"):
            reason, remedy = "unknown placeholder", "known are `#system_NAME#` and `#ENGINE_dependencies#`"
        raise _invalid(text, place, f"is not a requirement: {reason}", remedy) from error
    return parsed.name, tuple(sorted(parsed.extras)), str(parsed.specifier)


def _bare(url: str, place: str) -> Requirement:
    """Return the requirement of a URL alone; only a wheel's or sdist's file name tells the real name."""
    parts = check_requirement_url(url, place)
    egg = parse_qs(parts.fragment).get("egg", [""])[0]
    if egg:
        name, extras, _ = _pep508(egg, url, place)
        return Requirement(name, extras, "", url, place, bare=parts.scheme.startswith("git+"))
    path = unquote(parts.path)
    if parts.scheme.startswith("git+"):
        stem = path.partition("@")[0].rstrip("/").rpartition("/")[2]
        name, _, _ = _pep508(stem.removesuffix(".git"), url, place)
        return Requirement(name, (), "", url, place, bare=True)
    return Requirement(_archive_name(path.rpartition("/")[2], parts, place), (), "", url, place)


def _archive_name(file: str, parts: SplitResult, place: str) -> NormalizedName:
    try:
        return parse_wheel_filename(file)[0] if file.endswith(".whl") else parse_sdist_filename(file)[0]
    except (InvalidWheelFilename, InvalidSdistFilename) as error:
        raise _invalid(parts.geturl(), place, "does not tell the distribution's name", "write `name @ URL`") from error


def _invalid(text: str, place: str, reason: str, remedy: str) -> SpecError:
    return SpecError(f"{quoted(text)} {reason}", code="requirement-invalid", where=place, remedy=remedy)
