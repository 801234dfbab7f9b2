"""The dependency phase beside xoscar's own manager: seconds, bytes, and what is broken in each model's process."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.catalogue import checker
from tests.catalogue.hosts import look
from tests.integrations.beside import ROOT, clean_environ, make_beside, xinference_host
from tests.wheelhouse import Wheelhouse
from venvkit.base.reading import parse_toml

pytestmark = pytest.mark.integration

MODELS = {"one": "left", "two": "right"}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Wheelhouse:
    house = Wheelhouse(tmp_path_factory.mktemp("wheels"))
    for version in ("8.0", "9.0"):
        house.add("mdurl", version)
    # One that goes with all of them: for who looks, the host's can be repaired.
    house.add("markdown-it-py", "5.0", requires=["mdurl"])
    house.add("bulk", "1.0", files={"bulk/__init__.py": "", "bulk/data.bin": os.urandom(3_000_000)})
    house.add("left", "1.0", requires=["mdurl==8.0", "bulk"])
    house.add("right", "1.0", requires=["mdurl==9.0", "bulk"])
    return house


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_beside(tmp_path_factory.mktemp("beside") / "venv", xinference_host()))


def measure(manager: str, python: str, folder: Path, wheels: Wheelhouse) -> dict[str, object]:
    """Launch the models with a manager: first, second, and by another process."""
    environ = clean_environ(folder)
    home = environ["XINFERENCE_HOME"]
    models = [f"{model}={package}" for model, package in MODELS.items()]
    script = str(Path(__file__).with_name("phases.py"))

    def run(*what: str) -> dict[str, float]:
        argv = [python, script, manager, home, wheels.url, *what]
        done = subprocess.run(argv, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
        return dict(json.loads(done.stdout.splitlines()[-1]))

    first, restarted = run(*models), run(*models)
    seen = {}
    for path in Path(home, "virtualenv").rglob("*"):
        state = path.lstat()
        seen[state.st_ino] = state.st_size
    return {
        "first": first,
        "after a restart": restarted,
        "bytes": sum(seen.values()),
        "broken": {model: broken(python, next(Path(home).glob(f"virtualenv/v4/{model}/*/*.*.*/bin/python")), package)
                   for model, package in MODELS.items()},
    }  # fmt: skip


def broken(host: str, child: Path, package: str) -> list[str]:
    """Return what the independent checker finds in what a child sees."""
    before, after = look(host), look(str(child))
    own = {name: item for name, item in after.distributions.items() if before.distributions.get(name) != item}
    hidden = before.distributions.keys() - after.distributions.keys()
    report = checker.check(before.distributions, own, [("the model", package)], after.environment, hidden=hidden)
    return sorted(f"{owner} wants {line}, found {found}" for owner, line, found in report.model | report.host)


def test_beside_xoscars_own_manager(beside: str, wheels: Wheelhouse, tmp_path: Path) -> None:
    measured = {}
    for manager in ("uv", "venvkit"):
        (tmp_path / manager).mkdir()
        measured[manager] = measure(manager, beside, tmp_path / manager, wheels)
    print(json.dumps(measured, indent=1))
    theirs, ours = measured["uv"], measured["venvkit"]
    assert any("mdurl" in line for line in theirs["broken"]["one"])  # type: ignore[index]
    assert ours["broken"] == {model: [] for model in MODELS}
    assert max(ours["after a restart"].values()) < 2  # type: ignore[attr-defined]
    assert int(str(ours["bytes"])) < int(str(theirs["bytes"])) + 2_000_000


def test_nothing_of_the_servers_moves_when_venvkit_is_installed_beside_it() -> None:
    host = look(xinference_host()).distributions
    project = parse_toml((ROOT / "pyproject.toml").read_bytes())["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["xoscar"]]
    unmet = [
        f"{line}, and the server has {found[0]}"
        for line in lines
        for requirement in [Requirement(line)]
        if (requirement.marker is None or requirement.marker.evaluate())
        and (found := host.get(canonicalize_name(requirement.name)))
        and not requirement.specifier.contains(Version(found[0]), prereleases=True)
    ]
    assert unmet == []
    assert {"click", "packaging", "uv", "xoscar"} <= host.keys()
