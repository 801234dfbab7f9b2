"""The host is never written: commands that would install into it are refused, and the host's files are hashed."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from click.testing import CliRunner

from tests.faults.world import World
from tests.hosts import UV, tree_hashes
from tests.store.conftest import common as common
from tests.store.conftest import quick_world as quick_world
from venvkit import ensure_env
from venvkit.cli.app import cli
from venvkit.errors import UsageError
from venvkit.launch.installs import refuse_install

REFUSED = (
    "pip install six",
    "pip3 install six",
    "pip3.11 --no-cache-dir install six",
    "/opt/host/bin/pip install -r requirements.txt",
    "pip --log x.log uninstall -y six",
    "python -m pip install six",
    "python3 -Im pip install six",
    "python -X utf8 -W ignore -mpip install six",
    "python -m pip.__main__ install six",
    "/usr/bin/python3.11 /opt/host/bin/pip install six",
    "python -m ensurepip",
    "uv pip install six",
    "uv --offline pip sync requirements.txt",
    "python -m uv pip uninstall six",
    "uv pip install --system six",
    "env PIP_NO_INDEX=1 pip install six",
    "nohup nice -n 5 pip install six",
    "sudo -E pip install six",
    "timeout 60 pip install six",
    "PIP_NO_INDEX=1 pip install six",
    "sh -c 'pip install six'",
    "bash -lc 'cd /tmp && pip install six; python serve.py'",
    "bash -c 'true\npip install six'",
    "sh -c 'sh -c \"pip install six\"'",
    "sh -c '(pip install six)'",
    "conda install -y six",
    "mamba install six",
    "poetry add six",
    "easy_install six",
)
ALLOWED = (
    "pip list",
    "pip download six",
    "pip install --dry-run six",
    "pip install --target=/tmp/x six",
    "pip install --help",
    "python -m pip --version",
    "python -c 'import pip' install",
    "python serve.py install",
    "python -m serve pip install",
    "python",
    "uv run serve.py",
    "uv pip list",
    "uv tool install six",
    "sh -c 'echo pip install six'",
    "sh serve.sh pip install",
    'sh -c "it\'s"',
    "conda install -p /tmp/other six",
    "env",
    "pip",
    "grep -r pip install",
)


@pytest.mark.parametrize("line", REFUSED)
def test_what_installs_is_refused(line: str) -> None:
    with pytest.raises(UsageError) as refused:
        refuse_install(shlex.split(line), "m")
    assert refused.value.code == "install-refused"
    assert "-p " in (refused.value.remedy or "")


@pytest.mark.parametrize("line", ALLOWED)
def test_what_installs_nothing_runs(line: str) -> None:
    refuse_install(shlex.split(line), "m")


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_neither_the_host_nor_the_environment_is_written(
    tool: str, quick_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = quick_world
    if not (world.host.prefix / "bin" / "pip3").exists():
        subprocess.run([world.host.python, "-m", "ensurepip", "--default-pip"], check=True)
    monkeypatch.setenv("VENVKIT_HOST_PYTHON", world.host.python)
    env = world.ensure("1.0")
    install = ["install", "-q", "--no-index", "--find-links", world.host.wheelhouse.url, "extra"]
    before = tree_hashes(world.host.prefix), tree_hashes(env.path)
    commands = [["pip", *install], ["python", "-m", "pip", *install], ["sh", "-c", shlex.join(["pip", *install])]]
    if tool == "uv":
        commands = [[UV, "pip", *install], [UV, "pip", *install, "--system", "--python", world.host.python]]
    for command in commands:
        refused = CliRunner().invoke(cli, ["run", str(world.spec), "-p", "tool==1.0", "--", *command])
        assert refused.exit_code == 2, refused.output
        assert "install-refused" in refused.stderr
        for start in (env.run, env.popen):
            with pytest.raises(UsageError):
                start(command)
    assert (tree_hashes(world.host.prefix), tree_hashes(env.path)) == before
    off = ensure_env(world.spec, enable=False, host_python=world.host.python)
    assert off.run(["pip", "--version"] if tool == "pip" else ["python", "-V"], capture=True).returncode == 0
