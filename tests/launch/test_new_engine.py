"""An engine that nobody knew when venvkit was released: a data file is all that it takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts import Host
from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit import ensure_env, plan_env
from venvkit.errors import SpecError, UsageError

DATA = """
[engines.newengine]
aliases = ["new-engine-server"]
packages = ["newengine>=2", "helper", 'kernels ; has_cuda']
extra_index_urls = ["{own}"]
index_strategy = "unsafe-best-match"
constraints = ["helper<2"]
excludes = ["unwanted"]
no_inherit = ["newengine"]
verify = ["newengine:ready"]

[engines.newengine.formats]
newformat = ["loader"]

[[engines.newengine.cuda_indexes]]
cuda = ">=13"
index_url = "{cuda}"
packages = ["kernels"]

[rules.newengine-big]
engines = ["newengine"]
models = ["big"]
packages = ["sharding"]
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[HttpIndex]:
    """The engine's index: what the usual one has, but a build that works."""
    house = Wheelhouse(tmp_path / "own")
    house.add("newengine", "2.1", requires=["helper", "unwanted"], files={"newengine.py": "ready = 'own'\n"})
    server = HttpIndex(house).start()
    yield server
    server.stop()


@pytest.fixture
def cuda(tmp_path: Path) -> Iterator[HttpIndex]:
    house = Wheelhouse(tmp_path / "cuda")
    house.add("kernels", "1.0", files={"kernels.py": "build = 'cuda'\n"})
    server = HttpIndex(house).start()
    yield server
    server.stop()


@pytest.fixture
def host_with_an_old_one(host: Host, wheelhouse: Wheelhouse, index: HttpIndex, monkeypatch: pytest.MonkeyPatch) -> Host:
    wheelhouse.add("newengine", "2.0", files={"newengine.py": "ready = 'host'\n"})
    wheelhouse.add("helper", "1.5")
    wheelhouse.add("helper", "2.0")
    wheelhouse.add("unwanted", "1.0")
    wheelhouse.add("loader", "1.0")
    wheelhouse.add("sharding", "1.0")
    wheelhouse.add("kernels", "2.0", files={"kernels.py": "build = 'cpu'\n"})
    host.install("newengine==2.0")
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    return host


def write_model(tmp_path: Path, name: str) -> Path:
    path = tmp_path / f"{name}.json"
    block = {"packages": ['#newengine_dependencies# ; #engine# == "NewEngine"']}
    model = {"model_name": name, "model_specs": [{"model_format": "newformat"}], "virtualenv": block}
    path.write_text(json.dumps(model), encoding="utf-8")
    return path


@pytest.mark.parametrize("place", ["home", "variable"])
def test_a_new_engine_is_a_data_file(
    host_with_an_old_one: Host, own: HttpIndex, cuda: HttpIndex, home: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, place: str,
) -> None:  # fmt: skip
    host, spec = host_with_an_old_one, write_model(tmp_path, "big")
    with pytest.raises(SpecError, match="newengine"):
        plan_env(spec, engine="NewEngine", host_python=host.python)

    file = home / "venvkit" / "engines.toml" if place == "home" else tmp_path / "mine.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(DATA.format(own=own.url, cuda=cuda.url), encoding="utf-8")
    if place == "variable":
        monkeypatch.setenv("VENVKIT_ENGINES", str(file))
    choices = {"host_python": host.python, "model_format": "newformat", "accelerator": "cuda=13.0,arch=sm_90"}
    env = ensure_env(spec, engine="New-Engine_Server", **choices)  # type: ignore[arg-type]
    assert env.receipt is not None
    installed = {str(item.name): item.version for item in env.receipt.plan.install}
    assert installed == {"newengine": "2.1", "helper": "1.5", "kernels": "1.0", "loader": "1.0", "sharding": "1.0"}
    code = "import newengine, kernels; print(newengine.ready, kernels.build)"
    assert env.run(["python", "-c", code], capture=True).stdout.split() == ["own", "cuda"]
    assert env.shell.parent.name == "newengine"


def test_what_a_data_file_says_is_checked_and_kept_up_with(
    host_with_an_old_one: Host, own: HttpIndex, cuda: HttpIndex, home: Path, tmp_path: Path
) -> None:
    host, spec = host_with_an_old_one, write_model(tmp_path, "small")
    file = home / "venvkit" / "engines.toml"
    file.parent.mkdir(parents=True)
    data = DATA.format(own=own.url, cuda=cuda.url)
    file.write_text(data, encoding="utf-8")
    first = ensure_env(spec, engine="newengine", host_python=host.python, accelerator="none")
    assert not ensure_env(spec, engine="newengine", host_python=host.python, accelerator="none").built
    file.write_text(data.replace("helper<2", "helper>=2"), encoding="utf-8")
    second = ensure_env(spec, engine="newengine", host_python=host.python, accelerator="none")
    assert second.built
    assert second.path != first.path
    file.write_text(data.replace("newengine:ready", "new engine").replace("[[", "[engines.other]\npackages = 1\n[["))
    with pytest.raises(SpecError) as caught:
        ensure_env(spec, engine="newengine", host_python=host.python, accelerator="none")
    assert (caught.value.code, caught.value.where) == ("engines-invalid", str(file))
    assert [line.partition(":")[0] for line in caught.value.details] == [
        "engines.newengine.verify[0]",
        "engines.other.packages",
    ]
    with pytest.raises(UsageError) as unknown:
        file.write_text(data, encoding="utf-8")
        ensure_env(spec, engine="newengin", host_python=host.python)
    assert "newengine" in unknown.value.remedy
