"""The mirror: a metadata-only venv in which uv takes the host's distributions as installed candidates.

It holds a real `*.dist-info` directory for each host distribution and not one file of theirs. It is only ever used
with `--dry-run`; `backend.uv` refuses anything else. Why not the host itself: uv refuses externally managed
interpreters, never looks past one site directory, and would fail on the first folder it cannot parse.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from msgspec import Struct
from packaging.utils import NormalizedName

from venvkit.base.digest import digest
from venvkit.base.files import made_once
from venvkit.host.distribution import Distribution
from venvkit.host.snapshot import HostSnapshot
from venvkit.spec.language.requires import parse_requires
from venvkit.tools.uv.client import MIRROR_MARK

# Part of every mirror's key: raise it when what a mirror holds changes.
_FORMAT = 5


class VenvMaker(Protocol):
    """Makes the bare environment of a mirror."""

    def create_venv(self, python: str, place: Path, *, clear: bool = False) -> None:
        """Create a bare virtual environment of the interpreter `python` at `place`."""
        ...


class Mirrors(Struct, frozen=True):
    """Makes mirrors, and keeps them under `folder` by what they hold.

    Args:
        maker: The tool that plans in them.
        importable: Whether a build in a mirror may import what the host has. Not for pip, which takes whatever is
            on `sys.path` for installed.
    """

    folder: Path
    maker: VenvMaker
    importable: bool = True

    def python(self, snapshot: HostSnapshot, hidden: frozenset[NormalizedName] = frozenset()) -> str:
        """Return the interpreter of a mirror of `snapshot` without the distributions in `hidden`."""
        interpreter = snapshot.interpreter
        content = snapshot.fingerprint if snapshot.distributions else ""
        known = hidden & {item.name for item in snapshot.distributions} if hidden else ()
        key = digest(
            [_FORMAT, self.importable, interpreter.python, interpreter.version, interpreter.site_dirs, content,
             sorted(known)]
        )[:32]  # fmt: skip
        home = self.folder / key
        if not (home / MIRROR_MARK).exists():
            self._make(home, snapshot, [item for item in snapshot.distributions if item.name not in hidden])
        return str(home / "bin" / "python")

    def _make(self, home: Path, snapshot: HostSnapshot, shown: list[Distribution]) -> None:
        with made_once(home, MIRROR_MARK) as attempt:
            self.maker.create_venv(snapshot.interpreter.python, attempt, clear=True)
            site_packages = next((attempt / "lib").glob("*/site-packages"))
            for item in shown:
                _write_dist_info(site_packages, item)
            if self.importable:
                # Builds without isolation import what the host has, torch above all.
                lines = [_path_line(path, snapshot.interpreter.pth_dirs) for path in snapshot.interpreter.site_dirs]
                (site_packages / "zzzz_venvkit_mirror.pth").write_text("".join(lines), encoding="utf-8")
            # uv locks the environment that it is asked about for as long as it resolves: one slow source would hold up
            # every other plan on this host. Nothing is written here, so nothing needs a lock; uv passes over one that
            # it cannot open.
            lock = attempt / ".lock"
            lock.unlink(missing_ok=True)
            lock.mkdir()
            (attempt / MIRROR_MARK).write_text("planning only, never install here\n", encoding="utf-8")


def _path_line(path: str, pth_dirs: Collection[str]) -> str:
    return f"import site; site.addsitedir({path!a})\n" if path in pth_dirs else f"{path}\n"


def _write_dist_info(site_packages: Path, item: Distribution) -> None:
    """Write what uv reads of a distribution, made from the snapshot: what is planned with is what uv sees."""
    folder = site_packages / f"{item.name.replace('-', '_')}-{item.version}.dist-info"
    folder.mkdir()
    fields = ["Metadata-Version: 2.1", f"Name: {item.name}", f"Version: {item.version}"]
    if item.requires_python:
        fields.append(f"Requires-Python: {item.requires_python}")
    # One line that uv cannot read would make it fail the whole plan.
    fields += [f"Requires-Dist: {parsed}" for line in item.requires if (parsed := parse_requires(line)) is not None]
    fields += [f"Provides-Extra: {extra}" for extra in item.extras]
    files = {
        "METADATA": "\n".join(fields) + "\n",
        "WHEEL": "\n".join(["Wheel-Version: 1.0", *(f"Tag: {tag}" for tag in item.tags)]) + "\n",
        "INSTALLER": "venvkit\n",
    }
    # Builds without isolation find their commands by these (setuptools does).
    with contextlib.suppress(OSError):
        files["entry_points.txt"] = Path(item.location, "entry_points.txt").read_text(encoding="utf-8")
    if item.direct_url:
        files["direct_url.json"] = _direct_url(item)
    # RECORD lists nothing but this folder: an uninstall removes what it lists.
    files["RECORD"] = "".join(f"{folder.name}/{name},,\n" for name in (*files, "RECORD"))
    for name, text in files.items():
        with open(f"{folder}/{name}", "w", encoding="utf-8") as out:  # noqa: PTH123 - six files for each of thousands
            out.write(text)


def _direct_url(item: Distribution) -> str:
    original = Path(item.location, "direct_url.json")
    try:
        return original.read_text(encoding="utf-8")
    except OSError:
        return json.dumps({"url": item.direct_url, "dir_info": {"editable": item.editable}})
