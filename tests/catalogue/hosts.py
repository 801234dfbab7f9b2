"""What the harness plans for: the catalogue, and a host built for the purpose; both kept outside the repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

CATALOGUE = "xinference==4.1.0"
HOST = (
    CATALOGUE,
    "torch==2.13.0",
    "transformers",
    "accelerate",
    "sentence-transformers",
    "pandas",
    "scikit-learn",
    "numba",
)
EXCLUDE_NEWER = "2026-11-22T00:00:00Z"

# Run by the interpreter that is looked at, so it may import nothing that is not in every Python. The first
# distribution of a name on `sys.path` wins, as it does for an import.
_DUMP = """
import importlib.metadata as metadata, json, os, platform, re, sys
found = {}
for item in metadata.distributions():
    name = item.metadata["Name"]
    if name and item.version:
        found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), (item.version, item.requires or []))
implementation = sys.implementation
environment = {
    "implementation_name": implementation.name,
    "implementation_version": "%d.%d.%d" % implementation.version[:3],
    "os_name": os.name,
    "platform_machine": platform.machine(),
    "platform_python_implementation": platform.python_implementation(),
    "platform_release": platform.release(),
    "platform_system": platform.system(),
    "platform_version": platform.version(),
    "python_full_version": platform.python_version(),
    "python_version": "%d.%d" % sys.version_info[:2],
    "sys_platform": sys.platform,
}
print(json.dumps({"python": sys.executable, "distributions": found, "environment": environment}))
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What an interpreter sees: name -> (version, Requires-Dist lines), and its PEP 508 environment."""

    distributions: dict[str, tuple[str, tuple[str, ...]]]
    environment: dict[str, str]


def cache_folder() -> Path:
    """Return where the harness keeps what it downloads and builds."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base, "venvkit-catalogue")


def look(python: str) -> Seen:
    """Ask an interpreter what it sees."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run([python, "-B", "-c", _DUMP], env=environ, capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    distributions = {name: (version, tuple(lines)) for name, (version, lines) in answer["distributions"].items()}
    return Seen(distributions, answer["environment"])


def get_catalogue(given: str | None) -> Path:
    """Return the folder of an unpacked catalogue: the given one, else a downloaded one."""
    if given:
        return Path(given)
    folder = cache_folder() / CATALOGUE
    if not (folder / "xinference").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", CATALOGUE, "-d", str(folder)]
        subprocess.run(command, check=True)
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    return folder


def get_host(given: str | None) -> str:
    """Return the interpreter of a host: the given one, else one that is built, once."""
    if given:
        return given
    prefix = cache_folder() / "host"
    done = prefix / "built"
    python = prefix / "bin" / "python"
    if not done.exists():
        uv = os.fsdecode(find_uv_bin())
        subprocess.run([uv, "venv", "--clear", "--python", sys.executable, str(prefix)], check=True)
        command = [uv, "pip", "install", "--python", str(python), "--exclude-newer", EXCLUDE_NEWER]
        # The CPU build comes from the folders that pip is configured with; its files carry no date of upload.
        for link in find_links():
            command += ["--find-links", link]
        subprocess.run([*command, "--exclude-newer-package", "torch=false", *HOST], check=True)
        done.touch()
    return str(python)


def find_links() -> tuple[str, ...]:
    """Return the folders of wheels that pip is configured with."""
    return tuple(_pip_option("find-links"))


def index_url() -> str | None:
    """Return the index that pip is configured with; None for its own."""
    return next(iter(_pip_option("index-url")), None)


def _pip_option(name: str) -> list[str]:
    """Ask pip; an option of the environment is listed last and wins."""
    done = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    found: list[str] = []
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        if key.rpartition(".")[2] == name:
            found = value.strip("'\"").split()
    return found
