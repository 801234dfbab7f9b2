"""Finding an interpreter, and asking it what it is."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec.structs import replace

from venvkit.base.process import Completed, Runner
from venvkit.errors import MachineError, UsageError
from venvkit.host._probe import MARK
from venvkit.host.interpreter import Interpreter

_TIMEOUT_S = 60.0
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?")
_NEUTRAL_CWD = "/"
_OLDEST = (3, 8)
# The script goes as an argument, because nothing may be imported from the working directory, not even by its
# imports.
_BOOT = "import sys; sys.path[:1] == [''] and sys.path.pop(0); exec(sys.argv[1])"
_REMEDY = "name an existing interpreter: a path, a virtual environment, or a command such as python3.12"
# Only an interpreter from before `_OLDEST` fails the probe and still answers this: it parses everywhere.
_ASK_VERSION = "import sys; sys.stdout.write('\\n' + '%d.%d.%d' % sys.version_info[:3] + '\\n')"


def find_host_python(argument: str | None, setting: str | None) -> str:
    """Return the absolute path of the host's interpreter; no process is started.

    Args:
        argument: What the caller named: a path, a virtual environment's directory, or a command on PATH.
        setting: The value of VENVKIT_HOST_PYTHON, of the same forms.

    Raises:
        UsageError: There is no such interpreter (`interpreter-missing`).
    """
    if argument:
        return _locate(argument)
    if setting:
        return _locate(setting)
    return sys.executable


def find_python(wanted: str, runner: Runner, uv: str) -> str:
    """Return the absolute path of an interpreter on this machine that is `wanted`; nothing is downloaded.

    Args:
        wanted: A version or any other request uv knows (`3.12`, `pypy3.11`, `>=3.11`), a path, or a venv's
            directory.

    Raises:
        UsageError: There is none (`interpreter-missing`).
    """
    if os.sep in wanted or os.path.isdir(wanted):  # noqa: PTH112 - a bare version is no path
        return _locate(wanted)
    # An activated venv is no answer to "which Python 3.12": --system looks at real installations only.
    flags = ("--system", "--no-project", "--no-python-downloads", "--offline")
    done = runner.run([uv, "python", "find", *flags, "--", wanted], cwd=_NEUTRAL_CWD, timeout=_TIMEOUT_S)
    found = done.stdout.strip()
    if done.status == 0 and Path(found).is_absolute():
        return found
    kept = _pyenv_python(wanted)
    if kept is None:
        raise UsageError(
            f"no Python {wanted} is installed on this machine",
            code="interpreter-missing",
            where=wanted,
            remedy=f"install it (`uv python install {wanted}`), or name the path of another interpreter",
            details=done.tail(),
        )
    return kept


def _pyenv_python(wanted: str) -> str | None:
    """Return the newest interpreter of a version that pyenv keeps.

    uv gives up at the first shim on PATH that starts nothing, which is every version that is not pyenv's global one.
    """
    root = Path(os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv"))  # noqa: PTH111 - total
    if not _VERSION.fullmatch(wanted):
        return None
    folders = [folder for folder in root.glob("versions/*") if f"{folder.name}.".startswith(f"{wanted}.")]
    numbered = sorted(folders, key=lambda folder: [int(part) for part in re.findall(r"\d+", folder.name)])
    pythons = (folder / "bin" / "python" for folder in reversed(numbered))
    return next((str(python) for python in pythons if os.access(python, os.X_OK)), None)


def probe(python: str, runner: Runner, *, environ: Mapping[str, str] | None = None) -> Interpreter:
    """Ask the interpreter at `python` to describe itself, in one process.

    It is not isolated (`-I` would hide the user site and PYTHONPATH, which the host really sees); only
    byte-code writing is off, and its working directory is neutral.

    Args:
        environ: The environment variables it starts with, else ours.

    Raises:
        UsageError: It is not there or not executable (`interpreter-missing`), or older than Python 3.8
            (`interpreter-unsupported`).
        MachineError: It crashes or does not answer (`interpreter-broken`).
    """
    if not Path(python).is_file() or not os.access(python, os.X_OK):
        what = "is not executable" if Path(python).exists() else "does not exist"
        raise UsageError(f"the interpreter {what}", code="interpreter-missing", where=python, remedy=_REMEDY)
    env = probe_environ(os.environ if environ is None else environ)
    script = Path(__file__).with_name("_probe.py").read_text(encoding="utf-8")
    done = _ask([python, "-B", "-c", _BOOT, script], runner, env)
    answer = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if done.status != 0 or not answer:
        raise _refusal(python, runner, done, env)
    try:
        found = msgspec.json.decode(answer[-1][len(MARK) :], type=Interpreter)
    except msgspec.MsgspecError as error:
        raise _broken(python, (str(error),)) from error
    if _is_too_old(found.version):
        raise _too_old(python, found.version)
    # A version manager's shim names the real interpreter here; its own target depends on the directory it
    # runs in.
    return found if Path(found.python).is_absolute() else replace(found, python=python)


def probe_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` as the probe passes it on.

    Empty entries of PYTHONPATH (the working directory) are left out and relative ones made absolute, since
    the probe runs elsewhere. PYTHONHOME belongs to one installation and would break any other; the child
    never gets it either.
    """
    env = {key: value for key, value in environ.items() if key not in ("PYTHONHOME", "PYTHONINSPECT")}
    entries = [str(Path(entry).absolute()) for entry in env.pop("PYTHONPATH", "").split(os.pathsep) if entry]
    if entries:
        env["PYTHONPATH"] = os.pathsep.join(entries)
    return env


def _locate(name: str) -> str:
    path = Path(os.path.expanduser(name))  # noqa: PTH111 - total
    if path.is_dir():
        candidates = [path / "bin" / "python", path / "bin" / "python3", path / "Scripts" / "python.exe"]
        found = next((str(candidate) for candidate in candidates if candidate.is_file()), None)
    elif os.sep not in name:
        found = shutil.which(name) or (str(path) if path.is_file() else None)
    else:
        found = str(path) if path.is_file() else None
    if found is None or not os.access(found, os.X_OK):
        raise UsageError("there is no interpreter of this name", code="interpreter-missing", where=name, remedy=_REMEDY)
    return str(Path(found).absolute())


def _ask(argv: list[str], runner: Runner, env: Mapping[str, str]) -> Completed:
    try:
        return runner.run(argv, env=env, cwd=_NEUTRAL_CWD, timeout=_TIMEOUT_S)
    except MachineError as error:
        if error.code != "no-program":
            raise
        raise _broken(argv[0], (error.message,)) from error


def _refusal(python: str, runner: Runner, done: Completed, env: Mapping[str, str]) -> UsageError | MachineError:
    """Tell an interpreter that is too old for the probe from one that is broken."""
    answer = _ask([python, "-B", "-c", _ASK_VERSION], runner, env).stdout.strip().splitlines()[-1:]
    if answer and _is_too_old(answer[0]):
        return _too_old(python, answer[0])
    return _broken(python, done.tail())


def _is_too_old(version: str) -> bool:
    found = re.match(r"(\d+)\.(\d+)\.\d", version)
    return found is not None and (int(found[1]), int(found[2])) < _OLDEST


def _too_old(python: str, version: str) -> UsageError:
    return UsageError(
        f"Python {version} is too old",
        code="interpreter-unsupported",
        where=python,
        remedy="name an interpreter of Python 3.8 or later",
    )


def _broken(python: str, details: tuple[str, ...]) -> MachineError:
    return MachineError(
        "the interpreter does not work: it cannot describe itself",
        code="interpreter-broken",
        where=python,
        remedy="run it by hand to see why, reinstall it, or name another interpreter",
        details=details,
    )
