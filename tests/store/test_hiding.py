"""Hidden distributions are as if they were not installed, for each way of looking for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

from tests.wheelhouse import Wheelhouse
from venvkit.store.env.hiding import hiding_source

_LOOKS = {
    "import": "try:\n    import gone\n    seen = True\nexcept ModuleNotFoundError:\n    seen = False",
    "import of a submodule": (
        "try:\n    import gone.inner\n    seen = True\nexcept ModuleNotFoundError:\n    seen = False"
    ),
    "find_spec": "import importlib.util\nseen = importlib.util.find_spec('gone') is not None",
    "metadata.version": (
        "import importlib.metadata as m\ntry:\n    seen = bool(m.version('Gone-Thing'))\n"
        "except m.PackageNotFoundError:\n    seen = False"
    ),
    "metadata.distributions": (
        "import importlib.metadata as m\nseen = 'gone-thing' in [d.metadata['Name'] for d in m.distributions()]"
    ),
    "entry_points": (
        "import importlib.metadata as m\nseen = 'gone-run' in [e.name for e in m.entry_points(group='console_scripts')]"
    ),
    "packages_distributions": "import importlib.metadata as m\nseen = 'gone' in m.packages_distributions()",
    "pkgutil": "import pkgutil\nseen = 'gone' in [m.name for m in pkgutil.iter_modules()]",
    "a forked worker": (
        "import multiprocessing, importlib.util\n"
        "def look(q):\n    q.put(importlib.util.find_spec('gone') is not None)\n"
        "q = multiprocessing.get_context('fork').Queue()\n"
        "p = multiprocessing.get_context('fork').Process(target=look, args=(q,)); p.start(); seen = q.get(); p.join()"
    ),
    "a spawned worker": (
        "import multiprocessing, importlib.util\n"
        "with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "    seen = pool.apply(importlib.util.find_spec, ('gone',)) is not None"
    ),
    "a child process": (
        "import subprocess, sys\n"
        "code = 'import importlib.util; print(importlib.util.find_spec(\"gone\") is not None)'\n"
        "seen = subprocess.check_output([sys.executable, '-c', code], text=True).strip() == 'True'"
    ),
}


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A venv that sees two distributions, one of them hidden."""
    folder = tmp_path_factory.mktemp("hiding")
    house = Wheelhouse(folder / "wheels")
    files = {"gone/__init__.py": "", "gone/inner.py": "", "shared/a.py": ""}
    house.add("gone-thing", "1.0", files=files, scripts={"gone-run": "gone:main"})
    house.add("kept", "1.0", files={"kept.py": "", "shared/b.py": ""}, scripts={"kept-run": "kept:main"})
    venv = folder / "venv"
    uv = os.fsdecode(find_uv_bin())
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(venv)], check=True)
    subprocess.run(
        [uv, "pip", "install", "-q", "--no-index", "--python", str(venv / "bin/python"), *map(str, house.made)],
        check=True,
    )
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "_hide.py").write_text(f"import sys\n{hiding_source(['gone'], ['Gone.Thing'])}")
    (site / "zz_hide.pth").write_text("import _hide\n")
    return venv / "bin/python"


@pytest.mark.parametrize("flags", [(), ("-I",)], ids=["plain", "-I"])
@pytest.mark.parametrize("look", _LOOKS)
def test_a_hidden_distribution_is_not_there(child: Path, look: str, flags: tuple[str, ...]) -> None:
    def seen(name: str) -> bool:
        code = _LOOKS[look].replace("gone-thing", name).replace("Gone-Thing", name).replace("gone.inner", "gone.inner")
        code = code if name == "gone-thing" else code.replace("gone", "kept")
        done = subprocess.run(
            [str(child), *flags, "-c", f"{code}\nimport json\nprint(json.dumps(seen))"],
            cwd="/", capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return bool(json.loads(done.stdout))

    assert seen("gone-thing") is False
    if look != "import of a submodule":
        assert seen("kept") is True


def test_names_that_a_visible_distribution_has_too_stay(child: Path) -> None:
    done = subprocess.run([str(child), "-c", "import shared.b, kept"], cwd="/", check=False)
    assert done.returncode == 0


def test_without_start_up_files_nothing_of_the_folder_is_seen(child: Path) -> None:
    code = "import importlib.util as u; print(u.find_spec('gone'), u.find_spec('kept'))"
    done = subprocess.run([str(child), "-S", "-c", code], cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "None"]


def test_nothing_to_hide_is_no_code() -> None:
    assert hiding_source(["x"], []) == ""
