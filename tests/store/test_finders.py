"""Import finders that the host's start-up files put in front do not hide what the environment has."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse
from venvkit import ensure_env

FINDER = """\
import importlib.util, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in ("pand", "other"):
            return importlib.util.spec_from_file_location(name, f"{PLACE!r}/{name}.py".replace("'", ""))
sys.meta_path.insert(0, Finder())
"""


def test_an_editable_finder_of_the_host_gives_way(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, tmp_path: Path
) -> None:
    for name in ("pand", "other"):
        (tmp_path / f"{name}.py").write_text("__version__ = 'source'\n")
    wheelhouse.add("pand", "2.3", files={"_finder.py": f"PLACE = {str(tmp_path)!r}\n{FINDER}"})
    wheelhouse.add("pand", "2.2")
    host.install("pand==2.3")
    (host.site_packages / "finder.pth").write_text("import _finder\n")
    env = ensure_env(write_spec("m", ["pand<2.3"]), host_python=host.python)
    code = "import pand, other; print(pand.__version__, other.__version__)"
    assert env.run(["python", "-c", code], capture=True).stdout.split() == ["2.2", "source"]
