"""Passwords in the addresses of git repositories: git gets them, and no argument list nor file of ours has them."""

from __future__ import annotations

import base64
import http.server
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts import Host
from venvkit import ModelSpec, ensure_env
from venvkit.tools.gitusers import git_users, hide_git_users, with_git_user

PASSWORDS = {"one": "pw-ONE-9", "two": "pw%40TWO"}  # the second is written as an address has to write an `@`
BACKEND = """
import zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    info = "NAME-1.0.dist-info"
    files = {
        "NAME.py": "", f"{info}/METADATA": "Metadata-Version: 2.1\\nName: NAME\\nVersion: 1.0\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(f"{folder}/NAME-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return "NAME-1.0-py3-none-any.whl"
"""
PROJECT = '[project]\nname = "NAME"\nversion = "1.0"\n[build-system]\nrequires = []\nbuild-backend = "back"\n'
GIT = shutil.which("git") or ""

pytestmark = pytest.mark.skipif(not GIT, reason="there is no git")


class _Git(http.server.BaseHTTPRequestHandler):
    """Serves `/NAME.git` to the user NAME alone, by git's own server."""

    root = Path()

    def log_message(self, format: str, *args: object) -> None: ...

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        name = path.split("/")[1].removesuffix(".git")
        user = f"{name}:{PASSWORDS[name].replace('%40', '@')}".encode()
        if self.headers.get("Authorization") != f"Basic {base64.b64encode(user).decode()}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        env = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(self.root), "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command, "REMOTE_USER": name,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }  # fmt: skip
        answer = subprocess.run([GIT, "http-backend"], env=env, input=body, capture_output=True, check=True).stdout
        head, _, content = answer.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for field in fields.items():
            self.send_header(*field)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET


@pytest.fixture
def repositories(tmp_path: Path) -> Iterator[str]:
    """Yield the host and port that serve one repository for each user."""
    root = tmp_path / "repositories"
    for name in PASSWORDS:
        tree = tmp_path / f"tree-{name}"
        tree.mkdir()
        (tree / "pyproject.toml").write_text(PROJECT.replace("NAME", name) + 'backend-path = ["."]\n')
        (tree / "back.py").write_text(BACKEND.replace("NAME", name))
        for command in (
            ["init", "-q"],
            ["add", "."],
            ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "."],
        ):
            subprocess.run([GIT, *command], cwd=tree, check=True)
        subprocess.run([GIT, "clone", "-q", "--bare", str(tree), str(root / f"{name}.git")], check=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Served", (_Git,), {"root": root}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file in which each `git` that is run writes its arguments."""
    written = tmp_path / "git-commands"
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {written}\nexec {GIT} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return written


@pytest.mark.parametrize("backend", ["uv", "pip"])
def test_a_password_reaches_git_and_no_argument(
    home: Path,
    host: Host,
    repositories: str,
    commands: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    addresses = {name: f"git+http://{name}:{word}@{repositories}/{name}.git" for name, word in PASSWORDS.items()}
    # One with its name, and for uv one without.
    lines = (f"one @ {addresses['one']}", addresses["two"] if backend == "uv" else f"two @ {addresses['two']}")
    spec = ModelSpec("private", lines)
    env = ensure_env(spec, host_python=str(host.python), backend=backend)
    assert env.run(["python", "-c", "import one, two"], capture=True).returncode == 0
    said = commands.read_text()
    assert f"http://{repositories}/one.git" in said
    assert not any(word in said for word in PASSWORDS.values())
    kept = [path for folder in (home, tmp_path / "cache") for path in folder.rglob("*") if path.is_file()]
    assert not [path for path in kept if any(word.encode() in path.read_bytes() for word in PASSWORDS.values())]


def test_the_machines_own_git_variables_stay(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("q @ git+https://me:pw@git.example/q.git@main\nr @ git+https://git.example/r.git\n")
    found = hide_git_users(["--requirements", str(file)], {"GIT_CONFIG_COUNT": "2"})
    assert file.read_text() == "q @ git+https://git.example/q.git@main\nr @ git+https://git.example/r.git\n"
    assert found["GIT_CONFIG_COUNT"] == "6"
    assert found["GIT_CONFIG_KEY_2"] == found["GIT_CONFIG_KEY_3"] == "credential.https://git.example/.helper"
    assert found["GIT_CONFIG_KEY_5"] == "credential.https://git.example/q.git.helper"
    assert hide_git_users(["--requirements", str(file)], {}) == {}


def test_a_checkout_gets_the_user_of_its_own_repository() -> None:
    users = git_users(["q @ git+https://me:pw@git.example/q.git", "git+https://you:pw@git.example/r.git@v1"])
    assert with_git_user("git+https://git.example/q.git@abc", users) == "git+https://me:pw@git.example/q.git@abc"
    assert with_git_user("git+https://git.example/r.git@abc", users) == "git+https://you:pw@git.example/r.git@abc"
    assert with_git_user("git+https://git.example/s.git@abc", users) == "git+https://git.example/s.git@abc"
