"""`venvkit xinference --`: what is refused, and how the registration reaches the processes of a server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from venvkit.integrations import startup

# A stand-in for the package of the same name: what is tried here is how the registration is reached.
STANDIN = {
    "xoscar/__init__.py": "",
    "xoscar/virtualenv/__init__.py": "from xoscar.virtualenv import core\n_name_to_managers = {'uv': None}\n",
    "xoscar/virtualenv/core.py": "class VirtualEnvManager:\n    pass\n",
}
SHOW = "import xoscar.virtualenv as v; print({name: m and m.__name__ for name, m in v._name_to_managers.items()})"
BOTH = "{'uv': 'VenvkitManager', 'venvkit': 'VenvkitManager'}"


@pytest.fixture
def server(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on PYTHONPATH with a stand-in for xoscar."""
    folder = tmp_path / "lib"
    for name, text in STANDIN.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


def venvkit(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "venvkit", "xinference", *args]
    return subprocess.run(argv, env={**os.environ, **environ}, capture_output=True, text=True, check=False)


def test_every_process_that_the_server_starts_has_it(server: Path) -> None:
    spawn = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SHOW!r}])"
    done = venvkit("--", "python", "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {spawn!r}])")
    assert (done.stdout, done.stderr) == (f"{BOTH}\n", "")


def test_a_multiprocessing_child_has_it(server: Path, tmp_path: Path) -> None:
    script = tmp_path / "serve.py"
    script.write_text(
        "import multiprocessing\n"
        f"def work():\n    {SHOW}\n"
        "if __name__ == '__main__':\n"
        "    child = multiprocessing.get_context('spawn').Process(target=work)\n"
        "    child.start()\n    child.join()\n",
        encoding="utf-8",
    )
    assert venvkit("--", "python", str(script)).stdout == f"{BOTH}\n"


def test_the_command_takes_the_place_of_this_process(server: Path) -> None:
    argv = [sys.executable, "-m", "venvkit", "xinference", "--", "python", "-c", "import os; print(os.getpid())"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    out, _ = process.communicate(timeout=60)
    assert int(out) == process.pid
    assert venvkit("--", "python", "-c", "raise SystemExit(3)").returncode == 3


def test_a_sitecustomize_of_the_host_runs_too(server: Path) -> None:
    (server / "sitecustomize.py").write_text("import sys\nsys.of_the_host = 1\n", encoding="utf-8")
    code = f"import sys, sitecustomize; print(sys.of_the_host, sitecustomize.__file__); {SHOW}"
    done = venvkit("--", "python", "-c", code)
    assert done.stdout == f"1 {server / 'sitecustomize.py'}\n{BOTH}\n"
    (server / "sitecustomize.py").write_text("raise ValueError('of the host')\n", encoding="utf-8")
    assert "of the host" in venvkit("--", "python", "-c", "1").stderr


def test_the_folder_is_not_on_the_path_of_imports(server: Path) -> None:
    done = venvkit("--", "python", "-c", "import sys; print(sys.path)")
    assert startup.FOLDER not in done.stdout
    assert str(server) in done.stdout


def test_a_models_process_drops_it(server: Path) -> None:
    code = (
        "import os, sys, types; sys.modules['_venvkit_child'] = types.ModuleType('hook');"
        "from venvkit.integrations import startup; startup.begin(); print(os.environ['PYTHONPATH'])"
    )
    assert venvkit("--", "python", "-c", code).stdout == f"{server}\n"


@pytest.mark.parametrize(
    ("args", "code", "status"),
    [((), "command-missing", 2), (("--", "venvkit-has-no-such-command"), "no-program", 7)],
)
def test_refusals(server: Path, args: tuple[str, ...], code: str, status: int) -> None:
    done = venvkit(*args)
    assert done.returncode == status
    assert f"[{code}]" in done.stderr


def test_a_command_of_another_interpreter_is_refused(server: Path, tmp_path: Path) -> None:
    script = tmp_path / "xinference-local"
    script.write_text("#!/opt/other/bin/python3\n", encoding="utf-8")
    script.chmod(0o755)
    done = venvkit("--", str(script))
    assert done.returncode == 2
    assert "[not-beside]" in done.stderr
    assert "/opt/other/bin/python3" in done.stderr


def test_without_xoscar_it_is_refused(home: Path) -> None:
    done = venvkit("--", "python", "-c", "1")
    assert (done.returncode, "[not-beside]" in done.stderr) == (2, True)
