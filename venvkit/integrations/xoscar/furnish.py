"""What a server looks for in a shell, beside the interpreter: distributions, CUDA libraries, files that it edits.

The distributions of a model lie in its environment, which is sealed and may be shared. In the shell stand for them:

* a mirror of each `dist-info`, of links, by which the server counts what has arrived and lists what is there, and by
  which uv knows it. The RECORD of a mirror names the mirror alone, so that an uninstall removes nothing else;
* links to the folders of CUDA libraries, which the server puts into LD_LIBRARY_PATH;
* copies of the distributions that the server edits in place. The shell comes first on `sys.path`, so the model imports
  the copy; environment, host and uv's cache keep their files.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from venvkit.base.files import ASIDE, TEMPORARY, delete
from venvkit.base.reading import content_of
from venvkit.formats.pointer import COPY, STAND_IN

_MIRROR = STAND_IN + b"mirror\n"
_SUFFIX = ".dist-info"
# Patches change source code; the rest of a large distribution is linked.
_EDITABLE = (".py", ".pyi", ".json", ".txt", ".toml", ".yaml", ".yml", ".jinja", ".cfg")


def furnish(site: Path, environment_site: Path, edited: Iterable[str]) -> None:
    """Make a shell stand for an environment.

    Args:
        site: The shell's site-packages.
        environment_site: The environment's.
        edited: Names of the distributions that the server edits in place.
    """
    site.mkdir(parents=True, exist_ok=True)
    names = {canonicalize_name(name) for name in edited}
    for name in names:
        _copy(site, environment_site, name)
    _mirror_all(site, environment_site)
    _link_libraries(site, environment_site)


def announce(site: Path, name: str, version: str) -> None:
    """Show that a distribution of an installation in progress has arrived; `furnish` and `withdraw` remove this."""
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    folder = site / f"{name.replace('-', '_')}-{version}{_SUFFIX}"
    if not folder.exists():
        _make_mirror(folder, {}, metadata)


def withdraw(site: Path) -> None:
    """Remove what was announced for an installation that did not come to its end."""
    for folder in _dist_infos(site):
        if _installer(folder) == _MIRROR and not (folder / "METADATA").is_symlink():
            delete(folder)


def _mirror_all(site: Path, environment_site: Path) -> None:
    wanted = {path.name: path for path in _dist_infos(environment_site)}
    foreign = set()
    for folder in _dist_infos(site):
        if _installer(folder) != _MIRROR:
            foreign.add(_name_of(folder))
        elif folder.name not in wanted or not _mirrors(folder, wanted[folder.name]):
            delete(folder)
    for name, source in wanted.items():
        if not (site / name).exists() and _name_of(source) not in foreign:
            links = {entry.name: entry for entry in source.iterdir() if entry.is_file()}
            _make_mirror(site / name, links)


def _make_mirror(folder: Path, links: dict[str, Path], metadata: bytes | None = None) -> None:
    fresh = folder.with_name(f"{TEMPORARY}{folder.name}")
    delete(fresh)
    fresh.mkdir()
    for name, target in links.items():
        if name not in ("RECORD", "INSTALLER"):
            (fresh / name).symlink_to(target)
    if metadata is not None:
        (fresh / "METADATA").write_bytes(metadata)
    (fresh / "INSTALLER").write_bytes(_MIRROR)
    names = sorted([*(entry.name for entry in fresh.iterdir()), "RECORD"])
    (fresh / "RECORD").write_text("".join(f"{folder.name}/{name},,\n" for name in names), encoding="utf-8")
    with contextlib.suppress(OSError):  # another thread was faster
        fresh.rename(folder)
    delete(fresh)


def _mirrors(folder: Path, source: Path) -> bool:
    place = folder / "METADATA"
    return place.is_symlink() and place.readlink() == source / "METADATA"


def _dist_infos(site: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from [
            path for path in site.iterdir() if path.name.endswith(_SUFFIX) and not path.name.startswith((".", "~"))
        ]


def _name_of(folder: Path) -> str:
    return canonicalize_name(folder.name.partition("-")[0])


def _installer(folder: Path) -> bytes:
    return content_of(folder / "INSTALLER")


def _link_libraries(site: Path, environment_site: Path) -> None:
    """Link `nvidia/*/lib` of the environment, and remove the links to those of a former one."""
    for link in site.glob("nvidia/*/lib"):
        if link.is_symlink() and link.readlink() != environment_site / link.relative_to(site):
            link.unlink()
    for folder in environment_site.glob("nvidia/*/lib"):
        link = site / folder.relative_to(environment_site)
        link.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            link.symlink_to(folder)


def _copy(site: Path, environment_site: Path, name: str) -> None:
    """Copy a distribution of the environment, or else of the host, into the shell; keep a copy of the same version."""
    source = _find(name, [str(environment_site)]) or _find(name, None)
    present = _find(name, [str(site)])
    kind = _installer(_folder(present)) if present is not None else b""
    if present is not None and kind == COPY:
        if source is not None and source.version == present.version:
            return
        _remove_copy(site, present)
    if source is not None and kind in (b"", COPY, _MIRROR):
        if present is not None and kind == _MIRROR:
            delete(_folder(present))
        _write_copy(site, source)


def _find(name: str, path: list[str] | None) -> Distribution | None:
    found = distributions(name=name) if path is None else distributions(name=name, path=path)
    return next((item for item in found if _folder(item).name.endswith(_SUFFIX)), None)


def _folder(item: Distribution) -> Path:
    return Path(str(item._path))  # type: ignore[attr-defined]


def _write_copy(site: Path, source: Distribution) -> None:
    fresh = site / f"{TEMPORARY}{_folder(source).name}"
    delete(fresh)
    fresh.mkdir()
    for file in source.files or ():
        if ".." in file.parts or "__pycache__" in file.parts:
            continue
        original, copy = Path(str(file.locate())), fresh / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        _put(original, copy)
    (fresh / _folder(source).name / "INSTALLER").write_bytes(COPY)
    # The dist-info last: it says that the copy is whole.
    for entry in sorted(fresh.iterdir(), key=lambda entry: entry.name.endswith(_SUFFIX)):
        delete(site / entry.name)
        entry.rename(site / entry.name)
    delete(fresh)


def _put(original: Path, copy: Path) -> None:
    if copy.suffix not in _EDITABLE and copy.name != "INSTALLER" and not copy.parent.name.endswith(_SUFFIX):
        copy.symlink_to(os.path.realpath(original))
        return
    with contextlib.suppress(FileNotFoundError):  # RECORD names what is gone
        shutil.copy2(original, copy)


def _remove_copy(site: Path, present: Distribution) -> None:
    tops = {file.parts[0] for file in present.files or () if ".." not in file.parts}
    for top in sorted(tops, key=lambda top: not top.endswith(_SUFFIX)):
        aside = site / f"{ASIDE}{top}"
        with contextlib.suppress(FileNotFoundError):
            (site / top).rename(aside)
            delete(aside)
