"""Contents of one distribution: files, import names, console scripts. Read for a few at a time."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from venvkit.host.distribution import Distribution
from venvkit.host.metadata import read_text

_MODULE_SUFFIXES = (".py", ".so", ".pyd", ".pyc")
STRAY_NAMES = frozenset(("test", "tests", "doc", "docs", "example", "examples", "benchmark", "benchmarks", "scripts"))
"""What distributions put at the top by mistake: nobody imports it."""


def files(distribution: Distribution) -> tuple[str, ...]:
    """Return the paths of its files, relative to its site directory; none where nothing recorded them.

    Distribution packages of Debian, and folders that were put on the path by hand, have no such record.
    """
    record = read_text(f"{distribution.location}/RECORD")
    if record is not None:
        return tuple(path for path, _ in recorded(record))
    installed = read_text(f"{distribution.location}/installed-files.txt")
    if installed is None:
        return ()
    # Written by pip beside an egg-info: relative to that folder, not to the one above it.
    return tuple(
        os.path.relpath(Path(distribution.location, line), distribution.site_dir)
        for line in map(str.strip, installed.splitlines())
        if line
    )


def recorded(record: str) -> Iterator[tuple[str, str]]:
    """Yield path and digest of each line of a RECORD; the quoting that a few have is ten times as slow to read."""
    if '"' in record:
        for row in csv.reader(record.splitlines()):
            if row and row[0]:
                yield row[0], row[1] if len(row) > 1 else ""
        return
    for line in record.splitlines():
        path, _, rest = line.partition(",")
        if path:
            yield path, rest.partition(",")[0]


def import_names(distribution: Distribution) -> frozenset[str]:
    """Return the top-level names it makes importable: from its files, else as its installer noted them."""
    names = _import_names(files(distribution))
    if names and not distribution.editable:
        return names
    noted = read_text(f"{distribution.location}/top_level.txt")
    if noted is not None:
        return frozenset(name for name in noted.split() if name.isidentifier())
    # Nothing tells: an editable's modules are elsewhere. The name itself is what most are called.
    guess = distribution.name.replace("-", "_")
    places = (Path(distribution.site_dir, guess), Path(distribution.site_dir, f"{guess}.py"))
    return frozenset({guess}) if distribution.editable or any(place.exists() for place in places) else frozenset()


def main_names(distribution: Distribution) -> frozenset[str]:
    """Return the top-level names by which it is used.

    Names with an underscore and extension modules beside packages are parts of it, often to be imported after others
    (`flash_attn_2_cuda` after `torch`); where it has nothing else, they count.
    """
    names = import_names(distribution)
    loose = {path.partition(".")[0] for path in files(distribution) if "/" not in path and path.endswith(".so")}
    return frozenset(name for name in names - loose - STRAY_NAMES if not name.startswith("_")) or names


def scripts(distribution: Distribution) -> tuple[tuple[str, str], ...]:
    """Return its console scripts as (name, `module:attribute`), in the order of its entry points."""
    text = read_text(f"{distribution.location}/entry_points.txt")
    if text is None:
        return ()
    import configparser

    parser = configparser.ConfigParser(delimiters=("=",), strict=False, interpolation=None)
    # The default would make the names of scripts lower case.
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except configparser.Error:
        return ()
    if not parser.has_section("console_scripts"):
        return ()
    return tuple((name, value.partition("[")[0].strip()) for name, value in parser.items("console_scripts"))


def _import_names(paths: Iterable[str]) -> frozenset[str]:
    """Return the import names to which files of a site directory belong, one look for each that is found."""
    found: dict[str, str] = {}
    for path in paths:
        top, slash, _ = path.removeprefix("./").partition("/")
        if top in found or not path.endswith(_MODULE_SUFFIXES):
            continue
        name = top if slash else top.partition(".")[0]
        found[top] = name if name.isidentifier() and top != "__pycache__" else ""
    return frozenset(filter(None, found.values()))
