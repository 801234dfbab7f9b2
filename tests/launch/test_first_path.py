"""The first whole path: a spec becomes an environment whose interpreter sees the host and what the model needs."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse
from venvkit import ensure_env, plan_env


def test_builds_what_is_missing_and_inherits_the_rest(
    home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec
) -> None:
    wheelhouse.add("base", "1.0")
    wheelhouse.add("tool", "2.0", requires=["base>=1"])
    wheelhouse.add("old", "1.0")
    wheelhouse.add("old", "2.0")
    host.install("base", "old==1.0")
    spec = write_spec("m", ["tool", "old>=2"])
    plan = plan_env(spec, host_python=host.python).plan
    assert [(item.name, item.version) for item in plan.install] == [("old", "2.0"), ("tool", "2.0")]
    assert [(item.name, item.version) for item in plan.inherit] == [("base", "1.0")]
    assert plan.inherit[0].reason == ("virtualenv.packages[0]: tool", "tool==2.0 requires base>=1")
    assert not home.exists()
    before = host.file_hashes()
    env = ensure_env(spec, host_python=host.python)
    assert env.built
    done = env.run(["python", "-c", "import tool, base, old; print(old.__version__, base.__file__)"], capture=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2.0", str(host.site_packages / "base.py")]
    assert host.file_hashes() == before
    again = ensure_env(spec, host_python=host.python)
    assert not again.built
    assert again.python == env.python
