"""The levers, each from a spec to an import in the child."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit import Environment, ensure_env, plan_env
from venvkit.errors import NoSolutionError, ProofError


def versions(env: Environment) -> dict[str, str]:
    assert env.receipt is not None
    return {str(item.name): item.version for item in env.receipt.plan.install}


@pytest.fixture
def stocked(wheelhouse: Wheelhouse) -> Wheelhouse:
    for version in ("1.0", "2.0"):
        wheelhouse.add("base", version)
    wheelhouse.add("extra", "1.0")
    wheelhouse.add("tool", "1.0", requires=["base", "extra"])
    return wheelhouse


def test_constraints_bound_what_is_chosen(home: Path, host: Host, stocked: Wheelhouse, write_spec: WriteSpec) -> None:
    env = ensure_env(write_spec("m", ["tool"], constraints=["base<2"]), host_python=host.python)
    assert versions(env) == {"tool": "1.0", "base": "1.0", "extra": "1.0"}


def test_overrides_and_excludes_bend_what_is_required(
    home: Path, host: Host, stocked: Wheelhouse, write_spec: WriteSpec
) -> None:
    stocked.add("strict", "1.0", requires=["base<1"])
    spec = write_spec("m", ["tool", "strict"], overrides=["base==2.0"], excludes=["extra"])
    env = ensure_env(spec, host_python=host.python)
    assert versions(env) == {"tool": "1.0", "strict": "1.0", "base": "2.0"}
    assert env.receipt is not None
    assert env.receipt.plan.broken == ()


def test_no_inherit_installs_over_a_fitting_host_copy(
    home: Path, host: Host, stocked: Wheelhouse, write_spec: WriteSpec
) -> None:
    host.install("base==2.0", "extra")
    env = ensure_env(write_spec("m", ["tool"], no_inherit=["base"]), host_python=host.python)
    assert versions(env) == {"tool": "1.0", "base": "2.0"}
    found = env.run(["python", "-c", "import base; print(base.__file__)"], capture=True).stdout
    assert found.startswith(f"{env.path}/")


def test_verify_takes_modules_and_attributes(
    home: Path, host: Host, stocked: Wheelhouse, write_spec: WriteSpec
) -> None:
    spec = write_spec("m", ["tool"], verify=["tool", "tool:__version__"])
    assert ensure_env(spec, host_python=host.python).built


@pytest.mark.parametrize("verify", ["nowhere", "tool:missing"])
def test_a_failing_verify_discards_the_environment(
    home: Path, host: Host, stocked: Wheelhouse, write_spec: WriteSpec, verify: str
) -> None:
    with pytest.raises(ProofError, match="fails") as caught:
        ensure_env(write_spec("m", ["tool"], verify=[verify]), host_python=host.python)
    assert (caught.value.code, caught.value.exit_code) == ("import-failed", 3)
    assert "Error" in caught.value.details[-1]
    assert not home.exists()


def test_what_is_optional_and_absent_is_not_verified(
    home: Path, host: Host, stocked: Wheelhouse, write_spec: WriteSpec
) -> None:
    spec = write_spec("m", ["tool", "flash-attn>=2"], optional=["flash-attn"], verify=["tool", "flash_attn:run"])
    env = ensure_env(spec, host_python=host.python)
    assert env.receipt is not None
    assert [item.requirement for item in env.receipt.plan.absent] == ["flash-attn>=2"]


def test_one_version_from_two_indexes_is_two_environments(
    home: Path, host: Host, tmp_path: Path, write_spec: WriteSpec
) -> None:
    servers = []
    for name in ("cpu", "cuda"):
        house = Wheelhouse(tmp_path / name)
        house.add("tool", "1.0", files={"tool.py": f"BUILD = {name!r}\n"})
        servers.append(HttpIndex(house).start())
    try:
        spec = write_spec("m", ["tool"], find_links=[])
        for name, server in zip(("cpu", "cuda"), servers, strict=True):
            env = ensure_env(spec, host_python=host.python, index_url=servers[0].url, sources={"tool": server.url})
            found = env.run(["python", "-c", "import tool; print(tool.BUILD)"], capture=True).stdout.strip()
            assert found == name
    finally:
        for server in servers:
            server.stop()


def test_nothing_is_built_where_that_is_forbidden(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, tmp_path: Path
) -> None:
    import io
    import tarfile

    text = b'from setuptools import setup\nsetup(name="old", version="2.0", py_modules=[])\n'
    with tarfile.open(wheelhouse.path / "old-2.0.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("old-2.0/setup.py")
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text))
    wheelhouse.add("old", "1.0")
    plan = plan_env(write_spec("a", ["old"], no_build=[":all:"]), host_python=host.python).plan
    assert [item.version for item in plan.install] == ["1.0"]
    with pytest.raises(NoSolutionError):
        plan_env(write_spec("b", ["old==2.0"], no_build=["old"]), host_python=host.python)
