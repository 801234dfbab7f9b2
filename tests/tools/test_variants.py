"""Wheel variants: used where the operator switched them on, and nowhere else."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit import ensure_env, plan_env
from venvkit.errors import NoSolutionError, ProofError, VenvkitError
from venvkit.formats.receipt import read_receipt
from venvkit.launch.handle import Environment
from venvkit.tools.uv.variants import wheel_label

pytestmark = [
    pytest.mark.usefixtures("home"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the provider that is used here is of this machine"),
]
FITS = {"x86_64": {"level": ["v1"]}}
FITS_NOT = {"x86_64": {"level": ["v9"]}}


def label_of(env: Environment) -> str:
    done = subprocess.run(
        [env.python, "-c", "import tool; print(tool.LABEL)"],
        env=env.environ(),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def variants(wheelhouse: Wheelhouse) -> Wheelhouse:
    """One variant that fits each machine, one that fits none, and the wheel for everybody else."""
    wheelhouse.add("base", "1.0")
    wheelhouse.add_variants("tool", "1.0", {"level1": FITS, "level9": FITS_NOT})
    wheelhouse.add("tool", "1.0", files={"tool.py": "LABEL = ''\n"})
    return wheelhouse


@pytest.fixture(params=["variable", "file", "folder"])
def switched_on(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: HttpIndex
) -> dict[str, object]:
    """Switch variants on, by a variable or by a uv.toml; return where the packages come from."""
    if request.param == "file":
        config = tmp_path / "uv.toml"
        config.write_text('preview-features = ["wheel-variants"]\n')
        monkeypatch.delenv("UV_NO_CONFIG", raising=False)
        monkeypatch.setenv("UV_CONFIG_FILE", str(config))
    else:
        monkeypatch.setenv("UV_PREVIEW_FEATURES", "wheel-variants")
    return {} if request.param == "folder" else {"index_url": index.url, "find_links": []}


def test_an_edited_uv_toml_counts(
    host: Host, variants: Wheelhouse, write_spec: WriteSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "uv.toml"
    monkeypatch.delenv("UV_NO_CONFIG")
    monkeypatch.setenv("UV_CONFIG_FILE", str(config))
    spec = write_spec("m", ["tool"])
    labels = []
    for text in ("", 'preview-features = ["wheel-variants"]\n', ""):
        config.write_text(text)
        env = ensure_env(spec, host_python=host.python)
        labels.append(label_of(env))
    assert labels == ["", "level1", ""]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("tool-1.0-py3-none-any.whl", ""),
        ("tool-1.0-1a-py3-none-any.whl", ""),
        ("tool-1.0-py3-none-any-x8664v1.whl", "x8664v1"),
        ("tool-1.0-2-cp311-cp311-linux_x86_64-cu13.whl", "cu13"),
        ("https://host.example/files/tool-1.0%2Bcu-py3-none-any-null.whl?a=1#sha256=0", "null"),
        ("tool-1.0.tar.gz", ""),
        ("a-b-c-d-e-1.0.tar.gz", ""),
    ],
)
def test_the_label_stands_at_the_end_of_the_file_name(name: str, label: str) -> None:
    assert wheel_label(name) == label


def test_a_variant_is_planned_installed_and_told(
    host: Host, variants: Wheelhouse, switched_on: dict[str, object], write_spec: WriteSpec
) -> None:
    spec = write_spec("m", ["tool", "base"], **switched_on)
    planned = plan_env(spec, host_python=host.python)
    found = {item.name: item.description for item in planned.plan.install}
    assert {name: item.variant for name, item in found.items()} == {"tool": "level1", "base": ""}
    assert (found["tool"].url or "").endswith("/tool-1.0-py3-none-any-level1.whl")
    assert found["tool"].requires == ()
    env = ensure_env(spec, host_python=host.python)
    assert label_of(env) == "level1"
    receipt = read_receipt(env.path)
    assert receipt is not None
    assert [item.description.variant for item in receipt.plan.install if item.name == "tool"] == ["level1"]
    assert receipt.key == planned.key


def test_without_the_switch_nothing_changes(
    host: Host, variants: Wheelhouse, index: HttpIndex, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = write_spec("m", ["tool"], index_url=index.url, find_links=[])
    env = ensure_env(spec, host_python=host.python)
    assert label_of(env) == ""
    assert not any("variants.json" in path or "level" in path for path in index.requests)
    before = plan_env(spec, host_python=host.python).key
    monkeypatch.setenv("UV_PREVIEW_FEATURES", "wheel-variants")
    after = plan_env(spec, host_python=host.python)
    assert after.key != before
    assert after.plan.install[0].description.variant == "level1"


def test_the_key_tells_variants_apart(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_PREVIEW_FEATURES", "wheel-variants")
    spec = write_spec("m", ["tool"])
    keys = []
    for label in ("one", "two"):
        wheelhouse.add_variants("tool", "1.0", {label: FITS})
        keys.append(plan_env(spec, host_python=host.python, upgrade=True).key)
        for path in wheelhouse.path.iterdir():
            path.unlink()
    assert keys[0] != keys[1]


def test_a_variant_that_fits_nobody_is_no_solution(
    host: Host, wheelhouse: Wheelhouse, switched_on: dict[str, object], write_spec: WriteSpec
) -> None:
    wheelhouse.add_variants("tool", "1.0", {"level9": FITS_NOT})
    with pytest.raises(NoSolutionError) as caught:
        plan_env(write_spec("m", ["tool"], **switched_on), host_python=host.python)
    assert any("wheel variant" in line for line in caught.value.details)


def test_an_address_of_a_variant(
    host: Host, variants: Wheelhouse, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = write_spec("m", [f"tool @ {variants.path.as_uri()}/tool-1.0-py3-none-any-level1.whl"])
    with pytest.raises(VenvkitError) as caught:
        plan_env(spec, host_python=host.python)
    assert "--preview-features wheel-variants" in "\n".join(caught.value.details)
    assert caught.value.code == "wheel-variant"
    assert "UV_PREVIEW_FEATURES" in caught.value.remedy
    monkeypatch.setenv("UV_PREVIEW_FEATURES", "wheel-variants")
    assert plan_env(spec, host_python=host.python).plan.install[0].description.variant == "level1"
    env = ensure_env(spec, host_python=host.python)
    assert label_of(env) == "level1"


def test_a_recent_plan_is_held_against_what_is_installed(
    host: Host, variants: Wheelhouse, index: HttpIndex, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_PREVIEW_FEATURES", "wheel-variants")
    spec = write_spec("m", ["tool"], index_url=index.url, find_links=[])
    assert plan_env(spec, host_python=host.python).plan.install[0].description.variant == "level1"
    for path in variants.path.glob("tool-1.0-*"):
        path.unlink()
    variants.add_variants("tool", "1.0", {"other1": FITS})
    with pytest.raises(ProofError) as caught:
        ensure_env(spec, host_python=host.python)
    assert caught.value.code == "install-differs"
    env = ensure_env(spec, host_python=host.python)
    receipt = read_receipt(env.path)
    assert receipt is not None
    assert [item.description.variant for item in receipt.plan.install] == [label_of(env)] == ["other1"]
