"""The steps of lint: read specs, check each, check them together, and add the line of each finding."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from venvkit.base.mask import mask
from venvkit.errors import CancelledError
from venvkit.lint.conditions import idle_conditions
from venvkit.lint.findings import Finding, Spot, finding
from venvkit.lint.merging import duplicates, engines_without_packages, void_lines
from venvkit.lint.names import unknown_names
from venvkit.lint.positions import line_of, lines_of
from venvkit.lint.subjects import Subject, read_subjects
from venvkit.lint.worlds import Worlds
from venvkit.spec.engine_values import EngineTable

# Looks for what the sources lack, passing over the lines that ask for nothing.
Releases = Callable[[Sequence[Subject], Worlds, Collection[Spot]], Iterable[Finding]]
_VOID = frozenset({"marker-false", "specifier-empty", "line-replaced", "line-excluded"})


class Checked(Struct, frozen=True):
    """The number of specs checked, and the findings in the order of files, objects and places."""

    specs: int
    findings: tuple[Finding, ...]


def lint(
    paths: Sequence[str],
    *,
    engines: EngineTable,
    variables: Collection[str] = (),
    releases: Releases | None = None,
) -> Checked:
    """Look specs over.

    Args:
        paths: Files, and folders that are searched with all that is below them.
        variables: Names of the `#variables#` that a launch passes, without the hashes.
        releases: Looks for releases; None leaves the indexes alone.

    Raises:
        CancelledError: The caller wants to stop.

    >>> from venvkit.spec.data import data_dir
    >>> from venvkit.spec.engines import load_engines
    >>> table = load_engines([data_dir() / "engines.toml"])
    >>> lint([str(data_dir() / "models")], engines=table).findings
    ()
    """
    worlds = Worlds(engines)
    read = tuple(read_subjects(paths, engines))
    subjects = [one for one in read if isinstance(one, Subject)]
    found = [one for one in read if isinstance(one, Finding)]
    for subject in subjects:
        found += _guarded(subject, worlds.afresh(), variables)
    found += duplicates(subjects)
    if releases is not None:
        found += releases(subjects, worlds, {one.spot for one in found if one.code in _VOID})
    specs = {one.spot.document for one in read}
    return Checked(len(specs), _placed(found, [one.spot.file for one in read]))


def _guarded(subject: Subject, worlds: Worlds, variables: Collection[str]) -> list[Finding]:
    """Look one spec over; what is too odd for that hides nothing of the others."""
    found: list[Finding] = []
    try:
        found.extend(_of_one(subject, worlds, variables))
    except CancelledError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a spec can hold
        what = f"the spec could not be looked over to the end: {mask(f'{type(error).__name__}: {error}')}"
        found.append(finding("not-checked", subject.spot, what, "write it more simply, and please report it"))
    return found


def _of_one(subject: Subject, worlds: Worlds, variables: Collection[str]) -> Iterator[Finding]:
    yield from unknown_names(subject, worlds.engines, variables)
    yield from idle_conditions(subject, worlds, variables)
    yield from void_lines(subject, worlds)
    yield from engines_without_packages(subject, worlds)


def _placed(findings: Iterable[Finding], files: Sequence[str]) -> tuple[Finding, ...]:
    """Return the findings in the order of what was read, each with its line."""
    order = {file: number for number, file in reversed(list(enumerate(files)))}
    texts = _Texts()
    return tuple(
        sorted(
            (replace(one, spot=replace(one.spot, line=texts.line(one))) for one in findings),
            key=lambda one: (order.get(one.spot.file, len(order)), one.spot.index or 0, _natural(one.spot.place)),
        )
    )


def _natural(place: str) -> list[tuple[int, str]]:
    """Return a key by which `packages[10]` comes after `packages[9]`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", place)]


class _Texts(Struct, frozen=True):
    """The lines of the JSON files in which something was found; each is read again, once."""

    _known: dict[str, Mapping[str, int]] = field(default_factory=dict)

    def line(self, finding: Finding) -> int | None:
        spot = finding.spot
        if not spot.file.endswith(".json") or (finding.code.startswith("spec-") and not spot.place):
            return None
        if spot.file not in self._known:
            self._known[spot.file] = lines_of(Path(spot.file).read_bytes().removeprefix(b"\xef\xbb\xbf").decode())
        path = spot.place if spot.index is None else f"[{spot.index}].{spot.place}".rstrip(".")
        return line_of(self._known[spot.file], path)
